/** Answers of the keys service: bundles of contacts, counts, refusals; what passes goes on to the Signal side's check. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { contactId, deviceId } from '../../../src/model/ids.ts';
import { KeysClient } from '../../../src/network/interop/keys.ts';
import { type Element, parseStanza } from '../../../src/network/interop/stream/stream.ts';
import { parseBundle } from '../../../src/signal/bundle.ts';
import { kyberPrekey, prekey } from '../../unit/network/interop/samples.ts';
import { defineTarget, unlessRefused, unlessRejected } from '../fuzz-target.ts';
import { mutated } from '../words/mutated.ts';
import { joined, type Pieces } from '../words/pieces.ts';
import { deviceSeed, markupWords, stanzaWords, xmlToken } from '../words/xml.ts';

interface Input {
  readonly ask: 'bundles' | 'count' | 'upload';
  readonly answer: Pieces;
}

const BUNDLE = `<bundle xmlns="urn:drawbridge:interop:keys:1" jid="bob@gk.example">${deviceSeed}</bundle>`;
const COUNT = '<count xmlns="urn:drawbridge:interop:keys:1" device="3" prekeys="90" kyber="80"/>';
const bob = contactId('bob@gk.example');

const answers = (seeds: readonly string[]) =>
  mutated({ seeds, token: xmlToken, words: [...stanzaWords, ...markupWords, deviceSeed, COUNT] });
const inputs: fc.Arbitrary<Input> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record(
      { ask: fc.constant('bundles'), answer: answers([BUNDLE]) },
      { noNullPrototype: true },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record(
      { ask: fc.constantFrom('count', 'upload'), answer: answers([COUNT]) },
      { noNullPrototype: true },
    ),
  },
);

/** Refused with a code, or bundles of just that contact, in the form that the model promises. */
export const keysAnswer = defineTarget<Input>({
  name: 'keys-answer',
  weight: 80,
  inputs,
  open: () => ({
    run: async ({ ask, answer }) => {
      const payload = unlessRefused('stream/badStanza', () => payloadOf(joined(answer)));
      const query = async () => payload;
      const keys = new KeysClient({ stream: { query }, domain: 'gk.example', device: deviceId(3) });
      if (ask !== 'bundles') {
        const wish = { prekeys: [prekey(1)], kyberPrekeys: [kyberPrekey(2)] };
        const counts = await unlessRejected('network/', async () =>
          ask === 'count' ? await keys.count() : await keys.uploadPrekeys(wish, async () => undefined),
        );
        if (counts !== undefined) assert.ok(counts.prekeys >= 0 && counts.kyber >= 0);
        return;
      }
      const bundles = (await unlessRejected('network/', async () => await keys.bundles(bob))) ?? [];
      // Signed by nobody: libsignal has to say so, whatever the keys are.
      for (const bundle of bundles) {
        assert.equal(
          unlessRefused('signal/badBundle', () => parseBundle(bundle, bundle.device, {})),
          undefined,
        );
      }
    },
  }),
});

function payloadOf(inside: string): Element | undefined {
  return parseStanza(`<iq>${inside}</iq>`).getChildElements()[0];
}
