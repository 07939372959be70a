/**
 * The shape of a formatted text: its lines, and what stands over whole lines. Quotes, code blocks and lists are made to
 * cover whole lines and to lie within one another; a list is parted into items.
 *
 * In a list the words are complete: each item begins with its mark (`• ` or `1. `), further lines of it and lists within it
 * are moved in by as many spaces. `skip` tells how much of each line that is, so that HTML can do without.
 */
import type { FormattingRange } from '../../model/chat-event.ts';
import { isSpace } from './code-points.ts';

/** Lists and quotes deeper than this are not made, on either way. Both together, and code in them, nest no deeper than 20. */
export const MAX_NESTING = 8;
const MAX_BLOCK_DEPTH = 20;

export type BlockStyle = 'quote' | 'bullet-list' | 'numbered-list' | 'code-block';

/** Lines are counted from 0, `last` included. */
export interface Block {
  readonly style: BlockStyle;
  /** `code-block`: the language. Others: ''. */
  readonly value: string;
  readonly first: number;
  readonly last: number;
  readonly children: readonly Block[];
  /** Of a list, at least one; others have none. */
  readonly items: readonly ListItem[];
}

export interface ListItem {
  readonly first: number;
  readonly last: number;
  /** As it is counted in the text; of no meaning in a bullet list. */
  readonly number: number;
  readonly children: readonly Block[];
}

/** In code points: `end` is where the line's feed stands. */
interface Line {
  readonly start: number;
  readonly end: number;
}

export interface Layout {
  readonly lines: readonly Line[];
  readonly blocks: readonly Block[];
  /** By line: code points at its beginning that are the mark of a list, or indentation within one. */
  readonly skip: Int32Array;
}

interface Span {
  readonly style: BlockStyle;
  readonly value: string;
  readonly first: number;
  readonly last: number;
}

const ORDER: readonly string[] = [
  'quote',
  'bullet-list',
  'numbered-list',
  'code-block',
] satisfies BlockStyle[];

/** @returns whether the style is one over whole lines. */
export function isBlockStyle(style: string): style is BlockStyle {
  return ORDER.includes(style);
}

/** @param ranges within the text; those of other styles are passed over. */
export function layOut(points: readonly string[], ranges: readonly FormattingRange[]): Layout {
  const lines = linesOf(points);
  const skip = new Int32Array(lines.length);
  const itemiser = new Itemiser(points, lines, skip);
  const blocks = new Nesting(points, lines).of(ranges).flatMap((span) => itemiser.blocks(span));
  return { lines, blocks, skip };
}

/** Whether a range of `code-block` is one of whole lines; in the middle of a line it is code among words. */
export function coversLines(points: readonly string[], start: number, end: number): boolean {
  let before = start;
  let after = end;
  while (before > 0 && points[before - 1] === ' ') before -= 1;
  while (after < points.length && points[after] === ' ') after += 1;
  const begins = before === 0 || points[before - 1] === '\n' || points[start] === '\n';
  return begins && (after === points.length || points[after] === '\n' || points[end - 1] === '\n');
}

function linesOf(points: readonly string[]): Line[] {
  const lines: Line[] = [];
  let start = 0;
  for (let at = 0; at <= points.length; at += 1) {
    if (at < points.length && points[at] !== '\n') continue;
    lines.push({ start, end: at });
    start = at + 1;
  }
  return lines;
}

interface Nest extends Span {
  readonly children: readonly Nest[];
}

