/** What a stored stanza means: any XML under any sender; and the journal that keeps an envelope's head. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseJournal, writeJournal } from '../../../src/bridge/journal.ts';
import { readStanza } from '../../../src/network/interop/stanza-reader.ts';
import { writeReceipt, writeRetry } from '../../../src/network/interop/stanza-writer.ts';
import { parseStanza } from '../../../src/network/interop/stream/stream.ts';
import { NOW_MS, sampleAccount } from '../../unit/network/interop/samples.ts';
import { defineTarget } from '../fuzz-target.ts';
import { mutated } from '../words/mutated.ts';
import { joined, type Pieces } from '../words/pieces.ts';
import { markupWords, stanzaSeeds, stanzaWords, xmlToken } from '../words/xml.ts';

interface Input {
  readonly from: string;
  readonly xml: Pieces;
  readonly delayedAtMs: number;
}

const senders = [
  'bob@gk.example/phone',
  'bob@gk.example',
  'keys.gk.example',
  'gk.example',
  'alice-1@gk.example',
  '',
];
const inputs: fc.Arbitrary<Input> = fc.record(
  {
    from: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...senders) },
      { weight: 1, arbitrary: fc.constantFrom(...stanzaWords) },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
    ),
    xml: mutated({ seeds: stanzaSeeds, token: xmlToken, words: [...stanzaWords, ...markupWords] }),
    delayedAtMs: fc.constantFrom(0, -1, NOW_MS, NOW_MS + 1, 8.64e15, -8.64e15, Number.MAX_VALUE),
  },
  { noNullPrototype: true },
);

/** Never throws; whatever it names can be answered in a stanza and kept in the journal. */
export const storedStanza = defineTarget<Input>({
  name: 'stored-stanza',
  weight: 200,
  inputs,
  open: () => ({ run: ({ from, xml, delayedAtMs }) => check({ from, xml: joined(xml), delayedAtMs }) }),
});

function check(stored: { from: string; xml: string; delayedAtMs: number }): void {
  const signal = readStanza(stored, sampleAccount, { domain: 'gk.example', nowMs: NOW_MS });
  if ('sender' in signal) {
    assert.match(signal.sender, /@gk\.example$/, 'a sender outside the network');
    assert.notEqual(signal.sender, sampleAccount.jid, 'a sender who is ourselves');
  }
  if ('text' in signal) assert.ok(signal.text.isWellFormed() && signal.text.length <= 255);
  if (signal.kind !== 'envelope') return;
  const { sender, stanzaId, delayedAtMs } = signal;
  assert.ok(
    delayedAtMs === undefined || (delayedAtMs >= 0 && delayedAtMs <= NOW_MS),
    'a delay in the future',
  );
  for (const text of [
    writeReceipt({ id: stanzaId, to: sender, stanzaId }),
    writeRetry({ id: stanzaId, to: sender, stanzaId, count: 1 }),
  ]) {
    const answer = parseStanza(text);
    assert.deepEqual([answer.attrs.to, answer.attrs.id], [sender, stanzaId]);
  }
  const content = Buffer.from(signal.enc.body);
  const { wantsReceipt } = signal;
  const journal = parseJournal(writeJournal({ sender, stanzaId, wantsReceipt }, content));
  assert.deepEqual(journal, { sender, stanzaId, wantsReceipt, content });
}
