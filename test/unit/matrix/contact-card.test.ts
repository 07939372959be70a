import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { contactCardText } from '../../../src/matrix/contact-card.ts';

const card = (displayName: string, ...lines: string[]) =>
  contactCardText({ kind: 'contact-card', displayName, vcard: lines.join('\r\n') });

test('a card is shown as the name and how to reach the person', () => {
  const text = card(
    'Carol',
    'BEGIN:VCARD',
    'VERSION:4.0',
    'FN:Carol',
    'item1.TEL;TYPE=cell:tel:+4930901820',
    'EMAIL;TYPE=work:carol@example.org',
    'ORG:Rope\\, Ladder & Co.',
    'PHOTO:data:image/png;base64,AAAA',
    'END:VCARD',
  );
  assert.equal(text, '👤 Carol\n📞 +4930901820\n✉️ carol@example.org\n🏢 Rope, Ladder & Co.');
});

test('a card without anything is a question mark; one of a thousand numbers is cut', () => {
  assert.equal(card(' '), '👤 ?');
  assert.equal(card('A', ...Array.from({ length: 1_000 }, () => 'TEL:1')).split('\n').length, 21);
});

test('whatever stands there, nothing is thrown', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.string()), (name, lines) => {
      card(name, ...lines, ...lines.map((line) => `TEL:${line}`));
    }),
  );
});
