/** The door of the core, as the daemon uses it: everything wired, nothing stepped by hand. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Bridge, createBridge } from '../../../src/bridge/bridge.ts';
import { interopIdHash } from '../../../src/bridge/derived-ids.ts';
import type { RoomId } from '../../../src/model/ids.ts';
import { networkErrors } from '../../../src/network/errors.ts';
import type { NetworkAdapter } from '../../../src/network/network.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { BridgeWorld, MANAGEMENT } from './world/bridge-world.ts';
import type { Contact } from './world/contact.ts';
import { GK } from './world/gatekeeper-double.ts';

describe('the bridge', () => {
  let world: BridgeWorld;
  let bridge: Bridge;
  let account: Account;
  let contact: Contact;
  let room: RoomId;

  beforeEach(async () => {
    world = await BridgeWorld.create();
    account = await world.enlisted();
    contact = world.contact();
    room = await world.portal(account, contact.jid);
    await world.managementRoom();
    bridge = createBridge(world.parts);
  });
  afterEach(async () => {
    await bridge.stop();
    await world.close();
  });

  const start = async () => {
    let isUp = false;
    const starting = bridge.start(new AbortController().signal).then(() => {
      isUp = true;
    });
    // Links come up paced, by the clock that stands still.
    await world.until(() => isUp, 100);
    await starting;
  };
  const push = async (text: string, at = room) => {
    const event = world.event(at, text);
    await bridge.intake.store({ txnId: event.event_id, events: [event], ephemeral: [], toDevice: [] });
  };
  const outbox = async () =>
    await world.tx(async (tx) => await world.storage.outbox.listUnnumbered(tx, account, 100));
  const link = () => world.gatekeeper.links.get(account.id);
  const jid = () => account.enlistment?.jid ?? contact.jid;
  const ghost = () => world.parts.matrix.ghostUserId(GK, contact.jid);

  it('brings a message from Matrix to the outbox, and wakes the link for it', async () => {
    await start();
    await push('hello');
    await world.until(async () => (await outbox()).length === 2);
    await world.until(() => (link()?.wakes ?? 0) > 0);
  });

  it('brings a message from the network to the room', async () => {
    await start();
    await link()?.arrive(contact.jid, await contact.write(jid(), 'hello'));
    await world.until(() => world.homeserver.bodies(room, ghost()).includes('hello'));
  });

  it('looks again at what was stored, when the database was away in the moment after', async () => {
    await start();
    const xml = await contact.write(jid(), 'hello');
    // The stanza's own transaction has three points: before it, before its commit, after it.
    world.faults.plan(3, 'fails');
    await link()?.arrive(contact.jid, xml);
    await world.until(() => world.log.entries.some(({ message }) => message === 'lane step failed'));
    await world.until(() => world.homeserver.bodies(room, ghost()).includes('hello'), 100);
  });

  it('takes up what a former run left, in both directions', async () => {
    await start();
    await bridge.stop();
    await world.push(world.event(room, 'from before'));
    await link()?.arrive(contact.jid, await contact.write(jid(), 'also from before'));
    bridge = createBridge(world.parts);
    assert.deepEqual(await outbox(), []);
    await start();
    await world.until(async () => (await outbox()).length > 1);
    await world.until(() => world.homeserver.bodies(room, ghost()).includes('also from before'));
  });

  it('carries an enlistment on that a former run began', async () => {
    const eve = await world.agreed('@eve:example.org' as never);
    await start();
    await world.until(async () => (await world.account(eve.id))?.state === 'active');
    await world.until(() => bridge.countLinks(GK).online === 2);
  });

  it('stores events before it is started, and works them after', async () => {
    await push('early');
    assert.deepEqual(await outbox(), []);
    await start();
    // The room may have been looked at before its link was there: then it waits a moment.
    await world.until(async () => (await outbox()).length > 1, 100);
  });

  it('what bot and ghosts said comes back from the homeserver, and is left out', async () => {
    const own = [world.parts.matrix.botUserId, ghost()].map((sender) =>
      world.event(room, { sender, content: { msgtype: 'm.text', body: 'echo' } }),
    );
    await bridge.intake.store({ txnId: 't', events: own, ephemeral: [], toDevice: [] });
    assert.equal(await world.tx(async (tx) => await world.storage.matrixInbox.countWaiting(tx)), 0);
  });

  it('a transaction that comes again adds nothing', async () => {
    const event = world.event(MANAGEMENT, 'version');
    const transaction = { txnId: 't', events: [event], ephemeral: [], toDevice: [] };
    await bridge.intake.store(transaction);
    await bridge.intake.store(transaction);
    await bridge.intake.store({ ...transaction, txnId: 'another' });
    assert.equal(await world.tx(async (tx) => await world.storage.matrixInbox.countWaiting(tx)), 1);
  });

  it('counts its links by their state', async () => {
    assert.deepEqual(bridge.countLinks(GK), { connecting: 0, online: 0, waiting: 0, stopped: 0 });
    await start();
    assert.deepEqual(bridge.countLinks(GK), { connecting: 0, online: 1, waiting: 0, stopped: 0 });
  });

  it('stop closes the links, and no step is taken after it', async () => {
    await start();
    await bridge.stop();
    assert.equal(link()?.status.kind, 'stopped');
    await push('too late');
    assert.deepEqual(await outbox(), []);
  });

  describe('a push of the gatekeeper', () => {
    const pushing = async (verifyPush: NetworkAdapter['verifyPush']) => {
      await bridge.stop();
      const network = { ...world.network, adapter: { ...world.network.adapter, verifyPush } };
      bridge = createBridge({ ...world.parts, networks: new Map([[GK, network]]) });
      await start();
      return await bridge.push('token');
    };
    const stored = async () => {
      await world.tx(async (tx) => {
        const hash = interopIdHash(await world.storage.idSecret(tx), GK, 'interop-1');
        const { enlistment } = account;
        assert.ok(enlistment !== undefined);
        await world.storage.accounts.saveEnlistment(tx, account, enlistment, hash);
      });
    };

    it('is taken for an account that it names', async () => {
      await stored();
      assert.equal(
        await pushing(async () => ({ interopId: 'interop-1', event: 'message-waiting' })),
        'accepted',
      );
    });

    it('for an account that we do not have is unknown', async () => {
      await stored();
      assert.equal(
        await pushing(async () => ({ interopId: 'interop-9', event: 'message-waiting' })),
        'unknown',
      );
    });

    it('that tells of a suspension closes the link and holds the account', async () => {
      await stored();
      assert.equal(await pushing(async () => ({ interopId: 'interop-1', event: 'suspended' })), 'accepted');
      assert.equal((await world.account(account.id))?.state, 'suspended');
      assert.equal(bridge.countLinks(GK).online, 0);
    });

    it('whose token is bad is refused; one that cannot be checked now should come again', async () => {
      const bad = async () => await Promise.reject(networkErrors.badPush());
      assert.equal(await pushing(bad), 'bad-token');
      const unchecked = async () => await Promise.reject(networkErrors.unreachable());
      assert.equal(await pushing(unchecked), 'unavailable');
    });
  });
});
