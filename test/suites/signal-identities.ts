import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { SignalPeer } from './signal-peer.ts';
import { BOB, failureOf, present, SignalWorld } from './signal-world.ts';
import type { TestDatabase } from './storage.ts';

export function identityRules(name: string, create: () => Promise<TestDatabase>): void {
  describe(`identities of contacts on ${name}`, () => {
    let world: SignalWorld;
    beforeEach(async () => {
      world = await SignalWorld.create(create);
    });
    afterEach(async () => await world.close());

    it('the first key of a contact is trusted', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const [identity] = await identities();
      assert.deepEqual(present(identity), {
        device: bob.address.device,
        key: bob.identityKey,
        firstSeenMs: world.clock.nowMs(),
      });
    });

    it('a message under a changed key is refused, and opens once the user trusts the key', async () => {
      await world.talk(world.peer());
      const changed = world.peer();
      const message = await world.approach(changed, 'my new phone', { prekey: 0, kyber: 0 });
      await assert.rejects(world.decrypt(changed, message), { code: 'signal/identityChanged' });
      assert.deepEqual(present((await identities())[0]).pendingKey, changed.identityKey);
      await assert.rejects(world.decrypt(changed, message), { code: 'signal/identityChanged' });

      assert.equal(await trust(changed), true);
      const [identity] = await identities();
      assert.deepEqual([identity?.key, identity?.pendingKey], [changed.identityKey, undefined]);
      assert.equal(await world.decrypt(changed, message), 'my new phone');
      assert.equal(await changed.decrypt(world.account, await world.encrypt(changed, 'welcome')), 'welcome');
    });

    it('a refused key is noted even when the transaction that met it commits', async () => {
      await world.talk(world.peer());
      const changed = world.peer();
      const message = await world.approach(changed, 'my new phone');
      await world.signal.inSession(world.account, changed.address, async (session) => {
        assert.equal((await failureOf(session.decrypt(message))).code, 'signal/identityChanged');
      });
      assert.deepEqual(present((await identities())[0]).pendingKey, changed.identityKey);
    });

    it('a bundle under a changed key begins no session until the user trusts the key (case 3.5)', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const changed = world.peer();
      await assert.rejects(world.start(changed), { code: 'signal/identityChanged' });
      assert.equal(await trust(changed), true);
      await assert.rejects(world.encrypt(changed, 'hello'), { code: 'signal/sessionMissing' });
      await world.start(changed);
      assert.equal(await changed.decrypt(world.account, await world.encrypt(changed, 'hello')), 'hello');
    });

    it('a bundle that its own identity did not sign notes no change', async () => {
      await world.talk(world.peer());
      const changed = world.peer();
      const forged = { ...changed.bundle(), identityKey: world.peer().identityKey };
      await assert.rejects(world.start(changed, forged), { code: 'signal/badBundle' });
      assert.equal(present((await identities())[0]).pendingKey, undefined);
    });

    it('while a changed key waits nothing is sent; what the old key sent is still received', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const changed = world.peer();
      await failureOf(world.start(changed));
      await assert.rejects(world.encrypt(bob, 'hello'), { code: 'signal/identityChanged' });
      assert.equal(await world.decrypt(bob, await bob.encrypt(world.account, 'still me')), 'still me');
      assert.deepEqual(present((await identities())[0]).pendingKey, changed.identityKey);

      assert.equal(await world.tx((tx) => world.signal.refuseIdentity(tx, world.account, bob.address)), true);
      assert.equal(await bob.decrypt(world.account, await world.encrypt(bob, 'good')), 'good');
    });

    it('only the key that the user has seen is trusted', async () => {
      await world.talk(world.peer());
      const [seen, later] = [world.peer(), world.peer()];
      await failureOf(world.start(seen));
      await failureOf(world.start(later));
      assert.equal(await trust(later, seen.identityKey), false);
      assert.equal(await trust(later, later.identityKey), true);
      assert.equal(await trust(later), false);
    });

    it('a further device of a known contact must show the contact’s key', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const intruder = world.peer(BOB, 2);
      const message = await world.approach(intruder, 'I am Bob', { prekey: 1, kyber: 1 });
      await assert.rejects(world.start(intruder), { code: 'signal/identityChanged' });
      await assert.rejects(world.decrypt(intruder, message), { code: 'signal/identityChanged' });
      const [, second] = await identities();
      assert.deepEqual([second?.key, second?.pendingKey], [bob.identityKey, intruder.identityKey]);
      assert.equal(await bob.decrypt(world.account, await world.encrypt(bob, 'hello')), 'hello');
      await trust(intruder);
      assert.equal(await world.decrypt(intruder, message), 'I am Bob');
    });

    it('a change without a key in waiting cannot be trusted or refused', async () => {
      const bob = world.peer();
      assert.equal(await trust(bob), false);
      await world.talk(bob);
      assert.equal(await trust(bob), false);
      assert.equal(
        await world.tx((tx) => world.signal.refuseIdentity(tx, world.account, bob.address)),
        false,
      );
    });

    async function identities() {
      return await world.tx(async (tx) => await world.signal.listRemoteIdentities(tx, world.account, BOB));
    }
    async function trust(peer: SignalPeer, seen?: Uint8Array): Promise<boolean> {
      return await world.tx(
        async (tx) => await world.signal.trustIdentity(tx, world.account, peer.address, seen),
      );
    }
  });
}
