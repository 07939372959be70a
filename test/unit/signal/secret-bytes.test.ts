import assert from 'node:assert/strict';
import { it } from 'node:test';
import { consumeSecret, consumeSecretLater } from '../../../src/signal/secret-bytes.ts';
import type { SignalRecords } from '../../../src/storage/storage.ts';
import { SignalWorld } from '../../suites/signal-world.ts';
import { sqliteFile } from './sqlite-file.ts';

it('a secret is zeroed after its use, also when the use fails', async () => {
  const [first, second, third] = [Buffer.from('secret'), Buffer.from('secret'), Buffer.from('secret')];
  assert.equal(
    consumeSecret(first, (bytes) => Buffer.from(bytes).toString()),
    'secret',
  );
  const fail = (): never => {
    throw new RangeError('no');
  };
  assert.throws(() => consumeSecret(second, fail), RangeError);
  await assert.rejects(
    consumeSecretLater(third, async () => fail()),
    RangeError,
  );
  for (const bytes of [first, second, third]) assert.deepEqual(bytes, Buffer.alloc(6));
});

it('no copy of a private record that passes between libsignal and the store outlives its use', async (t) => {
  const world = await SignalWorld.create(sqliteFile);
  t.after(async () => await world.close());
  const secrets: Uint8Array[] = [];
  const signal = world.anotherService({ records: watched(world.storage.signalRecords, secrets) });
  const { account } = world;
  const eve = await world.addAccount('@eve:example.org');
  const [bob, carol] = [world.peer(), world.peer()];

  await world.tx(async (tx) => {
    await tx('signal_identities').where({ account_id: eve.id }).delete();
    await tx('signal_prekeys').where({ account_id: eve.id }).delete();
    await signal.createDevice(tx, eve);
    await signal.createDevice(tx, eve);
    await signal.publicDevice(tx, eve);
    await signal.topUp(tx, eve, { prekeys: 0, kyber: 0 });
    await signal.rotateSigned(tx, eve);
  });
  await signal.inSession(account, bob.address, async (session) => {
    await session.start(bob.bundle());
    await bob.decrypt(account, await session.encrypt(Buffer.from('hello')));
    await session.decrypt(await bob.encrypt(account, 'hello to you'));
    await session.exists();
    await session.archive();
  });
  await world.tx(async (tx) => await signal.deleteSessions(tx, account, bob.address.contact));
  await world.tx(async (tx) => await tx('signal_remote_identities').delete());
  const first = await world.approach(carol, 'hello', { prekey: 0, kyber: 0 });
  await signal.inSession(account, carol.address, async (session) => await session.decrypt(first));

  // 42 keys made, and what was read and written of identity, prekeys and sessions.
  assert.ok(secrets.length > 100);
  const left = secrets.filter((bytes) => bytes.some((byte) => byte !== 0));
  assert.equal(left.length, 0);
});

/** The same repository; every private record that goes in or comes out is kept in `secrets`. */
function watched(records: SignalRecords, secrets: Uint8Array[]): SignalRecords {
  const keep = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(keep);
    if (typeof value !== 'object' || value === null) return;
    const { record, keyPair } = value as { record?: Uint8Array; keyPair?: Uint8Array };
    for (const secret of [record, keyPair]) if (secret !== undefined) secrets.push(secret);
  };
  return new Proxy(records, {
    get: (target, name: keyof SignalRecords) => {
      const method = target[name] as (...args: unknown[]) => Promise<unknown>;
      return async (...args: unknown[]) => {
        args.slice(2).forEach(keep);
        if (name === 'saveSession') secrets.push(args[3] as Uint8Array);
        const result = await method.apply(target, args);
        keep(result);
        if (name === 'findSession' && result !== undefined) secrets.push(result as Uint8Array);
        return result;
      };
    },
  });
}
