import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemRandom } from '../../../src/ambient/random.ts';
import { backoffMs } from '../../../src/bridge/backoff.ts';

const drawing = (fraction: number) => ({ ...systemRandom, fraction: () => fraction });

it('the bound doubles with each failure, from one second to five minutes', () => {
  const bounds = [1, 2, 3, 9, 10, 50, 1_000].map((attempt) => backoffMs(attempt, drawing(1)));
  assert.deepEqual(bounds, [1_000, 2_000, 4_000, 256_000, 300_000, 300_000, 300_000]);
});

it('at least half of the bound is waited, and what lies above it is chance', () => {
  assert.deepEqual(
    [0, 0.5, 1].map((fraction) => backoffMs(3, drawing(fraction))),
    [2_000, 3_000, 4_000],
  );
});

it('first and longest wait are the caller’s to choose', () => {
  assert.deepEqual(
    [1, 2, 3].map((attempt) => backoffMs(attempt, drawing(1), 10, 15)),
    [10, 15, 15],
  );
});
