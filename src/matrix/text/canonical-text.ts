/**
 * The one form of a formatted text. Ranges that say the same give the same; what lies outside the text, is empty, unsafe or
 * meaningless is gone. Both directions of conversion pass it, so that what went across and came back is the same again.
 */
import type { FormattedText, FormattingRange, FormattingStyle } from '../../model/chat-event.ts';
import { type Block, coversLines, type Layout, layOut } from './block-layout.ts';
import { isSpace, wellFormed } from './code-points.ts';
import { isSafeAddress } from './html-policy.ts';

/** As the network bounds them. */
const MAX_RANGES = 1_000;
/** Read before they are merged. */
const MAX_GIVEN_RANGES = 4_000;
const MAX_VALUE = 3_071;

/** Styles over words that have no value, the outermost in HTML first. */
export const INLINE = ['bold', 'italic', 'strikethrough', 'code'] as const;

const ORDER: readonly FormattingStyle[] = [
  ...(['quote', 'bullet-list', 'numbered-list', 'code-block', 'link', 'mention'] as const),
  ...INLINE,
];

/** A text in its one form, with its shape. */
export interface CanonicalText extends FormattedText {
  readonly points: readonly string[];
  readonly layout: Layout;
}

/**
 * Ranges: clipped to the text; quotes, lists and code blocks over whole lines, within one another; the others merged where
 * they touch, without the spaces at their ends, none within a code block, links and mentions apart. Sorted by start, then
 * the longer first; at most 1,000. Where any is left, the body loses line feeds at its end, and outside of code blocks other
 * white space becomes spaces, a no-break space beside another or at an end of a line included: HTML cannot tell them apart.
 */
export function toCanonical(text: FormattedText): CanonicalText {
  const given = wellFormed(text.body);
  // Before lines are looked at: whether one is empty hangs on what counts as white space.
  const points = Array.from(given.replace(/\n+$/, '').replace(/[\r\f]/g, ' '));
  const clipped = text.ranges.slice(0, MAX_GIVEN_RANGES).flatMap((range) => clip(points, range));
  if (clipped.length === 0) return plain(given);
  const spaced = respace(points, layOut(points, clipped));
  // A list that was parted at a gap in its numbers may stand over the lines of another: of such one is left.
  const layout = layOut(spaced, blockRanges(layOut(spaced, clipped)));
  const ranges = [...blockRanges(layout), ...inlineRanges(spaced, layout, clipped)]
    .sort(inOrder)
    .slice(0, MAX_RANGES);
  if (ranges.length === 0) return plain(given);
  return { body: spaced.join(''), ranges, points: spaced, layout };
}

function plain(body: string): CanonicalText {
  const points = Array.from(body);
  return { body, ranges: [], points, layout: layOut(points, []) };
}

function inOrder(one: FormattingRange, other: FormattingRange): number {
  return (
    one.start - other.start ||
    other.length - one.length ||
    ORDER.indexOf(one.style) - ORDER.indexOf(other.style)
  );
}

