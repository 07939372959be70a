import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ChatContent, ChatEvent, FormattedText, MediaFile } from '../../../../src/model/chat-event.ts';
import { BridgeError } from '../../../../src/model/errors.ts';
import { messageId } from '../../../../src/model/ids.ts';
import { createContentCodec } from '../../../../src/network/interop/content.ts';
import { contentBounds, countCodePoints } from '../../../../src/network/interop/content-bounds.ts';
import { pad, unpad } from '../../../../src/network/interop/padding.ts';

const FIXTURES = path.join(import.meta.dirname, '../../../fixtures/content');
const codec = createContentCodec();

type Case = {
  rule: string;
  direction: 'both' | 'read' | 'refused';
  event?: ChatEvent;
  refused?: string;
};

function readCase(name: string): Case & { wire: Uint8Array } {
  const text = readFileSync(path.join(FIXTURES, name, 'case.json'), 'utf8');
  const wire = readFileSync(path.join(FIXTURES, name, 'wire.hex'), 'utf8').replace(/\s/g, '');
  const revive = (_: string, value: unknown) =>
    typeof value === 'object' && value !== null && '$hex' in value
      ? new Uint8Array(Buffer.from(String(value.$hex), 'hex'))
      : value;
  return { ...(JSON.parse(text, revive) as Case), wire: new Uint8Array(Buffer.from(wire, 'hex')) };
}

const names = readdirSync(FIXTURES, { withFileTypes: true }).filter((entry) => entry.isDirectory());
assert.ok(names.length > 0);
for (const { name } of names) {
  const { rule, direction, event, refused, wire } = readCase(name);
  test(`${name}: ${rule}`, () => {
    if (direction === 'refused') {
      assert.throws(() => codec.decode(pad(wire)), { code: 'network/badContent' });
      if (refused !== undefined) assert.equal(refusalOf(wire)?.facts.field, refused);
      return;
    }
    assert.ok(event !== undefined);
    assert.deepEqual(codec.decode(pad(wire)), event);
    if (direction === 'both') assert.deepEqual(unpad(codec.encode(event)), wire);
  });
}

function refusalOf(wire: Uint8Array): BridgeError | undefined {
  try {
    codec.decode(pad(wire));
  } catch (failure) {
    return failure instanceof BridgeError ? failure : undefined;
  }
  return undefined;
}

