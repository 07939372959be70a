/** What a person types to the bot. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseCommandLine } from '../../../src/matrix/command-line.ts';
import { nearest } from '../../../src/model/nearest.ts';
import { inspectIdentifier } from '../../../src/network/interop/identifier.ts';
import { defineTarget } from '../fuzz-target.ts';
import { typedSeeds, typedWords } from '../words/matrix.ts';
import { mutated } from '../words/mutated.ts';
import { joined, type Pieces } from '../words/pieces.ts';

interface Input {
  readonly body: Pieces;
  readonly prefixNeeded: boolean;
}

const inputs: fc.Arbitrary<Input> = fc.record(
  { body: mutated({ seeds: typedSeeds, token: /[^\s"']+/g, words: typedWords }), prefixNeeded: fc.boolean() },
  { noNullPrototype: true },
);

/** Never throws; no word is longer than what was typed, and an identifier is found again in its own form. */
export const commandLine = defineTarget<Input>({
  name: 'command-line',
  weight: 120,
  inputs,
  open: () => ({
    run: ({ body, prefixNeeded }) => {
      const text = joined(body);
      const line = parseCommandLine(text, { prefix: '!bridge', prefixNeeded });
      if (line === undefined) return;
      assert.ok(line.args.join('').length <= text.length, 'more than was typed');
      nearest(line.name, ['help', 'start-chat', 'opt-in']);
      for (const word of line.args) {
        const found = inspectIdentifier(word);
        if (found === undefined) continue;
        const written = found.kind === 'interop_id' ? `id:${found.value}` : found.value;
        assert.deepEqual(inspectIdentifier(written), found);
      }
    },
  }),
});