function clip(points: readonly string[], range: FormattingRange): FormattingRange[] {
  const start = Math.max(0, range.start);
  const end = Math.min(points.length, range.start + range.length);
  // Also when one of them is no number.
  if (!Number.isInteger(start) || !Number.isInteger(end) || start >= end) return [];
  const clipped = { start, length: end - start, style: range.style, value: '' };
  switch (range.style) {
    case 'link':
      return isSafeAddress(range.value) ? [{ ...clipped, value: range.value }] : [];
    case 'mention':
      return range.value === '' || range.value.length > MAX_VALUE ? [] : [{ ...clipped, value: range.value }];
    case 'code-block':
      if (!coversLines(points, start, end)) return [{ ...clipped, style: 'code' }];
      return [{ ...clipped, value: /^[\w+#.-]{1,40}$/.test(range.value) ? range.value : '' }];
    default:
      return [clipped];
  }
}

function codeBlocks(blocks: readonly Block[]): Block[] {
  return blocks.flatMap((block) =>
    block.style === 'code-block'
      ? [block]
      : [...codeBlocks(block.children), ...block.items.flatMap((item) => codeBlocks(item.children))],
  );
}

/** As many code points as before. */
function respace(points: readonly string[], { lines, blocks }: Layout): string[] {
  const spaced = [...points];
  const inCode = new Uint8Array(lines.length);
  for (const { first, last } of codeBlocks(blocks)) inCode.fill(1, first, last + 1);
  for (const [index, { start, end }] of lines.entries()) {
    if (inCode[index] === 1) continue;
    for (let at = start; at < end; at += 1) if (spaced[at] === '\t') spaced[at] = ' ';
    for (let at = start; at < end; at += 1) {
      if (!isSpace(spaced[at])) continue;
      let after = at + 1;
      while (after < end && isSpace(spaced[after])) after += 1;
      if (after - at > 1 || at === start || after === end) spaced.fill(' ', at, after);
      at = after;
    }
  }
  return spaced;
}

function blockRanges({ lines, blocks }: Layout): FormattingRange[] {
  return blocks.flatMap(({ style, value, first, last, children, items }) => {
    const start = lines[first]?.start ?? 0;
    const range = { start, length: (lines[last]?.end ?? start) - start, style, value };
    const inner = [...children, ...items.flatMap((item) => item.children)];
    return [range, ...blockRanges({ lines, blocks: inner, skip: new Int32Array(0) })];
  });
}

/** Paints each style over the text, and reads off what comes out. */
function inlineRanges(
  points: readonly string[],
  layout: Layout,
  ranges: readonly FormattingRange[],
): FormattingRange[] {
  const paint = new Int16Array(points.length);
  const found: FormattingRange[] = [];
  for (const style of INLINE) {
    const own = ranges.filter((range) => range.style === style);
    if (own.length === 0) continue;
    paint.fill(0);
    for (const { start, length } of own) paint.fill(1, start, start + length);
    leaveOut(paint, layout);
    found.push(...runs(points, paint, () => ({ start: 0, length: 0, style, value: '' })));
  }
  paint.fill(0);
  // Of links that cross, the first one holds; a mention before any link.
  for (const style of ['link', 'mention'])
    for (const [index, range] of [...ranges.entries()].reverse())
      if (range.style === style) paint.fill(index + 1, range.start, range.start + range.length);
  uniteLinks(paint, ranges);
  leaveOut(paint, layout);
  return [...found, ...runs(points, paint, (color) => ranges[color - 1])];
}

/** Two links to one place are one where they touch. */
function uniteLinks(paint: Int16Array, ranges: readonly FormattingRange[]): void {
  const firstOf = new Map<string, number>();
  const united = ranges.map(({ style, value }, index) => {
    if (style !== 'link') return index + 1;
    const first = firstOf.get(value) ?? index + 1;
    firstOf.set(value, first);
    return first;
  });
  for (let at = 0; at < paint.length; at += 1) paint[at] = united[(paint[at] ?? 0) - 1] ?? 0;
}

/** What HTML has no text for, or only verbatim. */
function leaveOut(paint: Int16Array, { lines, blocks, skip }: Layout): void {
  for (const [index, { start }] of lines.entries()) paint.fill(0, start, start + (skip[index] ?? 0));
  for (const { first, last } of codeBlocks(blocks))
    paint.fill(0, lines[first]?.start ?? 0, lines[last]?.end ?? 0);
}

/** A run goes on over the end of a line, but for mentions: each is one name. */
function runs(
  points: readonly string[],
  paint: Int16Array,
  sample: (color: number) => FormattingRange | undefined,
): FormattingRange[] {
  const found: FormattingRange[] = [];
  for (let at = 0; at < points.length; at += 1) {
    const color = paint[at] ?? 0;
    const range = color === 0 || isSpace(points[at]) ? undefined : sample(color);
    if (range === undefined) continue;
    const end = runEnd(points, paint, at, range.style !== 'mention');
    found.push({ ...range, start: at, length: end - at });
    at = end - 1;
  }
  return found;
}

function runEnd(points: readonly string[], paint: Int16Array, start: number, overLines: boolean): number {
  const color = paint[start];
  let end = start + 1;
  // Whether all since `end` was of the color, and whether a line ended there.
  let unbroken = true;
  let lineEnded = false;
  for (let at = end; at < points.length; at += 1) {
    if (points[at] === '\n') {
      if (!overLines) break;
      lineEnded = true;
    } else if (isSpace(points[at])) {
      if (paint[at] !== color) unbroken = false;
    } else {
      if (paint[at] !== color || !(unbroken || lineEnded)) break;
      end = at + 1;
      unbroken = true;
      lineEnded = false;
    }
  }
  return end;
}
