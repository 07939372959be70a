import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pad, unpad } from '../../../../src/network/interop/padding.ts';

test('padding is 0x80, then zeros up to a multiple of 160 bytes (ISO/IEC 7816-4)', () => {
  const padded = pad(new Uint8Array([1, 2]));
  assert.equal(Buffer.from(padded).toString('hex'), `010280${'00'.repeat(157)}`);
});

test('a content that fills its block gets another one, so that there is always a mark', () => {
  assert.deepEqual(
    [0, 159, 160, 319].map((length) => pad(new Uint8Array(length)).length),
    [160, 160, 320, 320],
  );
});

test('what was padded comes back, also when it ends like padding', () => {
  const endings = fc.constantFrom([], [0x80], [0x80, 0], [0, 0, 0], [0x80, 0x80]);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), endings, (start, end) => {
      const content = new Uint8Array([...start, ...end]);
      assert.deepEqual(unpad(pad(content)), content);
    }),
  );
});

test('there is one padding for each content: whatever else is refused', () => {
  const block = 160;
  const refused = {
    'no bytes': new Uint8Array(0),
    'no whole block': pad(new Uint8Array(3)).subarray(0, 159),
    'no mark': new Uint8Array(block),
    'a mark one block too early': Uint8Array.from({ length: 2 * block }, (_, at) => (at === 5 ? 0x80 : 0)),
    'something behind the mark': Uint8Array.from({ length: block }, (_, at) => (at === 159 ? 1 : 0x80)),
  };
  for (const [name, bytes] of Object.entries(refused)) assert.equal(unpad(bytes), undefined, name);
});

test('any bytes that are accepted are the padding of what is given back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 160, maxLength: 160 }), (bytes) => {
      const content = unpad(bytes);
      if (content !== undefined) assert.deepEqual(pad(content), bytes);
    }),
  );
});
