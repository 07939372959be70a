/** The stream reader: bytes of a server, cut anywhere; then what the stream does at once with a stanza that came whole. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { toInboundStanza } from '../../../src/network/interop/stream/inbound-stanza.ts';
import { answerIq } from '../../../src/network/interop/stream/iq-answers.ts';
import {
  limitsAfterLogin,
  limitsBeforeLogin,
  type ReaderLimits,
} from '../../../src/network/interop/stream/limits.ts';
import { type Element, parseStanza, serialiseStanza } from '../../../src/network/interop/stream/stream.ts';
import { toStreamError } from '../../../src/network/interop/stream/stream-condition.ts';
import { type ReadEvent, StreamReader } from '../../../src/network/interop/stream/stream-reader.ts';
import { defineTarget, unlessRefused } from '../fuzz-target.ts';
import { mutated } from '../words/mutated.ts';
import { joinedBytes, type Pieces } from '../words/pieces.ts';
import { markupWords, stanzaSeeds, stanzaWords, xmlToken } from '../words/xml.ts';

const OPEN =
  "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' " +
  "id='s1' from='gk.example' version='1.0'>";
const FEATURES =
  '<stream:features><mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>OAUTHBEARER</mechanism>' +
  '</mechanisms><sm xmlns="urn:xmpp:sm:3"/></stream:features>';

/** Small limits, so that short inputs reach them. */
const tightLimits: ReaderLimits = {
  stanzaBytes: 600,
  depth: 4,
  elements: 12,
  attributes: 6,
  nameLength: 40,
  discardBytes: 1500,
};
const allLimits = { tight: tightLimits, before: limitsBeforeLogin, after: limitsAfterLogin } as const;

interface Input {
  readonly bytes: Pieces;
  readonly limits: keyof typeof allLimits;
  /** Where the bytes are cut: each a place from the start, round and round. */
  readonly cuts: readonly number[];
}

const inputs: fc.Arbitrary<Input> = fc.record(
  {
    bytes: mutated({
      seeds: [
        OPEN + FEATURES,
        ...stanzaSeeds.map((stanza) => `${OPEN}${stanza}`),
        `${OPEN}${stanzaSeeds[0]}\n${stanzaSeeds[1]}<presence/></stream:stream>`,
        `${OPEN}<message from="bob@gk.example"><a><b c="d">e</b></a></message><iq type="result" id="1"/>`,
      ],
      token: xmlToken,
      words: [...stanzaWords, ...markupWords],
      noise: fc.string({ unit: fc.nat(255).map((byte) => String.fromCharCode(byte)), maxLength: 4 }),
    }),
    limits: fc.constantFrom('tight', 'after', 'before'),
    cuts: fc.array(fc.nat(0xffff), { maxLength: 8 }),
  },
  { noNullPrototype: true },
);

/** Any chunking gives the same; what came whole can be stored, read again, and answered. */
export const streamReader = defineTarget<Input>({
  name: 'stream-reader',
  weight: 200,
  inputs,
  open: () => ({
    run: ({ bytes, limits, cuts }) => {
      const whole = joinedBytes(bytes);
      const events = readIn([whole], allLimits[limits]);
      const cut = readIn(cutAt(whole, cuts), allLimits[limits]);
      if (!hasForeignStanza(whole)) assertSame(events.map(told), cut.map(told));
      for (const event of events) if (event.kind === 'element') handle(event.element);
    },
  }),
});

/**
 * The same events, whatever fault a refused stanza is refused for. Of a stream that ends in a violation, how much of what stood
 * before it in the same piece still comes out may differ. None of that was acknowledged, so the server sends it again.
 */
function assertSame(one: readonly Told[], other: readonly Told[]): void {
  const [short, long] = one.length < other.length ? [one, other] : [other, one];
  assert.equal(short.at(-1)?.[0], long.at(-1)?.[0], 'cut otherwise, it ends otherwise');
  if (long.at(-1)?.[0] !== 'violation') assert.deepEqual(short, long, 'cut otherwise, other things come out');
  else
    assert.deepEqual(
      short.slice(0, -1),
      long.slice(0, short.length - 1),
      'cut otherwise, other things come out',
    );
}

/**
 * Whether something named as a stanza may be of another namespace: above a limit it ends the stream, but is only discarded
 * when it was cut before its namespace came. Nobody but the server can write such a thing.
 */
function hasForeignStanza(bytes: Buffer): boolean {
  return /<(message|iq|presence)\b[^>]*\bxmlns\s*=\s*(?!(["'])jabber:client\2)/.test(
    bytes.toString('latin1'),
  );
}

function readIn(chunks: readonly Uint8Array[], limits: ReaderLimits): ReadEvent[] {
  const reader = new StreamReader(limits);
  const events = chunks.flatMap((chunk) => [...reader.read(chunk)]);
  const last = events.at(-1)?.kind;
  if (last === 'violation' || last === 'end') assert.deepEqual(reader.read(Buffer.from('<a/>')), []);
  return events;
}

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = cuts.map((cut) => cut % (bytes.length + 1)).toSorted((one, other) => one - other);
  return [...places, bytes.length].map((end, index) => bytes.subarray(places[index - 1] ?? 0, end));
}

type Told = readonly [kind: ReadEvent['kind'], ...unknown[]];

function told(event: ReadEvent): Told {
  switch (event.kind) {
    case 'header':
      return [event.kind, textOf(event.element)];
    case 'element':
      return [event.kind, textOf(event.element), event.bytes];
    case 'refused':
      return [event.kind, event.refused.name, event.refused.from, event.refused.id, event.bytes];
    case 'violation':
      assert.match(event.error.code, /^stream\/(notWellFormed|limitExceeded)$/);
      return [event.kind];
    case 'end':
      return [event.kind];
    default:
      return event satisfies never;
  }
}

function textOf(element: Element): string | undefined {
  return unlessRefused('stream/badStanza', () => serialiseStanza(element));
}

function handle(element: Element): void {
  const text = textOf(element);
  if (element.name === 'message') {
    const context = { ownBareJid: 'alice-1@gk.example', trustsStanzaIds: true, maxBytes: 256 * 1024 };
    const stored = unlessRefused('stream/badStanza', () => toInboundStanza(element, context));
    // Else the message would be acknowledged, stored, and then be no message.
    if (stored !== undefined)
      assert.equal(serialiseStanza(parseStanza(stored.xml)), text, 'stored is read again');
  }
  if (element.name === 'iq') {
    const answer = answerIq(element);
    if (answer !== undefined) parseStanza(serialiseStanza(answer));
  }
  if (element.name === 'error') assert.match(toStreamError(element).code, /^stream\//);
}
