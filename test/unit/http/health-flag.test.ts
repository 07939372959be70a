import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HealthFlag } from '../../../src/http/health-flag.ts';
import { heldClock } from '../../doubles/held-clock.ts';

test('a flag is not ok until it was found so', () => {
  assert.deepEqual(new HealthFlag('x', heldClock(5)).read(), {
    ok: false,
    sinceMs: 5,
    code: 'http/notYetChecked',
  });
});

test('since is when the state changed, not when it was last seen; the reason is the latest', () => {
  const clock = heldClock();
  const flag = new HealthFlag('x', clock);
  clock.advance(10);
  flag.ok();
  clock.advance(10);
  flag.ok();
  assert.deepEqual(flag.read(), { ok: true, sinceMs: 10 });
  clock.advance(10);
  flag.failed(new Error('a'));
  clock.advance(10);
  flag.failed(new Error('b'));
  assert.deepEqual(flag.read(), { ok: false, sinceMs: 30, code: 'internal/unexpected' });
});
