/** The rules of `storage/` for messages that failed and may be sent again. Run on every database, as `storage.ts`. */
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
import { type Account, openStorage, type Storage, type Tx } from '../../src/storage/storage.ts';
import { heldClock } from '../doubles/held-clock.ts';
import type { TestDatabase } from './storage.ts';

const USER = matrixUserId('@ada:example.org');
const ROOM = roomId('!portal:example.org');
const ID = 'a'.repeat(32);

export function failedMessagesSuite(name: string, create: () => Promise<TestDatabase>): void {
  describe(`failed messages on ${name}`, () => {
    let database: TestDatabase;
    let storage: Storage;
    let clock: ReturnType<typeof heldClock>;
    let account: Account;

    beforeEach(async () => {
      clock = heldClock(1_000);
      database = await create();
      storage = await openStorage({
        database: database.settings,
        masterKey: randomBytes(32),
        clock,
        random: systemRandom,
      });
      account = await tx(async (of) => await storage.accounts.insert(of, networkId('gk'), USER));
    });
    afterEach(async () => {
      assert.deepEqual(await storage.checkConsistency(), []);
      await storage.close();
      await database.drop();
    });

    const tx = async <T>(work: (of: Tx) => Promise<T>): Promise<T> =>
      await storage.database.transaction(work);
    const arrive = async (...ids: string[]) =>
      await tx(
        async (of) =>
          await storage.matrixInbox.insert(
            of,
            ids.map((id) => ({
              event: eventId(id),
              room: ROOM,
              sender: USER,
              type: 'm.room.message',
              json: `{"of":"${id}"}`,
            })),
          ),
      );
    /** The oldest event fails, and is kept. */
    const fail = async () =>
      await tx(async (of) => {
        const row = await storage.matrixInbox.findNext(of, ROOM);
        assert.ok(row !== undefined);
        await storage.matrixInbox.settleKept(of, row.seq, 'network/forbidden');
        await storage.fates.save(of, { event: row.event, room: ROOM, account: account.id, state: 'failed' });
      });
    const queued = (xml: string) => ({ stanza: stanzaId(ID), xml, event: eventId('$a'), room: ROOM });

    it('are listed in the order in which they were written, by person, room or event', async () => {
      await arrive('$a', '$b', '$c');
      await fail();
      clock.advance(10);
      await fail();
      const list = async (filter: object, limit = 10) =>
        await tx(async (of) => (await storage.fates.listFailed(of, filter, limit)).map(({ event }) => event));
      assert.deepEqual(await list({}), ['$a', '$b']);
      assert.deepEqual(await list({}, 1), ['$a']);
      assert.deepEqual(await list({ user: USER, room: ROOM }), ['$a', '$b']);
      assert.deepEqual(await list({ event: eventId('$b') }), ['$b']);
      assert.deepEqual(await list({ user: matrixUserId('@eve:example.org') }), []);
      assert.deepEqual(await list({ event: eventId('$c') }), []);
    });

    it('wait again, before what came after them, with what they said, once', async () => {
      await arrive('$a', '$b');
      await fail();
      clock.advance(5_000);
      const again = async () => await tx(async (of) => await storage.matrixInbox.requeue(of, eventId('$a')));
      assert.deepEqual([await again(), await again()], [true, false]);
      const next = await tx(async (of) => await storage.matrixInbox.findNext(of, ROOM));
      assert.deepEqual([next?.event, next?.json, next?.receivedAtMs], ['$a', '{"of":"$a"}', 6_000]);
      const behind = await tx(
        async (of) => await storage.matrixInbox.listBehind(of, ROOM, next?.seq ?? 0, 10),
      );
      assert.deepEqual(
        behind.map(({ event }) => event),
        ['$b'],
      );
    });

    it('are told anew after each requeue, and one that was told before does not count for it', async () => {
      await arrive('$a');
      await fail();
      const untold = async () => await tx(async (of) => await storage.fates.listUntold(of, ROOM, 10));
      const [failed] = await untold();
      assert.ok(failed !== undefined);
      assert.equal(await tx(async (of) => await storage.fates.requeue(of, failed.event)), true);
      assert.equal(await tx(async (of) => await storage.fates.requeue(of, failed.event)), false);
      await tx(async (of) => await storage.fates.saveTold(of, failed));
      const state = { event: failed.event, room: ROOM, account: account.id, state: 'failed' } as const;
      await tx(async (of) => await storage.fates.save(of, state));
      const [again] = await untold();
      assert.deepEqual([again?.state, again?.requeues], ['failed', 1]);
    });

    it('lose what they said after their time, and with their account’s key', async () => {
      await arrive('$a', '$b');
      await fail();
      clock.advance(10);
      await fail();
      const kept = async (id: string) =>
        await tx(async (of) => await storage.matrixInbox.findKept(of, eventId(id)));
      await tx(async (of) => await storage.matrixInbox.wipeFailed(of, 1_000));
      assert.deepEqual([await kept('$a'), await kept('$b')], [undefined, '{"of":"$b"}']);
      await tx(async (of) => {
        const [row] = await of('matrix_inbox').where({ event_id: '$b' }).select('data_key_id');
        await storage.matrixInbox.settleSealedWith(of, row.data_key_id, 'storage/dataKeyDestroyed');
      });
      assert.equal(await kept('$b'), undefined);
    });

    it('that were encrypted take the place of their settled stanza, and of no other', async () => {
      const replace = async (xml: string) =>
        await tx(async (of) => await storage.outbox.replaceSettled(of, account, queued(xml)));
      assert.equal(await replace('<none/>'), false);
      await tx(async (of) => await storage.outbox.insert(of, account, queued('<old/>')));
      assert.equal(await replace('<waiting/>'), false);
      await tx(async (of) => {
        const [row] = await storage.outbox.listUnnumbered(of, account, 1);
        await storage.outbox.fail(of, row?.rowId ?? '');
      });
      assert.equal(await replace('<new/>'), true);
      const rows = await tx(async (of) => await storage.outbox.listUnnumbered(of, account, 10));
      assert.deepEqual(
        rows.map(({ xml }) => xml),
        ['<new/>'],
      );
    });

    it('keep their plaintext while they wait in the outbox, and for their time after they failed', async () => {
      const count = async () => await tx(async (of) => (await of('sent_messages')).length);
      const tidy = async () => await tx(async (of) => await storage.sentMessages.deleteExpired(of));
      await tx(async (of) => {
        await storage.sentMessages.insert(of, account, {
          message: messageId(ID),
          contact: contactId('bob@gk.example'),
          content: Buffer.from('text'),
          keepMs: 100,
        });
        await storage.outbox.insert(of, account, queued('<message/>'));
      });
      clock.advance(1_000);
      await tidy();
      assert.equal(await count(), 1);
      await tx(async (of) => {
        const [row] = await storage.outbox.listUnnumbered(of, account, 1);
        const carried = await storage.outbox.fail(of, row?.rowId ?? '');
        assert.equal(carried?.stanza, ID);
        await storage.sentMessages.keepFor(of, account.id, messageId(ID), 500);
        await storage.sentMessages.keepFor(of, account.id, messageId(ID), 50);
      });
      clock.advance(499);
      await tidy();
      assert.equal(await count(), 1);
      clock.advance(1);
      await tidy();
      assert.equal(await count(), 0);
    });

    it('that wait in the outbox untold are found by their age', async () => {
      await tx(async (of) => await storage.outbox.insert(of, account, queued('<message/>')));
      clock.advance(100);
      const young = { ...queued('<message/>'), stanza: stanzaId('young'), event: eventId('$young') };
      await tx(async (of) => await storage.outbox.insert(of, account, young));
      await tx(
        async (of) => await storage.outbox.insert(of, account, { stanza: stanzaId('r'), xml: '<m/>' }),
      );
      const found = async () =>
        await tx(
          async (of) => await storage.outbox.listUntold(of, account.id, { beforeMs: 1_050, most: 10 }),
        );
      assert.deepEqual(await found(), { late: [{ event: '$a', room: ROOM }], nextMs: 1_100 });
      const fate = { event: eventId('$a'), room: ROOM, account: account.id, state: 'waiting' } as const;
      await tx(async (of) => await storage.fates.save(of, fate));
      assert.deepEqual(await found(), { late: [], nextMs: 1_100 });
    });

    it('a refused login is noted once, and forgotten once', async () => {
      const save = async (told: boolean) =>
        await tx(async (of) => await storage.accounts.saveRefusedTold(of, account.id, told));
      assert.deepEqual(
        [await save(false), await save(true), await save(true), await save(false), await save(false)],
        [false, true, false, true, false],
      );
    });
  });
}
