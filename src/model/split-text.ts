import type { FormattedText, FormattingRange } from './chat-event.ts';

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });

/**
 * Cuts a text into parts, after white space where there is any in the last eighth of a part, and within no character as
 * people see it (a grapheme cluster) that is not longer than a part. Their bodies in a row are the body; ranges go on in
 * the next part. A text that is short enough is its own one part.
 * @param max of a part, in the units of `cost`; each part has at least one code point.
 * @param cost of one code point: 1 where none is given.
 */
export function splitText(
  text: FormattedText,
  max: number,
  cost: (point: string) => number = () => 1,
): readonly FormattedText[] {
  const parts: FormattedText[] = [];
  let ranges = text.ranges;
  let rest = text.body;
  for (let end = partEnd(rest, max, cost); end < rest.length; end = partEnd(rest, max, cost)) {
    const body = rest.slice(0, end);
    const points = countPoints(body);
    parts.push({ body, ranges: ranges.flatMap((range) => between(range, 0, points)) });
    ranges = ranges.flatMap((range) => between(range, points, Number.MAX_SAFE_INTEGER));
    rest = rest.slice(end);
  }
  return [...parts, { body: rest, ranges }];
}

function between(range: FormattingRange, from: number, to: number): FormattingRange[] {
  const start = Math.max(from, range.start);
  const end = Math.min(to, range.start + range.length);
  return start < end ? [{ ...range, start: start - from, length: end - start }] : [];
}

/** UTF-16 index where a part of the text must end at the latest. */
function partEnd(text: string, max: number, cost: (point: string) => number): number {
  let spent = 0;
  let index = 0;
  let afterSpace = 0;
  for (const point of text) {
    spent += cost(point);
    if (spent > max && index > 0) return wholeGraphemes(text, afterSpace > 0 ? afterSpace : index, index);
    index += point.length;
    if (spent > (max / 8) * 7 && /\s/.test(point)) afterSpace = index;
  }
  return index;
}

/** @returns the last end of a grapheme cluster up to `wished`; where one is longer than the whole part, `latest`. */
function wholeGraphemes(text: string, wished: number, latest: number): number {
  // Some clusters (flags) can be told only from their beginning: so much before the cut is looked at.
  const from = Math.max(0, text.lastIndexOf('\n', wished - 1));
  const start = graphemes.segment(text.slice(from, latest + 64)).containing(wished - from)?.index;
  return start === undefined || from + start === 0 ? latest : from + start;
}

function countPoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
