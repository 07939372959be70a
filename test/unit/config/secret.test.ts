import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, inspect } from 'node:util';
import { Secret } from '../../../src/config/secret.ts';

test('a secret prints as [set] in every way that logs and errors print', () => {
  const secret = new Secret('the-token');
  const ways = [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }),
    format('%s %o %j', secret, secret, secret),
  ];
  for (const printed of ways) {
    assert.ok(!printed.includes('the-token'), printed);
    assert.ok(printed.includes('[set]'), printed);
  }
  assert.deepEqual(Object.keys(secret), []);
});

test('reveal gives the value', () => {
  assert.equal(new Secret('the-token').reveal(), 'the-token');
});
