import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { parseJournal, writeJournal } from '../../../src/bridge/journal.ts';
import { contactId, stanzaId } from '../../../src/model/ids.ts';

const SENDER = contactId('bob@gk.example');

it('what is journalled is read back as it was, whatever its bytes and ids', () => {
  const ids = fc
    .string({ unit: 'binary', minLength: 1, maxLength: 40 })
    .filter((text) => !/\p{Cc}/u.test(text));
  fc.assert(
    fc.property(ids, fc.boolean(), fc.uint8Array({ maxLength: 400 }), (stanza, wantsReceipt, content) => {
      const envelope = { sender: SENDER, stanzaId: stanzaId(stanza), wantsReceipt };
      const { content: read, ...head } = parseJournal(writeJournal(envelope, content));
      assert.deepEqual(head, envelope);
      assert.deepEqual(new Uint8Array(read), content);
    }),
  );
});

it('content that looks like a head is content', () => {
  const envelope = { sender: SENDER, stanzaId: stanzaId('"}'), wantsReceipt: true };
  const inner = writeJournal(envelope, Buffer.from('inner'));
  const outer = parseJournal(writeJournal(envelope, inner));
  assert.deepEqual(outer.content, inner);
});

it('the form is stable: four bytes of length, the head as JSON, the content', () => {
  const bytes = writeJournal(
    { sender: SENDER, stanzaId: stanzaId('s1'), wantsReceipt: false },
    Buffer.from([1, 2]),
  );
  const head = '{"sender":"bob@gk.example","stanza":"s1","wantsReceipt":false}';
  assert.deepEqual(
    bytes,
    Buffer.concat([Buffer.from([0, 0, 0, head.length]), Buffer.from(head), Buffer.from([1, 2])]),
  );
});

it('a head that names no sender is refused', () => {
  const head = Buffer.from('{"sender":"nobody","stanza":"s1","wantsReceipt":false}');
  const bytes = Buffer.concat([Buffer.from([0, 0, 0, head.length]), head]);
  assert.throws(() => parseJournal(bytes), { code: 'model/badId' });
});
