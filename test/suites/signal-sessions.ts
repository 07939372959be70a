import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { SignalMessage as SignalMessageRecord } from '@signalapp/libsignal-client';
import type { PrekeyBundle, SignalMessage } from '../../src/model/prekeys.ts';
import { BOB, DAY_MS, failingIn, failureOf, present, SignalWorld } from './signal-world.ts';
import type { TestDatabase } from './storage.ts';

const JUMP_BEYOND_LIMIT = 25_001;

export function sessionRules(name: string, create: () => Promise<TestDatabase>): void {
  describe(`Signal sessions on ${name}`, () => {
    let world: SignalWorld;
    beforeEach(async () => {
      world = await SignalWorld.create(create);
    });
    afterEach(async () => await world.close());

    it('a session begun with a bundle carries text both ways, first in prekey messages, then in ordinary ones', async () => {
      const bob = world.peer();
      await world.start(bob);
      const first = await world.encrypt(bob, 'first');
      const second = await world.encrypt(bob, 'second');
      assert.deepEqual([first.type, second.type], ['prekey', 'prekey']);
      assert.equal(await bob.decrypt(world.account, first), 'first');
      assert.equal(await bob.decrypt(world.account, second), 'second');
      const answer = await bob.encrypt(world.account, 'answer');
      assert.equal(answer.type, 'message');
      assert.equal(await world.decrypt(bob, answer), 'answer');
      const third = await world.encrypt(bob, 'third');
      assert.equal(third.type, 'message');
      assert.equal(await bob.decrypt(world.account, third), 'third');
    });

    it('a bundle without a one-time key begins a session', async () => {
      const bob = world.peer();
      await world.start(bob, bob.bundle({ oneTime: false }));
      assert.equal(await bob.decrypt(world.account, await world.encrypt(bob, 'hello')), 'hello');
    });

    it('messages open in any order, each once (case 1.17)', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const sent: SignalMessage[] = [];
      for (let n = 0; n < 50; n += 1) sent.push(await bob.encrypt(world.account, `message ${n}`));
      for (const n of [49, 0, 25, 10, 48]) {
        assert.equal(await world.decrypt(bob, present(sent[n])), `message ${n}`);
      }
      await assert.rejects(world.decrypt(bob, present(sent[25])), { code: 'signal/duplicate' });
      assert.equal(await world.decrypt(bob, present(sent[11])), 'message 11');
    });

    it('a first message that comes again is a duplicate', async () => {
      const bob = world.peer();
      const first = await world.approach(bob, 'hello', { prekey: 0, kyber: 0 });
      assert.equal(await world.decrypt(bob, first), 'hello');
      await assert.rejects(world.decrypt(bob, first), { code: 'signal/duplicate' });
    });

    it('a message opens after 3,000 that never came; one that jumps too far does not, and harms nothing', async () => {
      const bob = world.peer();
      await world.talk(bob);
      for (let n = 0; n < 3_000; n += 1) await bob.encrypt(world.account, 'lost');
      assert.equal(await world.decrypt(bob, await bob.encrypt(world.account, 'late')), 'late');
      const next = await bob.encrypt(world.account, 'in order');
      for (let n = 0; n < JUMP_BEYOND_LIMIT; n += 1) await bob.encrypt(world.account, 'lost');
      const far = await bob.encrypt(world.account, 'too far');
      await assert.rejects(world.decrypt(bob, far), { code: 'signal/undecryptable' });
      assert.equal(await world.decrypt(bob, next), 'in order');
    });

    it('a session may not grow without bound: what would is refused, and the conversation goes on', async () => {
      const bob = world.peer();
      await world.talk(bob);
      // Each round of a peer that skips 1,900 messages leaves as many keys in a chain of their own.
      let refused: Error | undefined;
      let next: SignalMessage | undefined;
      for (let round = 0; round < 5 && refused === undefined; round += 1) {
        await bob.decrypt(world.account, await world.encrypt(bob, 'turn'));
        next = await bob.encrypt(world.account, 'in order');
        for (let n = 0; n < 1_900; n += 1) await bob.encrypt(world.account, 'skipped');
        const after = await bob.encrypt(world.account, 'after');
        refused = await world.decrypt(bob, after).then(
          () => undefined,
          (failure: Error) => failure,
        );
      }
      assert.equal((refused as { code?: string } | undefined)?.code, 'signal/undecryptable');
      assert.equal(await world.decrypt(bob, present(next)), 'in order');
    });

    it('encryptions started side by side each get a counter of their own', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const texts = Array.from({ length: 10 }, (_, n) => `message ${n}`);
      const sent = await Promise.all(texts.map(async (text) => await world.encrypt(bob, text)));
      const counters = sent.map(({ body }) =>
        SignalMessageRecord.deserialize(new Uint8Array(body)).counter(),
      );
      assert.deepEqual(counters, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      const read = await Promise.all(sent.map(async (message) => await bob.decrypt(world.account, message)));
      assert.deepEqual(read, texts);
    });

    it('so do encryptions of several processes on one database', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const processes = [world.signal, world.anotherService(), world.anotherService()];
      const sent = await Promise.all(
        processes.map(
          async (signal) =>
            await signal.inSession(
              world.account,
              bob.address,
              async (session) => await session.encrypt(Buffer.from('hello')),
            ),
        ),
      );
      assert.deepEqual(sent.map(counterOf).sort(), [0, 1, 2]);
    });

    it('so do encryptions started side by side within one session', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const sent = await world.signal.inSession(
        world.account,
        bob.address,
        async (session) =>
          await Promise.all(
            ['one', 'two', 'three'].map(async (text) => await session.encrypt(Buffer.from(text))),
          ),
      );
      const counters = sent.map(({ body }) =>
        SignalMessageRecord.deserialize(new Uint8Array(body)).counter(),
      );
      assert.deepEqual(counters.sort(), [0, 1, 2]);
    });

    it('sessions with different contacts and of different accounts do not mix', async () => {
      const eve = await world.addAccount('@eve:example.org');
      const [bob, bobOfEve] = [world.peer(), world.peer()];
      await world.talk(bob);
      await world.start(bobOfEve, bobOfEve.bundle(), eve);
      const forEve = await world.encrypt(bobOfEve, 'from eve', eve);
      await assert.rejects(bob.decrypt(eve, forEve));
      assert.equal(await bobOfEve.decrypt(eve, forEve), 'from eve');
      assert.equal(await bob.decrypt(world.account, await world.encrypt(bob, 'from ada')), 'from ada');
    });

    it('what is written through the session’s transaction is undone with the ratchet’s step', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const failing = world.signal.inSession(world.account, bob.address, async (session) => {
        await session.encrypt(Buffer.from('never sent'));
        // An outbox row without the columns it must have.
        await session.tx('outbox').insert({ id: 'x' });
      });
      await assert.rejects(failing);
      const next = await world.encrypt(bob, 'sent');
      assert.equal(counterOf(next), 0);
      assert.equal(await bob.decrypt(world.account, next), 'sent');
    });

    it('a decryption that is rolled back can be done again', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const message = await bob.encrypt(world.account, 'once more');
      const failing = world.signal.inSession(world.account, bob.address, async (session) => {
        await session.decrypt(message);
        throw new RangeError('the journal is full');
      });
      await assert.rejects(failing, RangeError);
      assert.equal(await world.decrypt(bob, message), 'once more');
    });

    it('a rolled back first message leaves its one-time keys for the next try', async () => {
      const bob = world.peer();
      const first = await world.approach(bob, 'hello', { prekey: 0, kyber: 0 });
      const failing = world.signal.inSession(world.account, bob.address, async (session) => {
        await session.decrypt(first);
        throw new RangeError('the journal is full');
      });
      await assert.rejects(failing, RangeError);
      assert.equal(await world.decrypt(bob, first), 'hello');
    });

    it('a step that fails leaves nothing behind in a transaction that goes on', async () => {
      const bob = world.peer();
      const first = await world.approach(bob, 'hello', { prekey: 0, kyber: 0 });
      // By the time the session is saved, the identity is noted and the one-time keys are gone.
      const records = failingIn('saveSession', world.storage.signalRecords);
      await world
        .anotherService({ records })
        .inSession(
          world.account,
          bob.address,
          async (session) => await assert.rejects(session.decrypt(first), RangeError),
        );
      assert.deepEqual(
        await world.tx(async (tx) => await world.signal.listRemoteIdentities(tx, world.account, BOB)),
        [],
      );
      assert.equal(await world.decrypt(bob, first), 'hello');
    });

    it('a message that was changed on the way does not open, and the true one still does', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const message = await bob.encrypt(world.account, 'hello');
      const body = Buffer.from(message.body);
      body[body.length - 1] = (body[body.length - 1] ?? 0) ^ 1;
      await assert.rejects(world.decrypt(bob, { type: 'message', body }), { code: 'signal/undecryptable' });
      assert.equal(await world.decrypt(bob, message), 'hello');
    });

    it('after a restart the session goes on, without a prekey message', async () => {
      const bob = world.peer();
      await world.talk(bob);
      await world.restart();
      const next = await world.encrypt(bob, 'still here');
      assert.equal(next.type, 'message');
      assert.equal(await bob.decrypt(world.account, next), 'still here');
      assert.equal(await world.decrypt(bob, await bob.encrypt(world.account, 'so am I')), 'so am I');
    });

    it('without a session nothing can be encrypted, and an ordinary message does not open', async () => {
      const [bob, stranger] = [world.peer(), world.peer()];
      await world.talk(stranger);
      await world.tx(async (tx) => await world.signal.deleteSessions(tx, world.account, BOB));
      const message = await stranger.encrypt(world.account, 'hello');
      await assert.rejects(world.encrypt(bob, 'hello'), { code: 'signal/sessionMissing' });
      await assert.rejects(world.decrypt(bob, message), { code: 'signal/undecryptable' });
    });

    it('an archived session is not used to encrypt and still decrypts', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const late = await bob.encrypt(world.account, 'under way');
      await world.signal.inSession(world.account, bob.address, async (session) => {
        assert.equal(await session.exists(), true);
        await session.archive();
        assert.equal(await session.exists(), false);
      });
      await assert.rejects(world.encrypt(bob, 'hello'), { code: 'signal/sessionMissing' });
      assert.deepEqual(await listDevices(), []);
      assert.equal(await world.decrypt(bob, late), 'under way');
      assert.deepEqual(await listDevices(), [1]);
    });

    it('a session that nobody has answered for 30 days is none', async () => {
      const bob = world.peer();
      await world.start(bob);
      assert.deepEqual(await listDevices(), [1]);
      world.clock.advance(31 * DAY_MS);
      assert.deepEqual(await listDevices(), []);
      await assert.rejects(world.encrypt(bob, 'hello'), { code: 'signal/sessionMissing' });
    });

    it('what is no Signal message is refused as such, under either type', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const good = await bob.encrypt(world.account, 'hello');
      for (const body of [new Uint8Array(0), new Uint8Array(100), Buffer.alloc(5_000, 0x44)]) {
        for (const type of ['prekey', 'message'] as const) {
          await assert.rejects(world.decrypt(bob, { type, body }), { code: 'signal/badMessage' });
        }
      }
      await assert.rejects(world.decrypt(bob, { ...good, type: 'prekey' }), { code: 'signal/badMessage' });
      assert.equal(await world.decrypt(bob, good), 'hello');
    });

    it('no session begins with a bundle that is not what the contact’s identity signed (case 3.1, case 3.3)', async () => {
      const bob = world.peer();
      const good = bob.bundle();
      const signature = Buffer.alloc(64, 1);
      const lowOrder = Buffer.concat([Buffer.of(5), Buffer.alloc(32)]);
      const lowOrderSignature = bob.identity.privateKey.sign(new Uint8Array(lowOrder));
      const bad: Record<string, PrekeyBundle> = {
        'signed prekey’s signature': { ...good, signedPrekey: { ...good.signedPrekey, signature } },
        'Kyber prekey’s signature': { ...good, kyberPrekey: { ...good.kyberPrekey, signature } },
        'short signature': {
          ...good,
          kyberPrekey: { ...good.kyberPrekey, signature: signature.subarray(1) },
        },
        'another identity': { ...good, identityKey: world.peer().identityKey },
        'low-order identity': { ...good, identityKey: lowOrder },
        'low-order one-time key': { ...good, prekey: { id: 1, key: lowOrder } },
        'low-order signed prekey': {
          ...good,
          signedPrekey: { id: 1, key: lowOrder, signature: lowOrderSignature },
        },
        'no key at all': { ...good, identityKey: Buffer.alloc(33) },
        'Kyber key misshapen': { ...good, kyberPrekey: { ...good.kyberPrekey, key: Buffer.alloc(1569) } },
        'registration out of range': { ...good, registrationId: -1 },
        'registration no number': { ...good, registrationId: Number.NaN },
        'key id out of range': { ...good, prekey: { ...present(good.prekey), id: 2 ** 31 } },
        'another device': { ...good, device: world.peer(BOB, 2).address.device },
      };
      for (const [what, bundle] of Object.entries(bad)) {
        await assert.rejects(world.start(bob, bundle), { code: 'signal/badBundle' }, what);
      }
      assert.deepEqual(await listDevices(), []);
      assert.deepEqual(
        await world.tx(async (tx) => await world.signal.listRemoteIdentities(tx, world.account, BOB)),
        [],
      );
      await world.start(bob, good);
    });

    it('a failure of the store reaches the caller as it was', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const keyless = { ...world.account, id: (await world.addAccount('@eve:example.org')).id };
      await world.tx(
        async (tx) =>
          await tx('signal_sessions')
            .where({ account_id: world.account.id })
            .update({ account_id: keyless.id }),
      );
      const failure = await failureOf(world.encrypt(bob, 'hello', keyless));
      assert.equal(failure.code, 'storage/sealBroken');
      await world.tx(async (tx) => await tx('signal_sessions').delete());
    });

    it('a stored session that does not parse is told as our own fault, not the contact’s', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const garbage = Buffer.from('no session');
      await world.tx(
        async (tx) => await world.storage.signalRecords.saveSession(tx, world.account, bob.address, garbage),
      );
      await assert.rejects(world.encrypt(bob, 'hello'), { code: 'signal/recordBroken' });
    });

    it('secrets and identities stand nowhere in the tables in clear', async () => {
      const bob = world.peer();
      await world.talk(bob);
      const stored = await world.tx(async (tx) => {
        const rows: Buffer[] = [];
        for (const [table, column] of [
          ['signal_identities', 'sealed_key_pair'],
          ['signal_prekeys', 'sealed_record'],
          ['signal_sessions', 'sealed_record'],
          ['signal_remote_identities', 'sealed_key'],
        ] as const) {
          rows.push(...(await tx(table).pluck<Buffer[]>(column)));
        }
        return Buffer.concat(rows);
      });
      const device = await world.tx(async (tx) => await world.signal.publicDevice(tx, world.account));
      // Serialised private records hold their public halves too.
      const published = [
        device.identityKey,
        device.signedPrekey.key,
        present(device.prekeys[0]).key,
        bob.identityKey,
      ];
      for (const key of published) assert.equal(stored.includes(Buffer.from(key).subarray(1)), false);
    });

    async function listDevices(): Promise<number[]> {
      return await world.tx(async (tx) => await world.signal.listDevices(tx, world.account, BOB));
    }
  });
}

function counterOf({ body }: SignalMessage): number {
  return SignalMessageRecord.deserialize(new Uint8Array(body)).counter();
}
