import assert from 'node:assert/strict';
import { it } from 'node:test';
import { BOB, failingIn, SignalWorld } from '../../suites/signal-world.ts';
import { sqliteFile } from './sqlite-file.ts';

it('who waits for a session holds no connection meanwhile', async (t) => {
  const world = await SignalWorld.create(sqliteFile);
  t.after(async () => await world.close());
  const bob = world.peer();
  await world.talk(bob);
  const { database } = world.storage;
  let opened = 0;
  const signal = world.anotherService({
    database: {
      type: database.type,
      transaction: async (work) => {
        opened += 1;
        return await database.transaction(work);
      },
    },
  });
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const first = signal.inSession(world.account, bob.address, async () => await held);
  const second = signal.inSession(world.account, bob.address, async (session) => await session.exists());
  await new Promise((resolve) => setImmediate(resolve));
  const openedMeanwhile = opened;
  release();
  await first;
  assert.equal(await second, true);
  assert.deepEqual([openedMeanwhile, opened], [1, 2]);
});

it('a changed identity key that cannot be noted is told to the log, and the refusal stays what it was', async (t) => {
  const world = await SignalWorld.create(sqliteFile);
  t.after(async () => await world.close());
  await world.talk(world.peer());
  const records = failingIn('savePendingIdentity', world.storage.signalRecords);
  const changed = world.peer(BOB);
  const starting = world
    .anotherService({ records })
    .inSession(world.account, changed.address, async (session) => await session.start(changed.bundle()));
  await assert.rejects(starting, { code: 'signal/identityChanged' });
  const errors = world.log.entries.filter(({ level }) => level === 'error');
  assert.deepEqual(
    errors.map(({ cause }) => cause),
    [new RangeError('disk full')],
  );
});
