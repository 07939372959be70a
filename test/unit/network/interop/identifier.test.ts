import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { inspectIdentifier } from '../../../../src/network/interop/identifier.ts';

test('a phone number begins with + and may be written with the usual separators', () => {
  for (const text of ['+491701234567', ' +49 170 123-45 67', '+49 (170) 123.45/67']) {
    assert.deepEqual(inspectIdentifier(text), { kind: 'phone', value: '+491701234567' }, text);
  }
});

test('a username may have an @ before it', () => {
  assert.deepEqual(inspectIdentifier('@alice'), { kind: 'username', value: 'alice' });
  assert.deepEqual(inspectIdentifier('Jürgen_1.x'), { kind: 'username', value: 'Jürgen_1.x' });
});

test('a name that was typed in parts is one with the same name typed whole (Unicode NFC)', () => {
  assert.deepEqual(inspectIdentifier('Ju\u0308rgen'), inspectIdentifier('J\u00fcrgen'));
});

test('an interop id is marked as such', () => {
  assert.deepEqual(inspectIdentifier('id:b-7f'), { kind: 'interop_id', value: 'b-7f' });
});

test('what has none of these forms is nobody', () => {
  const refused = [
    '', ' ', '+', '+0123456789', '+123456', '+1234567890123456', '+49 170 abc', '0170 1234567', '@', '@@x', 'a b',
    'bob@gk.example', 'id:', 'id:a b', 'a\u202eb', 'a\u200bb', 'a\u0000b', 'x'.repeat(65), '<b>', '@alice:example.org',
  ]; // biome-ignore format: words
  for (const text of refused) assert.equal(inspectIdentifier(text), undefined, JSON.stringify(text));
});

test('what is understood once is understood as the same again', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const found = inspectIdentifier(text);
      const again =
        found === undefined
          ? undefined
          : inspectIdentifier(found.kind === 'interop_id' ? `id:${found.value}` : found.value);
      assert.deepEqual(again, found);
    }),
  );
});
