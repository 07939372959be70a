import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Housekeeping } from '../../../src/bridge/housekeeping.ts';
import { BridgeWorld, MANAGEMENT } from './world/bridge-world.ts';

const DAY_MS = 24 * 60 * 60_000;

it('what was settled long ago is forgotten, what waits or is fresh is kept, hour by hour', async () => {
  const world = await BridgeWorld.create();
  const seqs = async () => await world.tx(async (tx) => await tx('matrix_inbox').orderBy('seq').pluck('seq'));
  const settle = async () =>
    await world.tx(async (tx) => {
      const row = await world.storage.matrixInbox.findNext(tx, MANAGEMENT);
      assert.ok(row !== undefined);
      await world.storage.matrixInbox.settle(tx, row.seq);
    });
  await world.push(world.event(MANAGEMENT, 'old'));
  await settle();
  world.clock.advance(29 * DAY_MS);
  await world.push(world.event(MANAGEMENT, 'fresh'));
  await settle();
  await world.push(world.event(MANAGEMENT, 'waits'));
  const [old, ...kept] = await seqs();
  const housekeeping = new Housekeeping(world.parts, { all: async () => undefined, room: () => undefined });
  housekeeping.start();
  housekeeping.start();
  await world.until(async () => (await seqs()).length === 3);
  assert.deepEqual(await seqs(), [old, ...kept]);
  world.clock.advance(DAY_MS + 60_000);
  await world.until(async () => (await seqs()).length === 2, 60_000);
  assert.deepEqual(await seqs(), kept);
  await housekeeping.stop();
  await world.close();
});

it('a failure is logged, and the next hour comes all the same', async () => {
  const world = await BridgeWorld.create();
  world.faults.plan(0, 'fails');
  const housekeeping = new Housekeeping(world.parts, { all: async () => undefined, room: () => undefined });
  housekeeping.start();
  const failed = () =>
    world.log.entries.some(
      ({ level, message }) => level === 'error' && message === 'settled rows not forgotten',
    );
  await world.until(failed);
  const oldFate = {
    event_id: '$old',
    room_id: '!room:example.org',
    account_id: 'gone',
    state: 'sent',
    changed_at_ms: 0,
  };
  await world.tx(async (tx) => await tx('fates').insert(oldFate));
  const rows = async () => (await world.tx(async (tx) => await tx('fates'))).length;
  await world.until(async () => (await rows()) === 0, 10 * 60_000);
  await housekeeping.stop();
  await world.close();
});
