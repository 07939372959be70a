import assert from 'node:assert/strict';
import { it } from 'node:test';
import { KeyedLock } from '../../../src/signal/session-lock.ts';

it('work under one key runs one after another in the order of the calls', async () => {
  const lock = new KeyedLock();
  const steps: string[] = [];
  const work = (name: string) => async () => {
    steps.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    steps.push(`${name} ends`);
  };
  await Promise.all(['a', 'b', 'c'].map(async (name) => await lock.run('key', work(name))));
  assert.deepEqual(steps, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
});

it('work under different keys does not wait', async () => {
  const lock = new KeyedLock();
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const first = lock.run('one', async () => await held);
  assert.equal(await lock.run('two', async () => 'done'), 'done');
  release();
  await first;
});

it('work that fails lets the next one in and its error out', async () => {
  const lock = new KeyedLock();
  const failing = lock.run('key', async () => await Promise.reject(new RangeError('no')));
  const next = lock.run('key', async () => 'done');
  await assert.rejects(failing, RangeError);
  assert.equal(await next, 'done');
  assert.equal(await lock.run('key', async () => 'again'), 'again');
});
