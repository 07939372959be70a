/** Words with ranges as a contact's client sends them: they may lie anywhere and say anything. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { cleanHtml } from '../../../src/matrix/text/html-policy.ts';
import { fromMatrixText, normalise, toMatrixText } from '../../../src/matrix/text/matrix-text.ts';
import type { FormattedText, FormattingRange } from '../../../src/model/chat-event.ts';
import { splitText } from '../../../src/model/split-text.ts';
import { defineTarget } from '../fuzz-target.ts';
import { htmlWords } from '../words/html.ts';

const place = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: -2, max: 60 }) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 32 - 1, -(2 ** 31), 0.5, 1e300) },
);

const range: fc.Arbitrary<FormattingRange> = fc.record(
  {
    start: place,
    length: place,
    style: fc.constantFrom(
      ...(['bold', 'italic', 'strikethrough', 'code', 'code-block', 'quote'] as const),
      ...(['bullet-list', 'numbered-list', 'link', 'mention'] as const),
    ),
    value: fc.oneof(
      fc.constantFrom('', 'ts', 'https://m.example/?a&b', 'javascript:x', 'bob@gk.example'),
      fc.string(),
    ),
  },
  { noNullPrototype: true },
);

const inputs: fc.Arbitrary<FormattedText> = fc.record(
  {
    body: fc
      .array(fc.oneof(fc.constantFrom(...htmlWords), fc.string()), { maxLength: 40 })
      .map((list) => list.join('')),
    ranges: fc.array(range, { maxLength: 30 }),
  },
  { noNullPrototype: true },
);

/** Never refused; written, it passes the cleaner as it is, and from the second time on it is the same; parts make the whole. */
export const formattedText = defineTarget<FormattedText>({
  name: 'formatted-text',
  weight: 120,
  inputs,
  open: () => ({
    run: (text) => {
      const written = toMatrixText(text);
      const html = written.formatted_body ?? '';
      assert.equal(cleanHtml(html), html, 'the cleaner finds nothing');
      assert.deepEqual(normalise(normalise(text)), normalise(text), 'the normal form is its own');
      if (html.length <= 65_536) {
        const once = fromMatrixText({ ...written });
        assert.deepEqual(fromMatrixText({ ...toMatrixText(once) }), once, 'written and read again');
      }
      assert.equal(
        splitText(text, 7)
          .map(({ body }) => body)
          .join(''),
        text.body,
      );
    },
  }),
});
