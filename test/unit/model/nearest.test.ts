import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from '../../../src/model/nearest.ts';

const KEYS = ['as_token', 'hs_token', 'address', 'bot', 'max_body_bytes'];

test('a slip of the keyboard finds the key', () => {
  assert.equal(nearest('as_tokne', KEYS), 'as_token');
  assert.equal(nearest('adress', KEYS), 'address');
  assert.equal(nearest('bto', KEYS), 'bot');
  assert.equal(nearest('max-body-bytes', KEYS), 'max_body_bytes');
  assert.equal(nearest('AS_TOKEN', KEYS), 'as_token');
});

test('another word finds nothing', () => {
  assert.equal(nearest('colour', KEYS), undefined);
  assert.equal(nearest('', KEYS), undefined);
  assert.equal(nearest('x', []), undefined);
});

test('of two that are near, the nearer one is found', () => {
  assert.equal(nearest('hs_tokn', KEYS), 'hs_token');
});
