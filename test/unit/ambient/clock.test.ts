import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../../src/ambient/clock.ts';

test('now is the epoch in milliseconds', () => {
  const before = Date.now();
  const now = systemClock.nowMs();
  assert.ok(now >= before && now <= Date.now());
});

test('a sleep lasts at least its milliseconds', async () => {
  const before = performance.now();
  await systemClock.sleep(20);
  // Node's timers may fire up to one millisecond early.
  assert.ok(performance.now() - before >= 19);
});

test('an aborted sleep rejects with the reason of its signal', async () => {
  const stop = new AbortController();
  const reason = new Error('stopped');
  const sleeping = systemClock.sleep(60_000, stop.signal);
  stop.abort(reason);
  await assert.rejects(sleeping, (failure) => failure === reason);
});

test('a sleep under a signal that was aborted before rejects at once with its reason', async () => {
  const reason = new Error('stopped');
  await assert.rejects(systemClock.sleep(60_000, AbortSignal.abort(reason)), (failure) => failure === reason);
});

test('a sleep longer than a timer can hold does not end at once', async () => {
  const stop = new AbortController();
  const sleeping = systemClock.sleep(2 ** 31 + 5, stop.signal);
  const first = await Promise.race([
    sleeping.then(() => 'woke'),
    systemClock.sleep(30).then(() => 'still asleep'),
  ]);
  assert.equal(first, 'still asleep');
  stop.abort();
  await assert.rejects(sleeping);
});
