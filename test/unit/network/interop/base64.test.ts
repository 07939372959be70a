import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromBase64, toBase64 } from '../../../../src/network/interop/base64.ts';

test('the vectors of RFC 4648 §10 hold', () => {
  const vectors = {
    '': '',
    f: 'Zg==',
    fo: 'Zm8=',
    foo: 'Zm9v',
    foob: 'Zm9vYg==',
    fooba: 'Zm9vYmE=',
    foobar: 'Zm9vYmFy',
  };
  for (const [text, encoded] of Object.entries(vectors)) {
    assert.equal(toBase64(Buffer.from(text)), encoded);
    assert.deepEqual(fromBase64(encoded), new Uint8Array(Buffer.from(text)));
  }
});

test('there is one way to write bytes: any other is refused', () => {
  for (const text of ['Zg', 'Zg=', 'Zh==', 'Zm9v ', '\nZm9v', 'Zm-_', 'Z', '=', 'Zg==Zg==', 'Zm9v=']) {
    assert.equal(fromBase64(text), undefined, JSON.stringify(text));
  }
});

test('a view writes its own part only', () => {
  assert.equal(toBase64(new Uint8Array([1, 2, 3, 4]).subarray(1, 3)), 'AgM=');
});

test('what was written is read', () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => assert.deepEqual(fromBase64(toBase64(bytes)), bytes)));
});
