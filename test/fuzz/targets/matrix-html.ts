/** The HTML of a message: any text, as words with ranges, on the wire, and as HTML again. */
import assert from 'node:assert/strict';
import type fc from 'fast-check';
import { fromMatrixText, toMatrixText } from '../../../src/matrix/text/matrix-text.ts';
import { matrixUserId, messageId } from '../../../src/model/ids.ts';
import { createContentCodec } from '../../../src/network/interop/content.ts';
import { defineTarget } from '../fuzz-target.ts';
import { htmlSeeds, htmlToken, htmlWords } from '../words/html.ts';
import { mutated } from '../words/mutated.ts';
import { joined, type Pieces } from '../words/pieces.ts';

const inputs: fc.Arbitrary<Pieces> = mutated({ seeds: htmlSeeds, token: htmlToken, words: htmlWords });
const BOB = matrixUserId('@bob:m.example');
const BOB_JID = 'bob@gk.example';
const HEAD = { id: messageId('0'.repeat(32)), sentAtMs: 1, expiresInS: 0 };

/** Never refused; the network takes it; written and read again it is the same. */
export const matrixHtml = defineTarget<Pieces>({
  name: 'matrix-html',
  weight: 120,
  inputs,
  open: () => {
    const codec = createContentCodec();
    const options = {
      contactOf: (user: string) => (user === BOB ? BOB_JID : undefined),
      userOf: (jid: string) => (jid === BOB_JID ? BOB : undefined),
    };
    return {
      run: (pieces) => {
        const html = { format: 'org.matrix.custom.html', formatted_body: joined(pieces) };
        const text = fromMatrixText({ body: 'x', ...html }, options);
        const content = { kind: 'text', ...text } as const;
        assert.deepEqual(
          codec.decode(codec.encode({ ...HEAD, content })).content,
          content,
          'crosses unchanged',
        );
        const back = toMatrixText(text, options);
        // What would not fit an event is not read.
        if ((back.formatted_body ?? '').length > 65_536) return;
        assert.deepEqual(fromMatrixText({ ...back }, options), text, 'written and read again');
      },
    };
  },
});
