import assert from 'node:assert/strict';
import { test } from 'node:test';
import { permissionOf } from '../../../src/config/permissions.ts';
import { matrixUserId } from '../../../src/model/ids.ts';

const PERMISSIONS = {
  '*': 'none',
  'a.test': 'user',
  '@root:a.test': 'admin',
  '@mallory:a.test': 'none',
} as const;

test('the most specific entry wins', () => {
  assert.equal(permissionOf(PERMISSIONS, matrixUserId('@root:a.test')), 'admin');
  assert.equal(permissionOf(PERMISSIONS, matrixUserId('@mallory:a.test')), 'none');
  assert.equal(permissionOf(PERMISSIONS, matrixUserId('@alice:a.test')), 'user');
  assert.equal(permissionOf(PERMISSIONS, matrixUserId('@alice:b.test')), 'none');
});

test('a server is its whole name, port included', () => {
  assert.equal(permissionOf(PERMISSIONS, matrixUserId('@alice:sub.a.test')), 'none');
  assert.equal(permissionOf(PERMISSIONS, matrixUserId('@alice:a.test:8448')), 'none');
});

test('who is not covered may do nothing', () => {
  assert.equal(permissionOf({ 'a.test': 'user' }, matrixUserId('@alice:b.test')), 'none');
  assert.equal(permissionOf({}, matrixUserId('@alice:constructor')), 'none');
});
