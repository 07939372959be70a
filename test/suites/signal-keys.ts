import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { PublicKey } from '@signalapp/libsignal-client';
import { contactId } from '../../src/model/ids.ts';
import type { PrekeyCounts, PublicDevice } from '../../src/model/prekeys.ts';
import type { OneTimeKeys, SignedPair, UploadedKey } from '../../src/signal/signal.ts';
import { DAY_MS, failureOf, present, SignalWorld } from './signal-world.ts';
import type { TestDatabase } from './storage.ts';

export function keyRules(name: string, create: () => Promise<TestDatabase>): void {
  describe(`keys of our device on ${name}`, () => {
    let world: SignalWorld;
    beforeEach(async () => {
      world = await SignalWorld.create(create);
    });
    afterEach(async () => await world.close());

    it('a device publishes its identity, a signed pair and the first one-time keys, all signed by the identity', async () => {
      const device = await publicDevice();
      assert.deepEqual([device.prekeys.length, device.kyberPrekeys.length], [20, 20]);
      assert.ok(device.registrationId >= 1 && device.registrationId <= 16_380);
      assert.deepEqual([device.identityKey.length, device.identityKey[0]], [33, 5]);
      const identity = PublicKey.deserialize(new Uint8Array(device.identityKey));
      for (const { key, signature } of [
        device.signedPrekey,
        device.kyberLastResort,
        ...device.kyberPrekeys,
      ]) {
        assert.ok(identity.verify(new Uint8Array(key), new Uint8Array(signature)));
      }
      const kyberIds = [device.kyberLastResort, ...device.kyberPrekeys].map(({ id }) => id);
      assert.equal(new Set(kyberIds).size, 21);
    });

    it('making a device a second time changes nothing', async () => {
      const before = await publicDevice();
      await world.tx(async (tx) => await world.signal.createDevice(tx, world.account));
      assert.deepEqual(await publicDevice(), before);
      assert.deepEqual(
        await world.tx(async (tx) => await world.signal.identityKey(tx, world.account)),
        before.identityKey,
      );
    });

    it('confirmed one-time keys are not published again', async () => {
      const device = await publicDevice();
      await confirm(namesOf({ prekeys: device.prekeys.slice(0, 15), kyberPrekeys: device.kyberPrekeys }));
      const again = await publicDevice();
      assert.deepEqual(again.prekeys, device.prekeys.slice(15));
      assert.deepEqual(again.kyberPrekeys, []);
    });

    it('a stock is refilled when a quarter is left, with new ids', async () => {
      const device = await publicDevice();
      await confirm(namesOf(device));
      world.clock.advance(2 * DAY_MS);
      assert.deepEqual(sizes(await topUp({ prekeys: 6, kyber: 20 })), [0, 0]);
      const made = await topUp({ prekeys: 5, kyber: 6 });
      assert.deepEqual(sizes(made), [15, 0]);
      const old = new Set(device.prekeys.map(({ id }) => id));
      assert.ok(made.prekeys.every(({ id }) => !old.has(id)));
    });

    it('after a crash between making and confirming the same keys are uploaded again, and no others', async () => {
      await confirm(namesOf(await publicDevice()));
      world.clock.advance(2 * DAY_MS);
      const made = await topUp({ prekeys: 0, kyber: 3 });
      await world.restart();
      assert.deepEqual(await topUp({ prekeys: 0, kyber: 3 }), made);
      assert.deepEqual(await topUp({ prekeys: 20, kyber: 20 }), made);
      await confirm(namesOf(made));
      assert.deepEqual(sizes(await topUp({ prekeys: 20, kyber: 20 })), [0, 0]);
    });

    it('a stock that ran low within a day is refilled to the maximum', async () => {
      await confirm(namesOf(await publicDevice()));
      world.clock.advance(DAY_MS / 2);
      assert.deepEqual(sizes(await topUp({ prekeys: 4, kyber: 20 })), [96, 0]);
    });

    it('keys that are handed out and never used do not pile up without end', async () => {
      for (let day = 0; day < 14; day += 1) {
        await confirm(namesOf(await topUp({ prekeys: 0, kyber: 20 })));
        world.clock.advance(2 * DAY_MS);
      }
      const status = await world.tx(async (tx) => await world.signal.prekeyStatus(tx, world.account));
      assert.deepEqual(status.prekeys, { held: 200, unconfirmed: 0 });
    });

    it('a one-time key is gone with the message that used it', async () => {
      const [bob, carol] = [world.peer(), world.peer(contactId('carol@gk.example'))];
      const use = { prekey: 3, kyber: 3 };
      const [first, second] = [
        await world.approach(bob, 'me first', use),
        await world.approach(carol, 'me too', use),
      ];
      assert.equal(await world.decrypt(bob, first), 'me first');
      const failure = await failureOf(world.decrypt(carol, second));
      assert.equal(failure.code, 'signal/undecryptable');
      const status = await world.tx(async (tx) => await world.signal.prekeyStatus(tx, world.account));
      assert.deepEqual([status.prekeys.held, status.kyber.held], [19, 19]);
    });

    it('two first messages that name the same one-time key at the same time: one opens', async () => {
      const peers = ['bob', 'carol', 'dan', 'erin'].map((who) => world.peer(contactId(`${who}@gk.example`)));
      const sent = [];
      for (const peer of peers)
        sent.push({ peer, message: await world.approach(peer, 'hello', { prekey: 0, kyber: 0 }) });
      const opened = await Promise.allSettled(
        sent.map(async ({ peer, message }) => await world.decrypt(peer, message)),
      );
      const failures = opened.flatMap((it) =>
        it.status === 'rejected' ? [(it.reason as { code: string }).code] : [],
      );
      assert.deepEqual(failures, Array(3).fill('signal/undecryptable'));
    });

    it('the last-resort key serves many sessions, but the same first message only once', async () => {
      const [bob, carol] = [world.peer(), world.peer(contactId('carol@gk.example'))];
      const first = await world.approach(bob, 'hello');
      assert.equal(await world.decrypt(bob, first), 'hello');
      assert.equal(await world.decrypt(carol, await world.approach(carol, 'hello too')), 'hello too');
      await world.tx(async (tx) => await world.signal.deleteSessions(tx, world.account, bob.address.contact));
      const failure = await failureOf(world.decrypt(bob, first));
      assert.equal(failure.code, 'signal/undecryptable');
      assert.equal(failure.message.includes('base key used before'), true);
      assert.equal(await world.decrypt(bob, await world.approach(bob, 'anew')), 'anew');
    });

    it('the signed pair is replaced when it is due, and the same new pair is given until it is confirmed', async () => {
      const device = await publicDevice();
      assert.deepEqual(ids(present(await rotate())), ids(device), 'the first pair is not confirmed yet');
      await confirm(namesOf(device));
      assert.equal(await rotate(), undefined);
      world.clock.advance(7 * DAY_MS);
      const pair = present(await rotate());
      assert.notDeepEqual(ids(pair), ids(device));
      await world.restart();
      assert.deepEqual(await rotate(), pair);
      await confirm(namesOf(pair));
      assert.equal(await rotate(), undefined);
      assert.deepEqual(ids(await publicDevice()), ids(pair));
    });

    it('a replaced pair still decrypts for the time that it is kept, counted from its successor’s upload', async () => {
      const device = await publicDevice();
      await confirm(namesOf(device));
      const bob = world.peer();
      await bob.start(world.account, device);
      const late = await bob.encrypt(world.account, 'late');
      const carol = world.peer(contactId('carol@gk.example'));
      await carol.start(world.account, device);
      const tooLate = await carol.encrypt(world.account, 'too late');

      world.clock.advance(7 * DAY_MS);
      const pair = present(await rotate());
      // The upload waits: contacts are still given the old pair, so its time does not run.
      world.clock.advance(40 * DAY_MS);
      await rotate();
      await confirm(namesOf(pair));
      world.clock.advance(29 * DAY_MS);
      await confirm(namesOf(present(await rotate())));
      assert.equal(await world.decrypt(bob, late), 'late');
      world.clock.advance(2 * DAY_MS);
      await rotate();
      assert.equal((await failureOf(world.decrypt(carol, tooLate))).code, 'signal/undecryptable');
      const uses = await world.tx(async (tx) => await tx('signal_kyber_uses').pluck('kyber_id'));
      assert.deepEqual(uses, []);
    });

    it('the status tells what is held and how old it is', async () => {
      world.clock.advance(DAY_MS);
      assert.deepEqual(await world.tx(async (tx) => await world.signal.prekeyStatus(tx, world.account)), {
        prekeys: { held: 20, unconfirmed: 20 },
        kyber: { held: 20, unconfirmed: 20 },
        signedAgeMs: DAY_MS,
        lastResortAgeMs: DAY_MS,
      });
    });

    it('deleting an account’s keys leaves no row of it, and those of others alone', async () => {
      const eve = await world.addAccount('@eve:example.org');
      const bob = world.peer();
      await world.talk(bob);
      await world.decrypt(bob, await world.approach(bob, 'by the last resort'));
      await world.tx(async (tx) => await world.signal.deleteAll(tx, world.account));
      for (const table of ['identities', 'prekeys', 'kyber_uses', 'sessions', 'remote_identities']) {
        const owners = await world.tx(
          async (tx) => await tx(`signal_${table}`).distinct().pluck('account_id'),
        );
        assert.equal(owners.includes(world.account.id), false, table);
      }
      assert.equal((await failureOf(publicDevice())).code, 'signal/deviceMissing');
      assert.equal((await failureOf(world.start(bob))).code, 'signal/deviceMissing');
      await world.tx(async (tx) => await world.signal.identityKey(tx, eve));
    });

    async function publicDevice(): Promise<PublicDevice> {
      return await world.tx(async (tx) => await world.signal.publicDevice(tx, world.account));
    }
    async function topUp(offered: PrekeyCounts): Promise<OneTimeKeys> {
      return await world.tx(async (tx) => await world.signal.topUp(tx, world.account, offered));
    }
    async function rotate(): Promise<SignedPair | undefined> {
      return await world.tx(async (tx) => await world.signal.rotateSigned(tx, world.account));
    }
    async function confirm(keys: UploadedKey[]): Promise<void> {
      await world.tx(async (tx) => await world.signal.confirmUploaded(tx, world.account, keys));
    }
  });
}

function namesOf(uploaded: Partial<OneTimeKeys & SignedPair>): UploadedKey[] {
  const { prekeys = [], kyberPrekeys = [], signedPrekey, kyberLastResort } = uploaded;
  return [
    ...prekeys.map(({ id }) => ({ kind: 'one-time' as const, id })),
    ...kyberPrekeys.map(({ id }) => ({ kind: 'kyber' as const, id })),
    ...(signedPrekey === undefined ? [] : [{ kind: 'signed' as const, id: signedPrekey.id }]),
    ...(kyberLastResort === undefined ? [] : [{ kind: 'last-resort' as const, id: kyberLastResort.id }]),
  ];
}

function ids({ signedPrekey, kyberLastResort }: SignedPair): [number, number] {
  return [signedPrekey.id, kyberLastResort.id];
}

function sizes({ prekeys, kyberPrekeys }: OneTimeKeys): [number, number] {
  return [prekeys.length, kyberPrekeys.length];
}
