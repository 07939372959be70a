import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { withLock } from '../../../../src/sandbox/toolbox/lock.cjs';

const newLock = () => join(mkdtempSync(join(tmpdir(), 'drawbridge-lock-')), 'deep', 'x.lock');
// Ids of processes are at most 2^22 on Linux, and 99999 on macOS.
const DEAD_PID = 2 ** 22 + 1;

function leaveBehind(lock: string, holder: object): void {
  writeFileSync(lock, JSON.stringify(holder));
}

test('two who want the lock have it one after the other, and the second is told that it waits', async () => {
  const lock = newLock();
  const seen: string[] = [];
  const twoWaits = new EventEmitter();
  const one = withLock(lock, async () => {
    seen.push('one begins');
    await once(twoWaits, 'now');
    seen.push('one ends');
  });
  const two = withLock(
    lock,
    async () => {
      seen.push('two');
    },
    () => {
      seen.push('two waits');
      twoWaits.emit('now');
    },
  );
  await Promise.all([one, two]);
  assert.deepEqual(seen, ['one begins', 'two waits', 'one ends', 'two']);
});

test('the lock is gone after the work, with its result, and after a failure as well', async () => {
  const lock = newLock();
  assert.equal(await withLock(lock, async () => readFileSync(lock, 'utf8').includes(`${process.pid}`)), true);
  assert.equal(existsSync(lock), false);
  await assert.rejects(
    withLock(lock, async () => {
      throw new Error('work failed');
    }),
    /work failed/,
  );
  assert.equal(existsSync(lock), false);
});

test('a lock whose process is gone is taken over', async () => {
  const lock = newLock();
  await withLock(lock, async () => undefined); // makes the folder
  leaveBehind(lock, { pid: DEAD_PID, host: hostname() });
  assert.equal(await withLock(lock, async () => 'ours', assert.fail), 'ours');
});

test('a lock of another machine is waited for, and taken over when nobody has touched it for a minute', async () => {
  const lock = newLock();
  await withLock(lock, async () => undefined);
  leaveBehind(lock, { pid: DEAD_PID, host: 'another' });
  const waits = new EventEmitter();
  let isOurs = false;
  const work = withLock(
    lock,
    async () => {
      isOurs = true;
    },
    () => setImmediate(() => waits.emit('now')),
  );
  await once(waits, 'now');
  assert.equal(isOurs, false);
  const longAgo = new Date(Date.now() - 61_000);
  utimesSync(lock, longAgo, longAgo);
  await work;
});

test('of many who find the same lock left behind, one at a time has it', async () => {
  const lock = newLock();
  await withLock(lock, async () => undefined);
  leaveBehind(lock, { pid: DEAD_PID, host: hostname() });
  let inside = 0;
  let most = 0;
  const work = async () => {
    inside += 1;
    most = Math.max(most, inside);
    await new Promise(setImmediate);
    inside -= 1;
  };
  await Promise.all(Array.from({ length: 5 }, () => withLock(lock, work)));
  assert.equal(most, 1);
});