/** Makes trees of ranges over lines. None begins or ends with a line where nothing stands. */
class Nesting {
  readonly #lines: readonly Line[];
  /** By line: itself or the next one, and itself or the one before, where something stands. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;

  constructor(points: readonly string[], lines: readonly Line[]) {
    this.#lines = lines;
    const stands = lines.map(({ start, end }) => points.slice(start, end).some((point) => !isSpace(point)));
    this.#previous = new Int32Array(lines.length);
    this.#next = new Int32Array(lines.length);
    for (let line = 0, last = -1; line < lines.length; line += 1) {
      if (stands[line] === true) last = line;
      this.#previous[line] = last;
    }
    for (let line = lines.length - 1, next = lines.length; line >= 0; line -= 1) {
      if (stands[line] === true) next = line;
      this.#next[line] = next;
    }
  }

  of(ranges: readonly FormattingRange[]): Nest[] {
    const spans = ranges.flatMap(({ style, value, start, length }) =>
      isBlockStyle(style)
        ? this.#solid({ style, value, first: this.#lineAt(start), last: this.#lineAt(start + length - 1) })
        : [],
    );
    return this.#nest(spans, 0);
  }

  /** A span that crosses the end of another is cut in two there. */
  #nest(spans: readonly Span[], depth: number): Nest[] {
    if (depth === MAX_BLOCK_DEPTH) return [];
    const roots: Nest[] = [];
    let rest = this.#sorted(spans);
    let next = 0;
    for (let parent = rest[next]; parent !== undefined; parent = rest[next]) {
      const { last } = parent;
      const inside: Span[] = [];
      const after: Span[] = [];
      next += 1;
      for (let span = rest[next]; span !== undefined && span.first <= last; span = rest[next]) {
        next += 1;
        inside.push(...this.#solid({ ...span, last: Math.min(span.last, last) }));
        if (span.last > last) after.push(...this.#solid({ ...span, first: last + 1 }));
      }
      const isCode = parent.style === 'code-block';
      roots.push({ ...parent, children: isCode ? [] : this.#nest(inside, depth + 1) });
      if (after.length > 0) {
        rest = this.#sorted([...after, ...rest.slice(next)]);
        next = 0;
      }
    }
    return roots;
  }

  #solid(span: Span): Span[] {
    const first = this.#next[span.first] ?? 0;
    const last = this.#previous[span.last] ?? 0;
    return first > last ? [] : [{ ...span, first, last }];
  }

  /** From the first line on, the longer first; of the same style over the same lines there is one. */
  #sorted(spans: readonly Span[]): Span[] {
    return [...spans]
      .sort(
        (one, other) =>
          one.first - other.first ||
          other.last - one.last ||
          ORDER.indexOf(one.style) - ORDER.indexOf(other.style),
      )
      .filter(
        (span, index, all) =>
          all[index - 1]?.first !== span.first ||
          all[index - 1]?.last !== span.last ||
          all[index - 1]?.style !== span.style,
      );
  }

  #lineAt(point: number): number {
    let low = 0;
    let high = this.#lines.length - 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.#lines[middle]?.end ?? 0) < point) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The mark of a list's item that stands there: its number, and its length in code points. */
function markAt(
  points: readonly string[],
  start: number,
  style: BlockStyle,
): { number: number; width: number } | undefined {
  if (style === 'bullet-list') {
    const isMarked = '•-*'.includes(points[start] ?? ' ') && points[start + 1] === ' ';
    return isMarked ? { number: 0, width: 2 } : undefined;
  }
  if (style !== 'numbered-list') return undefined;
  const found = /^(\d{1,9})[.)] /.exec(points.slice(start, start + 11).join(''));
  return found === null ? undefined : { number: Number(found[1]), width: found[0].length };
}

function isList({ style }: Span): boolean {
  return style === 'bullet-list' || style === 'numbered-list';
}

interface GrowingItem {
  readonly first: number;
  last: number;
  readonly number: number;
  /** Code points by which further lines are moved in. */
  readonly width: number;
  readonly children: Nest[];
}

/** Parts lists into items, from the outermost in: each takes from `skip` what those around it left. */
class Itemiser {
  readonly #points: readonly string[];
  readonly #lines: readonly Line[];
  readonly #skip: Int32Array;

  constructor(points: readonly string[], lines: readonly Line[], skip: Int32Array) {
    this.#points = points;
    this.#lines = lines;
    this.#skip = skip;
  }

