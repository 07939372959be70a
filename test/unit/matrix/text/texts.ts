/** Formatted texts for property tests. */
import fc from 'fast-check';
import type { FormattedText, FormattingRange, FormattingStyle } from '../../../../src/model/chat-event.ts';

export const STYLES: readonly FormattingStyle[] = [
  ...(['bold', 'italic', 'strikethrough', 'code', 'code-block', 'quote'] as const),
  ...(['bullet-list', 'numbered-list', 'link', 'mention'] as const),
];

const words = fc.constantFrom(
  ...[
    'a',
    'bc',
    '<',
    '>',
    '&amp;',
    '&',
    '"',
    '😀',
    'e\u0301',
    ' ',
    '  ',
    '\n',
    '\n\n',
    '• ',
    '- ',
    '1. ',
    '7) ',
    '> ',
  ],
  ...[
    '\t',
    '\u00a0',
    '\r\n',
    '\u202e',
    '\u200b',
    '</code>',
    '<b>',
    '<!--',
    '@bob',
    '\ud800',
    'https://m.example/',
  ],
);
const values = fc.constantFrom(
  ...['', 'ts', 'https://m.example/?a=1&b="c', 'https://m.example/', 'javascript:alert(1)', 'bob@gk.example'],
  ...[
    'eve@gk.example',
    '"><script>alert(1)</script>',
    ' https://m.example/',
    'data:text/html,x',
    'mailto:a@b.example',
  ],
);

/** Any text with any ranges, those that lie outside of it or say nonsense included. */
export function hostileTexts(): fc.Arbitrary<FormattedText> {
  const place = fc.oneof(
    { weight: 20, arbitrary: fc.integer({ min: -2, max: 40 }) },
    { weight: 1, arbitrary: fc.constantFrom(Number.NaN, 1e300, 2 ** 32, -1e9, 0.5, Infinity) },
  );
  const range: fc.Arbitrary<FormattingRange> = fc.record({
    start: place,
    length: place,
    style: fc.constantFrom(...STYLES),
    value: values,
  });
  return fc.record({
    body: fc.array(words, { maxLength: 30 }).map((list) => list.join('')),
    ranges: fc.array(range, { maxLength: 12 }),
  });
}

/** Any text, with ranges that lie within it. */
export function texts(): fc.Arbitrary<FormattedText> {
  return hostileTexts().map(({ body, ranges }) => {
    const whole = body.toWellFormed();
    const points = Array.from(whole).length;
    const within = ranges.flatMap((range) => {
      const start = Math.max(0, Math.floor(range.start) || 0);
      const length = Math.min(points - start, Math.floor(range.length) || 0);
      return length > 0 ? [{ ...range, start, length }] : [];
    });
    return { body: whole, ranges: within };
  });
}

const WORDS = fc
  .array(fc.constantFrom('one', 'two', '<b>', '&amp;', '😀', '"q"', 'a  b', 'x;', '12.', '@'), {
    minLength: 1,
    maxLength: 5,
  })
  .map((list) => list.join(' '));
const INLINE = fc.constantFrom(
  ...(['bold', 'italic', 'strikethrough', 'code'] as const).map((style) => ({ style, value: '' })),
  { style: 'link' as const, value: 'https://m.example/?a&b' },
  { style: 'mention' as const, value: 'bob@gk.example' },
);
type Style = Readonly<{ style: FormattingStyle; value: string }>;
/** Paragraphs, or a quote, a code block or a list of lines, with styled words on them. */
const BLOCK = fc.record({
  style: fc.constantFrom<Style | undefined>(
    ...([undefined, undefined] as const),
    { style: 'quote', value: '' },
    { style: 'code-block', value: 'ts' },
    { style: 'bullet-list', value: '' },
    { style: 'numbered-list', value: '' },
  ),
  lines: fc.array(
    fc.record({
      words: WORDS,
      styles: fc.uniqueArray(INLINE, { maxLength: 3, selector: ({ style }) => style }),
    }),
    {
      minLength: 1,
      maxLength: 4,
    },
  ),
  gap: fc.constantFrom('\n', '\n\n', '\n\n\n'),
});

/** What both sides can say: nothing of it may be lost or changed on the way across and back. */
export function commonTexts(): fc.Arbitrary<FormattedText> {
  return fc.array(BLOCK, { minLength: 1, maxLength: 5 }).map((blocks) => {
    let body = '';
    const ranges: FormattingRange[] = [];
    const length = () => Array.from(body).length;
    for (const { style, lines, gap } of blocks) {
      if (body !== '') body += gap;
      const start = length();
      for (const [index, line] of lines.entries()) {
        if (index > 0) body += '\n';
        if (style?.style === 'bullet-list') body += '• ';
        if (style?.style === 'numbered-list') body += `${index + 1}. `;
        const from = length();
        body += line.words;
        if (style?.style === 'code-block') continue;
        for (const own of oneAnchor(line.styles))
          ranges.push({ start: from, length: length() - from, ...own });
      }
      if (style !== undefined) ranges.push({ start, length: length() - start, ...style });
    }
    return { body, ranges };
  });
}

/** A word cannot lead to two places. */
function oneAnchor(styles: readonly Style[]): readonly Style[] {
  const mentions = styles.some(({ style }) => style === 'mention');
  return styles.filter(({ style }) => style !== 'link' || !mentions);
}
