/** Failed messages that are put back into the way, by their sender (`retry`) or an administrator (`requeue`). */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Housekeeping } from '../../../src/bridge/housekeeping.ts';
import { createLinkStore } from '../../../src/bridge/link-store.ts';
import { NetworkLane } from '../../../src/bridge/network-lane.ts';
import { matrixUserId, type RoomId, roomId } from '../../../src/model/ids.ts';
import { networkErrors } from '../../../src/network/errors.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { ADA, BridgeWorld } from './world/bridge-world.ts';
import type { Contact } from './world/contact.ts';
import { type CoreParts, coreParts } from './world/core-parts.ts';
import { FAULT_MODES } from './world/fault-points.ts';

const HOUR_MS = 60 * 60_000;
const ROOT = matrixUserId('@root:example.org');
const OFFICE = roomId('!office');

describe('a message that failed', () => {
  let world: BridgeWorld;
  let account: Account;
  let contact: Contact;
  let room: RoomId;
  let core: CoreParts;

  beforeEach(async () => {
    world = await BridgeWorld.create({ statusEvents: true });
    account = await world.enlisted();
    await begin();
    await world.managementRoom(ROOT, OFFICE);
    world.permissions.set(ROOT, 'admin');
  });
  afterEach(async () => {
    world.gatekeeper.fail = undefined;
    await world.close();
  });

  const begin = async (name = 'bob') => {
    contact = world.contact(name);
    room = await world.portal(account, contact.jid);
    core = coreParts(world);
    await core.links.open(account.id);
    await core.begin();
  };
  const bot = () => world.parts.matrix.botUserId;
  const jid = () => account.enlistment?.jid ?? contact.jid;
  const notices = (of = room) =>
    world.homeserver.said
      .filter((said) => said.room === of && said.as === bot() && said.content.msgtype === 'm.notice')
      .map(({ body }) => body);
  const statuses = () =>
    world.homeserver.said.filter(({ content }) => 'status' in content).map(({ content }) => content.status);
  const take = async (...said: string[]) => {
    const events = said.map((text) => world.event(room, text));
    await world.push(...events);
    await world.exhaust(
      () => core,
      async ({ matrixLane }) => await matrixLane.step(room),
    );
    return events.map(({ event_id }) => event_id);
  };
  const asAdmin = async (line: string) => {
    await world.push(world.event(OFFICE, { sender: ROOT, content: { msgtype: 'm.text', body: line } }));
    await world.exhaust(
      () => core,
      async ({ matrixLane }) => await matrixLane.step(OFFICE),
    );
    await world.exhaust(
      () => core,
      async ({ matrixLane }) => await matrixLane.step(room),
    );
    return notices(OFFICE).at(-1) ?? '';
  };
  const outbox = async () =>
    await world.tx(async (tx) => await world.storage.outbox.listUnnumbered(tx, account, 100));
  /** The server takes all that waits. @returns what the contact made of it. */
  const carry = async () => {
    const rows = await outbox();
    const store = createLinkStore({
      storage: world.storage,
      account,
      log: world.log,
      backlog: core.backlog,
      isOfUse: () => true,
      onStored: () => undefined,
      onRefused: () => undefined,
      onRejected: async () => undefined,
      onSent: (rooms) => {
        for (const of of rooms) core.fates.wake(of);
      },
    });
    await store.begin({ smId: 'sm', boundJid: `${jid()}/drawbridge` });
    await store.markSent(rows.map(({ rowId }, index) => ({ rowId, number: index + 1 })));
    await store.markAcked(rows.length);
    await world.allTold();
    const seen = [];
    for (const { xml } of rows)
      if (xml.includes(`to="${contact.jid}"`)) seen.push(await contact.read(jid(), xml));
    return seen.filter(({ kind }) => kind !== 'notice');
  };
  const refusing = () => {
    world.gatekeeper.fail = (step) => (step === 'bundles' ? networkErrors.forbidden() : undefined);
  };
  const housekeeping = async (isDone: () => Promise<boolean>) => {
    const keeper = new Housekeeping(world.parts, {
      all: async () => undefined,
      room: (of) => core.fates.wake(of),
    });
    keeper.start();
    await world.until(isDone);
    await keeper.stop();
    await world.allTold();
  };
  /** A message that was encrypted and then waited for too long. */
  const givenUp = async (text: string) => {
    const [event] = await take(text);
    const before = await outbox();
    world.clock.advance(25 * HOUR_MS);
    await housekeeping(async () => !(await outbox()).some(({ xml }) => xml === before.at(-1)?.xml));
    assert.ok(event !== undefined);
    return { event, xml: before.at(-1)?.xml ?? '' };
  };
  const waits = async () =>
    (await world.tx(async (tx) => await world.storage.matrixInbox.findNext(tx, room)))?.event;

  it('before it was encrypted goes with `retry`, before what was written after it, and its sender reads that it is late', async () => {
    refusing();
    const [event] = await take('hello');
    assert.match(notices().at(-1) ?? '', /^⚠️ Your message was not bridged/);
    world.gatekeeper.fail = undefined;
    await take('!bridge retry');
    assert.deepEqual(notices().slice(-2).sort(), [
      'Your message is on its way again.',
      '⏳ Your message is on its way again. It will arrive late.',
    ]);
    assert.deepEqual(
      (await carry()).map(({ text }) => text),
      ['hello'],
    );
    assert.equal(notices().at(-1), 'Your message was sent after all, late.');
    assert.deepEqual(statuses(), ['FAIL_PERMANENT', 'PENDING', 'SUCCESS']);
    assert.ok(event !== undefined);
    await take('!bridge retry');
    assert.equal(notices().at(-1), 'No message of yours has failed here.');
  });

  it('after it was encrypted is encrypted anew under the same id: the old bytes are not sent again', async () => {
    const { event, xml } = await givenUp('hello');
    assert.match(notices().at(-1) ?? '', /may not have been bridged: It waited too long/);
    const old = /\bid="([0-9a-f]{32})"/.exec(xml)?.[1];
    await take('!bridge retry');
    const again = (await outbox()).at(0)?.xml ?? '';
    assert.notEqual(again, xml);
    assert.deepEqual(
      (await carry()).map(({ id, text }) => [id, text]),
      [[old, 'hello']],
    );
    assert.ok(notices().includes('Your message was sent after all, late.'));
    assert.deepEqual(statuses(), ['FAIL_RETRIABLE', 'PENDING', 'SUCCESS']);
    const row = await world.tx(
      async (tx) => await tx('fates').where({ event_id: event }).first('state', 'requeues'),
    );
    assert.deepEqual({ ...row }, { state: 'sent', requeues: 1 });
  });

  it('that fails again is told anew, each time', async () => {
    refusing();
    await take('hello');
    await take('!bridge retry');
    await take('!bridge retry');
    const told = notices().filter((body) => body.startsWith('⚠️ Your message was not bridged'));
    assert.equal(told.length, 3);
    assert.equal(statuses().filter((status) => status === 'FAIL_PERMANENT').length, 3);
  });

  it('that came back from the network goes again', async () => {
    await take('hello');
    const [first] = await carry();
    const error = '<error type="cancel"><gone xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>';
    const bounce = `<message xmlns="jabber:client" type="error" id="${first?.id}">${error}</message>`;
    await world.gatekeeper.links.get(account.id)?.arrive(contact.jid, bounce);
    await core.networkLane.step(NetworkLane.nameOf(account.id, contact.jid));
    await world.allTold();
    assert.match(notices().at(-1) ?? '', /Gatekeeper sent it back \(gone\)/);
    await take('!bridge retry');
    assert.deepEqual(
      (await carry()).map(({ id, kind }) => [id, kind]),
      [[first?.id, 'text']],
    );
  });

  it('and arrived after all is left as it is', async () => {
    const { event } = await givenUp('hello');
    const [failed] = await core.requeue.list({ event }, 1);
    assert.ok(failed !== undefined);
    await world.tx(
      async (tx) =>
        await world.storage.fates.save(tx, { event, room, account: account.id, state: 'delivered' }),
    );
    await core.requeue.requeue(failed);
    assert.deepEqual(await carry(), []);
    const row = await world.tx(async (tx) => await tx('fates').where({ event_id: event }).first('state'));
    assert.equal(row.state, 'delivered');
  });

  describe('is refused, with the reason that still holds,', () => {
    const retried = async () => {
      await take('!bridge retry');
      assert.equal(await waits(), undefined);
      return notices()
        .filter((body) => body.startsWith('It cannot be sent again'))
        .at(-1);
    };

    it('while the account is suspended', async () => {
      refusing();
      await take('hello');
      await world.tx(async (tx) => await world.storage.accounts.saveState(tx, account.id, 'suspended'));
      assert.equal(await retried(), 'It cannot be sent again: Gatekeeper has suspended your connection.');
    });

    it('while the changed key of the contact is not accepted', async () => {
      await givenUp('hello');
      const link = world.gatekeeper.links.get(account.id);
      contact.reinstall();
      await link?.arrive(contact.jid, await contact.write(jid(), 'with a new key'));
      await core.networkLane.step(NetworkLane.nameOf(account.id, contact.jid));
      assert.match((await retried()) ?? '', /encryption key has changed/);
    });

    it('while the network cannot be asked for keys', async () => {
      await givenUp('hello');
      await world.tx(async (tx) => await world.network.signal.deleteSessions(tx, account, contact.jid));
      world.gatekeeper.fail = (step) => (step === 'bundles' ? networkErrors.unreachable() : undefined);
      assert.equal(await retried(), 'It cannot be sent again: Gatekeeper cannot be reached.');
    });

    it('where no second attempt can help; nothing of it is kept', async () => {
      await world.push(world.event(room, { content: { msgtype: 'org.example.dance', body: 'here' } }));
      await take();
      assert.equal(
        await world.tx(async (tx) => (await tx('matrix_inbox').whereNotNull('sealed_event')).length),
        0,
      );
      assert.match((await retried()) ?? '', /cannot send this kind of message yet/);
    });

    for (const [what, make] of [
      [
        'before',
        async () => {
          refusing();
          await take('hello');
          world.gatekeeper.fail = undefined;
        },
      ],
      ['after', async () => void (await givenUp('hello'))],
    ] as const) {
      it(`when its content, from ${what} its encryption, is kept no longer`, async () => {
        await make();
        world.clock.advance(13 * HOUR_MS);
        await housekeeping(
          async () =>
            await world.tx(
              async (tx) =>
                (await tx('matrix_inbox').whereNotNull('sealed_event')).length +
                  (
                    await tx('sent_messages').join(
                      'messages',
                      'messages.message_id',
                      'sent_messages.message_id',
                    )
                  ).length ===
                0,
            ),
        );
        assert.match((await retried()) ?? '', /What it said is not kept any more/);
      });
    }
  });

  it('while it still waits for the network is kept, however long that is', async () => {
    await take('hello');
    world.clock.advance(23 * HOUR_MS);
    await world.tx(async (tx) => await world.storage.sentMessages.deleteExpired(tx));
    assert.ok((await world.tx(async (tx) => await tx('sent_messages'))).length > 0);
  });

  it('is nobody else’s to retry', async () => {
    refusing();
    await take('hello');
    await world.push(
      world.event(room, { sender: ROOT, content: { msgtype: 'm.text', body: '!bridge retry' } }),
    );
    await take();
    assert.equal(notices().at(-1), 'No message of yours has failed here.');
  });

  describe('for administrators', () => {
    it('is listed by ids, age and reason, without what it said', async () => {
      refusing();
      const [event] = await take('the secret words');
      world.clock.advance(3 * HOUR_MS);
      const list = await asAdmin('requeue');
      assert.ok(
        list.includes(`${event} of @ada:example.org in ${room}, 3 h ago: The other person's app has no `),
        list,
      );
      assert.doesNotMatch(list, /secret/);
      assert.equal(await asAdmin(`requeue ${room}`), list);
      assert.equal(await asAdmin('requeue @eve:example.org'), 'No message has failed there.');
    });

    it('goes by its id, or with all of its person, in order', async () => {
      refusing();
      const [first] = await take('one', 'two', 'three');
      world.gatekeeper.fail = undefined;
      assert.equal(await asAdmin(`requeue ${first}`), 'One message is on its way again.');
      assert.equal(await asAdmin(`requeue ${ADA} all`), '2 messages are on their way again.');
      assert.deepEqual(
        (await carry()).map(({ text }) => text),
        ['one', 'two', 'three'],
      );
      assert.equal(await asAdmin('requeue all'), 'Usage: requeue [event, user or room id] [all]');
    });

    it('that cannot go is named with the reason', async () => {
      refusing();
      const [event] = await take('hello');
      await world.tx(async (tx) => await world.storage.accounts.saveState(tx, account.id, 'suspended'));
      assert.equal(
        await asAdmin(`requeue ${event}`),
        `Nothing is on its way again.\n${event} is not sent again: Gatekeeper has suspended your connection.`,
      );
    });

    it('is nothing to others, who do not see the command either', async () => {
      world.permissions.delete(ROOT);
      assert.match(await asAdmin('requeue'), /^You are not permitted/);
      assert.doesNotMatch(await asAdmin('help'), /requeue/);
      world.permissions.set(ROOT, 'admin');
      assert.match(await asAdmin('help'), /requeue/);
    });
  });

  for (const [mode, when] of FAULT_MODES) {
    it(`${when}, gets to the contact once by a retry`, async () => {
      const faults = await world.atEveryPoint(
        mode,
        async (name) => {
          await world.push(world.event(room, '!bridge retry')).catch(async () => {
            world.faults.revive();
            await world.push(world.event(room, '!bridge retry'));
          });
          await world.exhaust(
            async () => {
              core = coreParts(world);
              await core.links.open(account.id);
              return core;
            },
            async ({ matrixLane }) => await matrixLane.step(room),
          );
          assert.deepEqual(
            (await carry()).map(({ text }) => text),
            ['hello'],
            name,
          );
        },
        async () => {
          await world.stopCores();
          await begin(`person-${world.clock.nowMs()}`);
          await givenUp('hello');
        },
      );
      assert.ok(faults >= 5, String(faults));
    });
  }
});
