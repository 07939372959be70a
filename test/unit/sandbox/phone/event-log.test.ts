import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventLog } from '../../../../src/sandbox/phone/event-log.ts';
import { heldClock } from '../../../doubles/held-clock.ts';

type Seen = { readonly kind: 'a'; readonly n: number } | { readonly kind: 'b' };
const bench = () => {
  const clock = heldClock();
  return { clock, log: new EventLog<Seen>(clock) };
};

test('waiting finds what has happened already', async () => {
  const { log } = bench();
  log.push({ kind: 'b' });
  assert.deepEqual(await log.waitFor((event) => event.kind === 'b'), { kind: 'b' });
});

test('waiting ends with the first event that is wanted', async () => {
  const { log } = bench();
  const waiting = log.waitFor((event) => event.kind === 'a' && event.n === 2);
  log.push({ kind: 'a', n: 1 });
  log.push({ kind: 'a', n: 2 });
  assert.deepEqual(await waiting, { kind: 'a', n: 2 });
});

test('waiting in vain says what was seen instead', async () => {
  const { clock, log } = bench();
  const waiting = log.waitFor((event) => event.kind === 'a', 1000);
  log.push({ kind: 'b' });
  clock.advance(1000);
  await assert.rejects(waiting, (failure: Error) => {
    assert.match(failure.message, /waitedInVain.*seen=b/);
    return true;
  });
});

test('a watcher sees later events until it stops', () => {
  const { log } = bench();
  const seen: Seen[] = [];
  const unwatch = log.watch((event) => seen.push(event));
  log.push({ kind: 'b' });
  unwatch();
  log.push({ kind: 'b' });
  assert.equal(seen.length, 1);
  assert.equal(log.of('b').length, 2);
});
