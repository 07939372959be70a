import assert from 'node:assert/strict';
import { it } from 'node:test';
import { heldPrekeys, keptSinceMs, missingPrekeys, pairIsDue } from '../../../src/signal/prekey-stock.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const settings = { initialPrekeys: 20, maxPrekeys: 100, refillBelow: 0.25, rotationDays: 7, keepDays: 30 };

it('a stock is filled up when a quarter or less is left', () => {
  const missing = (offered: number) =>
    missingPrekeys(settings, { offered, unconfirmed: 0, newestAgeMs: 2 * DAY_MS });
  assert.deepEqual([20, 6, 5, 0].map(missing), [0, 0, 15, 20]);
});

it('a stock that ran low within a day, or was used to the last, is filled up to the maximum', () => {
  assert.equal(missingPrekeys(settings, { offered: 5, unconfirmed: 0, newestAgeMs: DAY_MS - 1 }), 95);
  assert.equal(missingPrekeys(settings, { offered: 5, unconfirmed: 0, newestAgeMs: DAY_MS }), 15);
  assert.equal(missingPrekeys(settings, { offered: 0, unconfirmed: 0, newestAgeMs: undefined }), 100);
});

it('nothing is made while keys are unconfirmed', () => {
  assert.equal(missingPrekeys(settings, { offered: 0, unconfirmed: 1, newestAgeMs: 0 }), 0);
});

it('two of the largest stocks are held at most', () => {
  assert.equal(heldPrekeys(settings), 200);
});

it('a pair is due after its days and kept for its days', () => {
  assert.deepEqual(
    [7 * DAY_MS - 1, 7 * DAY_MS].map((age) => pairIsDue(settings, age)),
    [false, true],
  );
  assert.equal(keptSinceMs(settings, 31 * DAY_MS), DAY_MS);
});
