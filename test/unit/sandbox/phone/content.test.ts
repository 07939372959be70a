import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ContentCodec, pad, unpad } from '../../../../src/sandbox/phone/content.ts';

const codec = new ContentCodec();
const id = new Uint8Array(16).fill(9);
const badContent = { code: 'sandbox-phone/badContent' };

test('padding ends with 0x80 and zeros at a multiple of 160, and always adds something', () => {
  for (const [plain, padded] of [
    [0, 160],
    [159, 160],
    [160, 320],
  ] as const) {
    const bytes = pad(new Uint8Array(plain).fill(1));
    assert.equal(bytes.length, padded);
    assert.equal(bytes[plain], 0x80);
    assert.deepEqual(unpad(bytes), new Uint8Array(plain).fill(1));
  }
});

test('a plaintext that ends with 0x80 and zeros comes back whole', () => {
  const plain = new Uint8Array([1, 0x80, 0, 0]);
  assert.deepEqual(unpad(pad(plain)), plain);
});

test('wrong length, a missing end mark, and padding of more than a block are refused', () => {
  const tooLong = new Uint8Array(320);
  tooLong[0] = 0x80;
  for (const bytes of [
    new Uint8Array(0),
    new Uint8Array(159),
    new Uint8Array(160),
    tooLong,
    new Uint8Array(160).fill(1),
  ]) {
    assert.throws(() => unpad(bytes), badContent);
  }
});

test('a text with styles, reply and time survives the wire', () => {
  const content = {
    id,
    sentAtMs: 1_800_000_000_123,
    text: { body: 'héllo 😀', ranges: [{ start: 1, length: 4, style: 'BOLD' }] },
    reply: { target: new Uint8Array(16).fill(3), targetIsOwn: true, excerpt: 'hi' },
    expiresInS: 60,
  };
  const { body, ...decoded } = codec.decode(codec.encode(content));
  assert.equal(body, 'text');
  assert.deepEqual(JSON.parse(JSON.stringify(decoded)), JSON.parse(JSON.stringify(content)));
});

test('a body that the schema does not know decodes to no body', () => {
  // Field 99, one byte long, as a later version may send it.
  const bytes = Buffer.concat([Buffer.from([0x0a, 16]), id, Buffer.from([0x9a, 0x06, 1, 0])]);
  assert.equal(codec.decode(pad(bytes)).body, undefined);
});

test('noise and an id of another length are refused, never thrown through', () => {
  const shortId = Buffer.concat([Buffer.from([0x0a, 2, 1, 1])]);
  for (const bytes of [Buffer.from([0xff, 0xff]), shortId, Buffer.alloc(0)]) {
    assert.throws(() => codec.decode(pad(bytes)), badContent);
  }
  assert.throws(() => codec.encode({ id: new Uint8Array(15), sentAtMs: 0 }), badContent);
});
