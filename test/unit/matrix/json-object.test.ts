import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isJsonObject, nestsDeeperThan } from '../../../src/matrix/json-object.ts';

it('only an object is an object: no array, no null, no text', () => {
  assert.ok(isJsonObject({}));
  for (const value of [[], null, 'a', 1, undefined]) assert.equal(isJsonObject(value), false);
});

it('depth counts objects and arrays, and the limit itself is allowed', () => {
  assert.equal(nestsDeeperThan('a', 0), false);
  assert.equal(nestsDeeperThan({ a: [1] }, 2), false);
  assert.equal(nestsDeeperThan({ a: [1], b: [[1]] }, 2), true);
});

it('a million levels are refused without a stack overflow', () => {
  const text = '['.repeat(1_000_000) + ']'.repeat(1_000_000);
  assert.equal(nestsDeeperThan(JSON.parse(text), 64), true);
});