  /** @returns one, but of a numbered list as many as there are gaps in its numbers, and one more; or what lies in it. */
  blocks(nest: Nest): Block[] {
    // Moved in further than what it lies in: of two lists over the same lines one was left. Its marks are words here; HTML
    // would put another one before them.
    if (isList(nest) && this.#points[this.#start(nest.first)] === ' ')
      return nest.children.flatMap((child) => this.blocks(child));
    const { children, ...span } = isList(nest) ? this.#oneList(nest) : nest;
    if (!isList(span))
      return [{ ...span, items: [], children: children.flatMap((child) => this.blocks(child)) }];
    const items = this.#items(span, children).map(({ first, last, number, children: own }) => ({
      first,
      last,
      number,
      children: own.flatMap((child) => this.blocks(child)),
    }));
    return this.#inRows(span.style, items).map((row) => ({
      ...span,
      first: row[0]?.first ?? span.first,
      last: row.at(-1)?.last ?? span.last,
      children: [],
      items: row,
    }));
  }

  #inRows(style: BlockStyle, items: readonly ListItem[]): ListItem[][] {
    if (style === 'bullet-list') return [[...items]];
    const rows: ListItem[][] = [];
    for (const item of items) {
      const row = rows.at(-1);
      const before = row?.at(-1);
      if (row !== undefined && item.number === (before?.number ?? 0) + 1) row.push(item);
      else {
        // Empty lines before the gap belong to neither row.
        if (row !== undefined && before !== undefined)
          row[row.length - 1] = { ...before, last: this.#lastSolid(before) };
        rows.push([item]);
      }
    }
    return rows;
  }

  #lastSolid({ first, last }: ListItem): number {
    let line = last;
    while (line > first && this.#points.slice(this.#start(line), this.#lines[line]?.end).every(isSpace))
      line -= 1;
    return line;
  }

  /** Of two lists over the same lines the one that has its mark there is left. */
  #oneList(outer: Nest): Nest {
    const [inner] = outer.children;
    if (inner === undefined || !isList(inner) || inner.first !== outer.first || inner.last !== outer.last)
      return outer;
    const start = this.#start(outer.first);
    const isOuter = markAt(this.#points, start, inner.style) === undefined;
    return { ...(isOuter ? outer : inner), children: inner.children };
  }

  #items({ style, first, last }: Span, children: readonly Nest[]): GrowingItem[] {
    const items: GrowingItem[] = [];
    let next = 0;
    for (let line = first; line <= last; line += 1) {
      let item = items.at(-1);
      const mark = markAt(this.#points, this.#start(line), style);
      if (item === undefined || mark !== undefined || !this.#goesOn(line)) {
        const number = mark?.number ?? (item?.number ?? 0) + 1;
        item = { first: line, last: line, number, width: mark?.width ?? 2, children: [] };
        items.push(item);
        this.#moveBy(line, mark?.width ?? 0);
      } else {
        this.#moveIn(line, item.width);
      }
      const child = children[next];
      if (child?.first === line) {
        next += 1;
        item.children.push(child);
        while (line < child.last) {
          line += 1;
          this.#moveIn(line, item.width);
        }
      }
      item.last = line;
    }
    return items;
  }

  #start(line: number): number {
    return (this.#lines[line]?.start ?? 0) + (this.#skip[line] ?? 0);
  }

  /** Whether the line belongs to the item before it: moved in, or empty. */
  #goesOn(line: number): boolean {
    const start = this.#start(line);
    return start >= (this.#lines[line]?.end ?? 0) || this.#points[start] === ' ';
  }

  #moveIn(line: number, width: number): void {
    const start = this.#start(line);
    let spaces = 0;
    while (spaces < width && this.#points[start + spaces] === ' ') spaces += 1;
    this.#moveBy(line, spaces);
  }

  #moveBy(line: number, points: number): void {
    this.#skip[line] = (this.#skip[line] ?? 0) + points;
  }
}
