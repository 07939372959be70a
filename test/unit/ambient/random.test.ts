import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from '../../../src/ambient/random.ts';

test('bytes have the asked length and do not repeat', () => {
  const drawn = Array.from({ length: 100 }, () => systemRandom.bytes(16));
  assert.ok(drawn.every((bytes) => bytes.length === 16));
  assert.equal(new Set(drawn.map((bytes) => bytes.toString('hex'))).size, 100);
});

test('a uuid is of version 4', () => {
  assert.match(systemRandom.uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('fractions lie in [0, 1) and in both halves of it', () => {
  const drawn = Array.from({ length: 200 }, () => systemRandom.fraction());
  assert.ok(drawn.every((fraction) => fraction >= 0 && fraction < 1));
  assert.ok(drawn.some((fraction) => fraction < 0.5) && drawn.some((fraction) => fraction >= 0.5));
});
