import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { toProfileName } from '../../../src/matrix/profile-name.ts';

it('an ordinary name stays as it is', () => {
  for (const name of ['Bob (Gatekeeper)', 'Zoë 👩‍👩‍👧', 'محمد', '山田'])
    assert.equal(toProfileName(name), name);
});

it('line breaks and control characters become one space, marks that turn the direction are taken out (case 2.16)', () => {
  assert.equal(toProfileName(' a\r\n\u0000b\u202ec\u2067d '), 'a bcd');
});

it('an unpaired surrogate becomes U+FFFD', () => {
  assert.equal(toProfileName('a\ud800b'), 'a\ufffdb');
});

it('whatever the name, at most 256 characters without control characters are left, and again nothing changes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (name) => {
      const cleaned = toProfileName(name);
      assert.ok(Array.from(cleaned).length <= 256);
      assert.ok(!/\p{Cc}/u.test(cleaned));
      assert.equal(toProfileName(cleaned), cleaned);
    }),
  );
});