const wellFormed = (maxLength: number) => fc.string({ unit: 'binary', maxLength });
const id = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => messageId(Buffer.from(bytes).toString('hex')));
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
/** With the prototype that object literals have. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(model, { noNullPrototype: true });
const bytes = (minLength: number, maxLength = minLength) => fc.uint8Array({ minLength, maxLength });

const formattedText: fc.Arbitrary<FormattedText> = wellFormed(300).chain((body) => {
  const points = countCodePoints(body);
  const plainStyle = fc.constantFrom(
    'bold',
    'italic',
    'strikethrough',
    'code',
    'quote',
    'bullet-list',
    'numbered-list',
  );
  const valueStyle = fc.constantFrom('link', 'mention', 'code-block');
  const style = fc.oneof(
    record({ style: plainStyle, value: fc.constant('') }),
    record({ style: valueStyle, value: wellFormed(40) }),
  ) as fc.Arbitrary<Pick<FormattedText['ranges'][number], 'style' | 'value'>>;
  const range = fc
    .tuple(fc.nat(Math.max(points - 1, 0)), fc.nat(), style)
    .map(([start, seed, rest]) => ({ start, length: 1 + (seed % (points - start)), ...rest }));
  return record({
    body: fc.constant(body),
    ranges: points === 0 ? fc.constant([]) : fc.array(range, { maxLength: 8 }),
  });
});

const file: fc.Arbitrary<MediaFile> = record({
  mediaKind: fc.constantFrom('image', 'video', 'audio', 'voice', 'file'),
  url: wellFormed(100).filter((url) => url !== ''),
  key: bytes(64),
  digest: bytes(32),
  sizeBytes: fc.maxSafeNat(),
  mime: wellFormed(60),
  fileName: wellFormed(100),
  width: uint32,
  height: uint32,
  durationMs: uint32,
  blurhash: wellFormed(60),
  waveform: bytes(0, 64),
});

const media: fc.Arbitrary<ChatContent> = fc
  .tuple(
    file,
    fc.option(formattedText, { nil: undefined }),
    fc.option(file, { nil: undefined }),
    bytes(0, 100),
  )
  .map(([base, caption, thumbnail, inline]) => ({
    kind: 'media',
    ...base,
    ...(caption === undefined ? {} : { caption }),
    ...(thumbnail === undefined ? {} : { thumbnail }),
    inlineThumbnail: thumbnail === undefined ? inline : new Uint8Array(0),
  }));

const content: fc.Arbitrary<ChatContent> = fc.oneof(
  formattedText.map((text): ChatContent => ({ kind: 'text', ...text })),
  media,
  record({
    kind: fc.constant('reaction'),
    target: id,
    targetIsOwn: fc.boolean(),
    emoji: wellFormed(20).filter((emoji) => emoji !== ''),
    remove: fc.boolean(),
  }),
  fc.tuple(id, formattedText).map(([target, text]): ChatContent => ({ kind: 'edit', target, ...text })),
  record({ kind: fc.constant('revoke'), target: id }),
  record({
    kind: fc.constant('location'),
    latitude: fc.double({ min: -90, max: 90, noNaN: true }),
    longitude: fc.double({ min: -180, max: 180, noNaN: true }),
    name: wellFormed(40),
  }),
  record({ kind: fc.constant('contact-card'), displayName: wellFormed(40), vcard: wellFormed(200) }),
  record({
    kind: fc.constant('boundary-notice'),
    operatorName: wellFormed(40),
    operatorContact: wellFormed(40),
    mode: fc.constantFrom('own-endpoint', 'provider'),
    text: wellFormed(200),
  }),
);

const reply = record({ target: id, targetIsOwn: fc.boolean(), excerpt: wellFormed(100) });
const event: fc.Arbitrary<ChatEvent> = record({
  id,
  sentAtMs: fc.integer({ min: 0, max: contentBounds.sentAtMs }),
  expiresInS: uint32,
  content,
}).chain((rest) =>
  fc
    .option(reply, { nil: undefined })
    .map((value) => (value === undefined ? rest : { ...rest, reply: value })),
);

test('what is encoded is decoded to the same, for any message', () => {
  fc.assert(
    fc.property(event, (message) => {
      const padded = codec.encode(message);
      assert.equal(padded.length % 160, 0);
      assert.deepEqual(codec.decode(padded), message);
    }),
    { numRuns: 300 },
  );
});

test('no bytes make the decoder throw anything but network/badContent (case 2.17)', () => {
  const wires = names.map(({ name }) => readCase(name).wire);
  // Bytes near real messages reach further than noise does.
  const mutated = fc
    .tuple(
      fc.constantFrom(...wires),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      fc.nat(),
    )
    .map(([wire, changes, cut]) => {
      const copy = Uint8Array.from(wire);
      for (const [at, value] of changes) copy[at % copy.length] = value;
      return copy.subarray(0, cut % 3 === 0 ? cut % copy.length : copy.length);
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 500 }), mutated), fc.boolean(), (input, isPadded) => {
      try {
        codec.decode(isPadded ? pad(input) : input);
      } catch (failure) {
        assert.ok(failure instanceof BridgeError && failure.code === 'network/badContent', String(failure));
      }
    }),
    { numRuns: 2000 },
  );
});

const base = { id: messageId('00'.repeat(16)), sentAtMs: 1, expiresInS: 0 };
const textEvent = (body: string, ranges: FormattedText['ranges'] = []): ChatEvent => ({
  ...base,
  content: { kind: 'text', body, ranges },
});

test('a lone surrogate, which UTF-8 cannot carry, is sent as U+FFFD', () => {
  const decoded = codec.decode(codec.encode(textEvent('a\ud800b')));
  assert.deepEqual(decoded, textEvent('a\ufffdb'));
});

test('a text of the greatest length passes, one more character does not', () => {
  const longest = textEvent('a'.repeat(contentBounds.body));
  assert.deepEqual(codec.decode(codec.encode(longest)), longest);
  assert.throws(() => codec.encode(textEvent('a'.repeat(contentBounds.body + 1))), {
    code: 'network/badContent',
  });
});

test('a message that could fit in no stanza is refused as too large', () => {
  const text = { body: '漢'.repeat(contentBounds.body), ranges: [] };
  assert.throws(() => codec.encode({ ...base, content: { kind: 'text', ...text } }), {
    code: 'network/tooLarge',
  });
});

test('a plaintext larger than a stanza is refused before it is looked at', () => {
  assert.throws(() => codec.decode(new Uint8Array(contentBounds.plaintextBytes + 160)), {
    code: 'network/badContent',
  });
});

test('a range of ours that does not fit is a fault of ours', () => {
  for (const [start, length] of [
    [0, 4],
    [3, 1],
    [0, 0],
    [-1, 2],
    [0.5, 1],
  ] as const) {
    const message = textEvent('😀b.', [{ start, length, style: 'bold', value: '' }]);
    assert.throws(() => codec.encode(message), { code: 'network/badContent' }, `${start}, ${length}`);
  }
});

test('what is unsupported is never sent', () => {
  const message: ChatEvent = { ...base, content: { kind: 'unsupported', what: 'poll' } };
  assert.throws(() => codec.encode(message), { code: 'network/badContent' });
});

test('what was decoded outlives the plaintext, which is wiped', () => {
  const key = new Uint8Array(64).fill(7);
  const padded = Buffer.from(
    codec.encode({
      ...base,
      content: {
        kind: 'media',
        mediaKind: 'file',
        url: 'https://media.example.org/x',
        key,
        digest: new Uint8Array(32),
        sizeBytes: 0,
        mime: '',
        fileName: '',
        width: 0,
        height: 0,
        durationMs: 0,
        blurhash: '',
        waveform: new Uint8Array(0),
        inlineThumbnail: new Uint8Array(0),
      },
    }),
  );
  const decoded = codec.decode(padded);
  padded.fill(0);
  assert.ok(decoded.content.kind === 'media');
  assert.deepEqual(decoded.content.key, key);
});
