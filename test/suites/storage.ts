/** The rules of `storage/` that hold on every database. Run on SQLite by the unit tests, on PostgreSQL by the integration tests. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemRandom } from '../../src/ambient/random.ts';
import {
  contactId,
  eventId,
  matrixUserId,
  messageId,
  networkId,
  roomId,
  stanzaId,
} from '../../src/model/ids.ts';
import type { Account, DatabaseSettings, Storage } from '../../src/storage/storage.ts';
import { openStorage } from '../../src/storage/storage.ts';
import { heldClock } from '../doubles/held-clock.ts';

export type TestDatabase = Readonly<{ settings: DatabaseSettings; drop: () => Promise<void> }>;

const NETWORK = networkId('gk');
const USER = matrixUserId('@ada:example.org');
const BOB = contactId('bob@gk.example');
const ROOM = roomId('!portal:example.org');

export function storageSuite(name: string, create: () => Promise<TestDatabase>): void {
  describe(`storage on ${name}`, () => {
    const masterKey = randomBytes(32);
    let database: TestDatabase;
    let storage: Storage;
    let clock: ReturnType<typeof heldClock>;

    const open = async (key = masterKey, previousMasterKey?: Buffer) =>
      await openStorage({
        database: database.settings,
        masterKey: key,
        previousMasterKey,
        clock,
        random: systemRandom,
      });
    const newAccount = async (): Promise<Account> =>
      await storage.database.transaction(async (tx) => await storage.accounts.insert(tx, NETWORK, USER));
    const stored = (xml: string) => ({ from: BOB, xml, delayedAtMs: undefined });
    const arrived = (id: string) => ({
      event: eventId(id),
      room: ROOM,
      sender: USER,
      type: 'm.room.message',
      json: `{"body":"text of ${id}"}`,
    });

    beforeEach(async () => {
      clock = heldClock(1_000);
      database = await create();
      storage = await open();
    });
    afterEach(async () => {
      assert.deepEqual(await storage.checkConsistency(), []);
      await storage.close();
      await database.drop();
    });

    it('a second start finds the schema current and the data as they were', async () => {
      const account = await newAccount();
      await storage.close();
      storage = await open();
      const found = await storage.database.transaction(
        async (tx) => await storage.accounts.find(tx, NETWORK, USER),
      );
      assert.deepEqual(found, account);
    });

    it('another master key is refused at start', async () => {
      await storage.close();
      await assert.rejects(open(randomBytes(32)), { code: 'storage/wrongMasterKey' });
      storage = await open();
    });

    it('a new master key opens everything once the previous one is named, and alone from then on', async () => {
      const account = await newAccount();
      const secret = await storage.database.transaction(
        async (tx) => await storage.idSecret(tx, account.dataKey),
      );
      await storage.close();
      const newKey = randomBytes(32);
      await (await open(newKey, masterKey)).close();
      await assert.rejects(open(masterKey), { code: 'storage/wrongMasterKey' });
      storage = await open(newKey);
      const again = await storage.database.transaction(
        async (tx) => await storage.idSecret(tx, account.dataKey),
      );
      assert.deepEqual(again, secret);
    });

    it('what a destroyed data key sealed cannot be read, nor can anything be sealed with it', async () => {
      const account = await newAccount();
      const xml = '<message/>';
      await storage.database.transaction(async (tx) => {
        await storage.outbox.insert(tx, account, { stanza: stanzaId('a'), xml });
        await storage.accounts.delete(tx, account);
      });
      const read = storage.database.transaction(
        async (tx) => await storage.outbox.listUnnumbered(tx, account, 10),
      );
      await assert.rejects(read, { code: 'storage/dataKeyDestroyed' });
      const write = storage.database.transaction(
        async (tx) => await storage.outbox.insert(tx, account, { stanza: stanzaId('b'), xml }),
      );
      await assert.rejects(write, { code: 'storage/dataKeyDestroyed' });
      await storage.database.transaction(async (tx) => await storage.outbox.deleteOfAccount(tx, account.id));
    });

    it('a sealed value does not open in another row', async () => {
      const account = await newAccount();
      await storage.database.transaction(async (tx) => {
        await storage.outbox.insert(tx, account, { stanza: stanzaId('a'), xml: '<a/>' });
        await storage.outbox.insert(tx, account, { stanza: stanzaId('b'), xml: '<b/>' });
        const [first] = await tx('outbox').where({ stanza_id: 'a' }).pluck('sealed_stanza');
        await tx('outbox').where({ stanza_id: 'b' }).update({ sealed_stanza: first });
      });
      const read = storage.database.transaction(
        async (tx) => await storage.outbox.listUnnumbered(tx, account, 10),
      );
      await assert.rejects(read, { code: 'storage/sealBroken' });
    });

    it('an event is stored once, whatever transaction it comes in', async () => {
      const insert = async (...ids: string[]) =>
        await storage.database.transaction(
          async (tx) => await storage.matrixInbox.insert(tx, ids.map(arrived)),
        );
      assert.deepEqual(await insert('$a', '$b'), [{ room: ROOM, network: undefined }]);
      assert.deepEqual(await insert('$a', '$b'), []);
      assert.deepEqual(await insert('$b'), []);
      assert.deepEqual(await insert('$c'), [{ room: ROOM, network: undefined }]);
      assert.equal(
        await storage.database.transaction(async (tx) => await storage.matrixInbox.countWaiting(tx)),
        3,
      );
    });

    it('events of a room come out one by one in the order in which they came', async () => {
      await storage.database.transaction(async (tx) => {
        await storage.matrixInbox.insert(tx, [arrived('$a'), arrived('$b')]);
        await storage.matrixInbox.insert(tx, [arrived('$c')]);
      });
      const seen: string[] = [];
      for (;;) {
        const more = await storage.database.transaction(async (tx) => {
          const next = await storage.matrixInbox.findNext(tx, ROOM);
          if (next === undefined) return false;
          seen.push(`${next.event} ${next.json}`);
          await storage.matrixInbox.settle(tx, next.seq);
          return true;
        });
        if (!more) break;
      }
      assert.deepEqual(
        seen,
        ['$a', '$b', '$c'].map((id) => `${id} {"body":"text of ${id}"}`),
      );
    });

    it('an event is settled once: the second worker is told and its transaction undone', async () => {
      await storage.database.transaction(async (tx) => {
        await storage.matrixInbox.insert(tx, [arrived('$a')]);
      });
      await storage.database.transaction(async (tx) => await storage.matrixInbox.settle(tx, 1));
      const second = storage.database.transaction(async (tx) => {
        await storage.accounts.insert(tx, NETWORK, USER);
        await storage.matrixInbox.settle(tx, 1);
      });
      await assert.rejects(second, { code: 'storage/rowMissing' });
      const account = storage.database.transaction(
        async (tx) => await storage.accounts.find(tx, NETWORK, USER),
      );
      assert.equal(await account, undefined);
    });

    it('a stanza that comes again from the same sender adds nothing; a bounce with its id does', async () => {
      const account = await newAccount();
      const stanza = { lane: BOB, id: 'x', digest: 'd1', isError: false, stanza: stored('<message/>') };
      await storage.database.transaction(async (tx) => {
        await storage.networkInbox.insert(tx, account, [stanza, stanza]);
        await storage.networkInbox.insert(tx, account, [{ ...stanza, isError: true }]);
        await storage.networkInbox.insert(tx, account, [{ ...stanza, lane: 'eve@gk.example' }]);
        // The same id, used for something else.
        await storage.networkInbox.insert(tx, account, [{ ...stanza, digest: 'd2' }]);
        await storage.networkInbox.insert(tx, account, [{ ...stanza, id: undefined }]);
        await storage.networkInbox.insert(tx, account, [{ ...stanza, id: undefined }]);
      });
      const waiting = storage.database.transaction(async (tx) => await storage.networkInbox.countWaiting(tx));
      assert.equal(await waiting, 6);
    });

    it('a stanza without an id is told by its archive id when it comes again', async () => {
      const account = await newAccount();
      const stanza = { lane: BOB, id: undefined, digest: 'd1', isError: false, stanza: stored('<message/>') };
      await storage.database.transaction(async (tx) => {
        await storage.networkInbox.insert(tx, account, [{ ...stanza, archiveId: 'a1' }]);
        await storage.networkInbox.insert(tx, account, [{ ...stanza, archiveId: 'a1' }]);
        await storage.networkInbox.insert(tx, account, [{ ...stanza, archiveId: 'a2' }]);
        await storage.networkInbox.insert(tx, account, [{ ...stanza, id: 'a1' }]);
      });
      const waiting = storage.database.transaction(async (tx) => await storage.networkInbox.countWaiting(tx));
      assert.equal(await waiting, 3);
    });

    it('the journal takes the place of the stanza, once', async () => {
      const account = await newAccount();
      await storage.database.transaction(
        async (tx) =>
          await storage.networkInbox.insert(tx, account, [
            { lane: BOB, id: 'x', digest: 'd1', isError: false, stanza: stored('<m/>') },
          ]),
      );
      const row = await storage.database.transaction(
        async (tx) => await storage.networkInbox.findNext(tx, account, BOB),
      );
      assert.ok(row?.state === 'waiting' && row.stanza.xml === '<m/>');
      await storage.database.transaction(
        async (tx) => await storage.networkInbox.journal(tx, account, row, Buffer.from('clear')),
      );
      const second = storage.database.transaction(
        async (tx) => await storage.networkInbox.journal(tx, account, row, Buffer.from('again')),
      );
      await assert.rejects(second, { code: 'storage/rowMissing' });
      const journalled = await storage.database.transaction(
        async (tx) => await storage.networkInbox.findNext(tx, account, BOB),
      );
      assert.ok(journalled?.state === 'decrypted');
      assert.equal(journalled.journal.toString(), 'clear');
    });

    it('the outbox gives rows in order, and after a new session the unacknowledged ones again', async () => {
      const account = await newAccount();
      const { outbox } = storage;
      await storage.database.transaction(async (tx) => {
        for (const id of ['a', 'b', 'c']) {
          await outbox.insert(tx, account, {
            stanza: stanzaId(id),
            xml: `<${id}/>`,
            event: eventId(`$${id}`),
            room: ROOM,
          });
        }
        assert.equal(await outbox.insert(tx, account, { stanza: stanzaId('a'), xml: '<other/>' }), false);
      });
      const settled = await storage.database.transaction(async (tx) => {
        const rows = await outbox.listUnnumbered(tx, account, 10);
        await outbox.saveNumbers(
          tx,
          rows.map((row, index) => ({ rowId: row.rowId, number: index + 1 })),
        );
        assert.deepEqual(await outbox.listUnnumbered(tx, account, 10), []);
        return await outbox.settleUpTo(tx, account.id, 1);
      });
      assert.deepEqual(settled, [{ event: eventId('$a'), room: ROOM }]);
      const again = await storage.database.transaction(async (tx) => {
        const unacked = await outbox.listNumbered(tx, account);
        assert.deepEqual(
          unacked.map((row) => [row.number, row.xml]),
          [
            [2, '<b/>'],
            [3, '<c/>'],
          ],
        );
        await outbox.forgetNumbers(tx, account.id);
        return await outbox.listUnnumbered(tx, account, 10);
      });
      assert.deepEqual(
        again.map((row) => row.xml),
        ['<b/>', '<c/>'],
      );
    });

    it('a stream keeps its counts, its session id sealed, and its archive id over sessions', async () => {
      const account = await newAccount();
      const { streams } = storage;
      await storage.database.transaction(async (tx) => {
        await streams.begin(tx, account, { smId: 'sm-secret', boundJid: 'ada@gk.example/drawbridge' });
        await streams.saveHandled(tx, account.id, 7, 'archive-7');
        await streams.saveSent(tx, account.id, 3);
        await streams.saveCaughtUp(tx, account.id);
      });
      await storage.close();
      storage = await open();
      const found = await storage.database.transaction(async (tx) => await storage.streams.find(tx, account));
      assert.deepEqual(found, {
        smId: 'sm-secret',
        boundJid: 'ada@gk.example/drawbridge',
        handled: 7,
        sent: 3,
        archiveId: 'archive-7',
        isCaughtUp: true,
      });
      const next = await storage.database.transaction(async (tx) => {
        await storage.streams.begin(tx, account, { smId: undefined, boundJid: 'ada@gk.example/drawbridge' });
        return await storage.streams.find(tx, account);
      });
      assert.deepEqual(next, {
        smId: undefined,
        boundJid: 'ada@gk.example/drawbridge',
        handled: 0,
        sent: 0,
        archiveId: 'archive-7',
        isCaughtUp: false,
      });
    });

    it('a portal and a message are made once, however often', async () => {
      const account = await newAccount();
      const portals = await storage.database.transaction(async (tx) => [
        await storage.portals.findOrInsert(tx, account.id, BOB),
        await storage.portals.findOrInsert(tx, account.id, BOB),
      ]);
      assert.deepEqual(portals[0], portals[1]);
      const portal = portals[0];
      assert.ok(portal);
      await storage.database.transaction(async (tx) => {
        await storage.portals.saveRoom(tx, portal.id, ROOM);
        await storage.portals.saveNotice(tx, portal.id, eventId('$notice'), 'f'.repeat(64));
        for (const event of ['$1', '$2']) {
          await storage.messages.insert(tx, {
            portal: portal.id,
            direction: 'inbound',
            message: messageId('0'.repeat(32)),
            part: 0,
            stanza: stanzaId('s'),
            event: eventId(event),
            sentAtMs: 5,
            isRemark: false,
          });
        }
      });
      const record = await storage.database.transaction(
        async (tx) => await storage.messages.findByStanza(tx, portal.id, 'inbound', 's'),
      );
      assert.equal(record?.event, '$1');
      const other = await storage.database.transaction(
        async (tx) => await storage.messages.findByStanza(tx, portal.id, 'outbound', 's'),
      );
      assert.equal(other, undefined);
    });

    /** A portal with its room, and messages of the contact and the user in turns: `$in1`, `$out2`, `$in3`. */
    const conversation = async () => {
      const account = await newAccount();
      const portal = await storage.database.transaction(async (tx) => {
        const made = await storage.portals.findOrInsert(tx, account.id, BOB);
        await storage.portals.saveRoom(tx, made.id, ROOM);
        await storage.portals.saveNotice(tx, made.id, eventId('$notice'), 'f'.repeat(64));
        return made;
      });
      for (const [direction, number] of [
        ['inbound', 1],
        ['outbound', 2],
        ['inbound', 3],
      ] as const) {
        clock.advance(10);
        await storage.database.transaction(async (tx) => {
          await storage.messages.insert(tx, {
            portal: portal.id,
            direction,
            message: messageId(String(number).repeat(32)),
            part: 0,
            stanza: stanzaId(`s${number}`),
            event: eventId(`$${direction === 'inbound' ? 'in' : 'out'}${number}`),
            sentAtMs: clock.nowMs(),
            isRemark: false,
          });
        });
      }
      return { account, portal };
    };

    it('what was read is told of the newest message of the contact that stood there then', async () => {
      const { portal } = await conversation();
      const upTo = async (event: string, atMs: number) =>
        (
          await storage.database.transaction(
            async (tx) => await storage.messages.findReadUpTo(tx, portal.id, eventId(event), atMs),
          )
        )?.record.event;
      assert.equal(await upTo('$in1', 0), '$in1');
      assert.equal(await upTo('$out2', 0), '$in1');
      assert.equal(await upTo('$in3', 0), '$in3');
      assert.equal(await upTo('$a-notice', clock.nowMs() - 5), '$in1');
      assert.equal(await upTo('$a-notice', 1), undefined);
    });

    it('a read position moves forward only', async () => {
      const { portal } = await conversation();
      const moved = await storage.database.transaction(async (tx) => [
        await storage.portals.saveRead(tx, portal.id, 3),
        await storage.portals.saveRead(tx, portal.id, 3),
        await storage.portals.saveRead(tx, portal.id, 1),
        await storage.portals.saveRead(tx, portal.id, 4),
      ]);
      assert.deepEqual(moved, [true, false, false, true]);
    });

    it('a message is marked deleted once, and stays to be recognised', async () => {
      const { portal } = await conversation();
      const find = async () =>
        await storage.database.transaction(
          async (tx) => await storage.messages.findByEvent(tx, portal.id, eventId('$in1')),
        );
      const found = await find();
      assert.ok(found);
      assert.equal(found.deletedAtMs, undefined);
      const deletedAtMs = clock.nowMs();
      await storage.database.transaction(async (tx) => await storage.messages.saveDeleted(tx, found));
      clock.advance(10);
      await storage.database.transaction(async (tx) => await storage.messages.saveDeleted(tx, found));
      assert.equal((await find())?.deletedAtMs, deletedAtMs);
    });

    it('a reaction is found by its event and by what it stands at, its emoji sealed', async () => {
      const { account, portal } = await conversation();
      const reaction = {
        event: eventId('$reaction'),
        portal: portal.id,
        direction: 'inbound',
        targetDirection: 'outbound',
        target: messageId('2'.repeat(32)),
        emoji: '🎉',
      } as const;
      const found = await storage.database.transaction(async (tx) => {
        await storage.reactions.insert(tx, account, reaction);
        await storage.reactions.insert(tx, account, { ...reaction, emoji: '👎' });
        return {
          byEvent: await storage.reactions.findByEvent(tx, account, portal.id, reaction.event),
          standing: await storage.reactions.listTo(tx, account, reaction),
          ofOthers: await storage.reactions.listTo(tx, account, { ...reaction, direction: 'outbound' }),
          rows: await tx('reactions').select<{ sealed_emoji: Buffer }[]>(),
        };
      });
      assert.deepEqual(found.byEvent, reaction);
      assert.deepEqual(found.standing, [reaction]);
      assert.deepEqual(found.ofOthers, []);
      assert.ok(!found.rows[0]?.sealed_emoji.includes('🎉'));
      const left = await storage.database.transaction(async (tx) => {
        await storage.reactions.delete(tx, reaction.event);
        return await storage.reactions.listTo(tx, account, reaction);
      });
      assert.deepEqual(left, []);
    });

    it('what disappears comes out when its time is over, the oldest first', async () => {
      const { account } = await conversation();
      const due = await storage.database.transaction(async (tx) => {
        assert.equal(await storage.expirations.findNextMs(tx), undefined);
        for (const [event, expiresAtMs] of [
          ['$late', 900],
          ['$soon', 500],
          ['$later', 5_000],
        ] as const) {
          const of = { event: eventId(event), account: account.id, room: ROOM };
          await storage.expirations.insert(tx, { ...of, expiresAtMs });
          await storage.expirations.insert(tx, { ...of, expiresAtMs: 1 });
        }
        assert.equal(await storage.expirations.findNextMs(tx), 500);
        return await storage.expirations.listDue(tx, 900, 10);
      });
      assert.deepEqual(
        due.map(({ event }) => event),
        ['$soon', '$late'],
      );
    });

    it('a person’s choice takes the place of an earlier one', async () => {
      const chosen = await storage.database.transaction(async (tx) => {
        const before = await storage.userSettings.find(tx, USER, 'typing');
        await storage.userSettings.save(tx, USER, 'typing', 'on');
        await storage.userSettings.save(tx, USER, 'typing', 'off');
        return [
          before,
          await storage.userSettings.find(tx, USER, 'typing'),
          await storage.userSettings.find(tx, USER, 'read-receipts'),
        ];
      });
      assert.deepEqual(chosen, [undefined, 'off', undefined]);
    });

    it('settled rows are forgotten after their time, waiting ones never', async () => {
      await storage.database.transaction(async (tx) => {
        await storage.matrixInbox.insert(tx, [arrived('$a'), arrived('$b')]);
        await storage.matrixInbox.settle(tx, 1);
        await storage.matrixInbox.deleteSettled(tx, clock.nowMs() + 1);
      });
      const left = await storage.database.transaction(
        async (tx) => await tx('matrix_inbox').pluck('event_id'),
      );
      assert.deepEqual(left, ['$b']);
    });
  });
}
