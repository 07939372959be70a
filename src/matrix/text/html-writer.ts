/** Writes formatted text as the HTML that Matrix clients show: balanced, escaped, and of the carried tags only. */
import type { FormattingRange } from '../../model/chat-event.ts';
import type { Block, ListItem } from './block-layout.ts';
import { type CanonicalText, INLINE } from './canonical-text.ts';
import { isSpace } from './code-points.ts';
import { escapeAttribute, escapeHtml } from './html-policy.ts';

interface Tag {
  readonly name: string;
  readonly opening: string;
}

const STYLE_TAGS: Readonly<Record<(typeof INLINE)[number], Tag>> = {
  bold: { name: 'strong', opening: '<strong>' },
  italic: { name: 'em', opening: '<em>' },
  strikethrough: { name: 'del', opening: '<del>' },
  code: { name: 'code', opening: '<code>' },
};

/** @param userLink where a mention of the JID leads; `undefined`: it stays text. */
export function writeHtml(text: CanonicalText, userLink: (jid: string) => string | undefined): string {
  return new HtmlWriter(text, userLink).write();
}

class HtmlWriter {
  readonly #text: CanonicalText;
  /** By code point: bit n for `INLINE[n]`. */
  readonly #styles: Uint8Array;
  /** By code point: number in `#anchors`, from 1; 0 for none. */
  readonly #anchor: Int16Array;
  readonly #anchors: Tag[] = [];
  readonly #html: string[] = [];

  constructor(text: CanonicalText, userLink: (jid: string) => string | undefined) {
    this.#text = text;
    this.#styles = new Uint8Array(text.points.length);
    this.#anchor = new Int16Array(text.points.length);
    for (const range of text.ranges) this.#take(range, userLink);
  }

  write(): string {
    const { blocks, lines } = this.#text.layout;
    this.#flow(0, lines.length - 1, blocks, false);
    return this.#html.join('');
  }

  #take(
    { style, value, start, length }: FormattingRange,
    userLink: (jid: string) => string | undefined,
  ): void {
    if (style === 'link' || style === 'mention') {
      const address = style === 'link' ? value : userLink(value);
      if (address === undefined) return;
      this.#anchors.push({ name: 'a', opening: `<a href="${escapeAttribute(address)}">` });
      this.#anchor.fill(this.#anchors.length, start, start + length);
      return;
    }
    const bit = (INLINE as readonly string[]).indexOf(style);
    if (bit < 0) return;
    for (let at = start; at < start + length; at += 1)
      this.#styles[at] = (this.#styles[at] ?? 0) | (1 << bit);
  }

  /**
   * Lines with blocks among them. A block begins and ends its line by itself.
   * @param isItem its end does so too.
   */
  #flow(first: number, last: number, blocks: readonly Block[], isItem: boolean): void {
    let line = first;
    for (const block of blocks) {
      if (line < block.first) this.#lines(line, block.first - 1, true);
      this.#block(block);
      line = block.last + 1;
    }
    if (line <= last) this.#lines(line, last, isItem);
  }

  #block(block: Block): void {
    if (block.style === 'code-block') this.#code(block);
    else if (block.style === 'quote') {
      this.#html.push('<blockquote>');
      this.#flow(block.first, block.last, block.children, false);
      this.#html.push('</blockquote>');
    } else this.#list(block.items, block.style === 'numbered-list');
  }

  #code({ first, last, value }: Block): void {
    this.#html.push(value === '' ? '<pre><code>' : `<pre><code class="language-${value}">`);
    for (let line = first; line <= last; line += 1) {
      const { start, end } = this.#span(line);
      this.#html.push(escapeHtml(this.#text.points.slice(start, end).join('')), line < last ? '\n' : '');
    }
    this.#html.push('</code></pre>');
  }

  #list(items: readonly ListItem[], numbered: boolean): void {
    const start = items[0]?.number ?? 1;
    const opening = start === 1 ? '<ol>' : `<ol start="${start}">`;
    this.#html.push(numbered ? opening : '<ul>');
    for (const { first, last, children } of items) {
      this.#html.push('<li>');
      this.#flow(first, last, children, true);
      this.#html.push('</li>');
    }
    this.#html.push(numbered ? '</ol>' : '</ul>');
  }

  #lines(first: number, last: number, endsLine: boolean): void {
    let open: readonly Tag[] = [];
    for (let line = first; line <= last; line += 1) {
      const { start, end } = this.#span(line);
      if (line > first) this.#html.push('<br />');
      for (let from = start, to = start; from < end; from = to) {
        while (to < end && this.#alike(from, to)) to += 1;
        open = this.#change(open, this.#tagsAt(from));
        this.#html.push(escapeHtml(this.#words(from, to, start, end)));
      }
      // The tags stay open over a line's end, unless nothing more comes of them.
      if (start < end && line < last) open = this.#change(open, this.#commonTags(open, end));
    }
    this.#change(open, []);
    const { start, end } = this.#span(last);
    if (endsLine && start === end) this.#html.push('<br />');
  }

  /** Those of the open tags, from the outermost on, that stand over the line feed too. */
  #commonTags(open: readonly Tag[], lineFeed: number): readonly Tag[] {
    const there = this.#tagsAt(lineFeed);
    const differs = open.findIndex((tag, index) => tag !== there[index]);
    return differs < 0 ? open : open.slice(0, differs);
  }

  #span(line: number): { start: number; end: number } {
    const { lines, skip } = this.#text.layout;
    const { start, end } = lines[line] ?? { start: 0, end: 0 };
    return { start: Math.min(end, start + (skip[line] ?? 0)), end };
  }

  #alike(one: number, other: number): boolean {
    return this.#styles[one] === this.#styles[other] && this.#anchor[one] === this.#anchor[other];
  }

  #tagsAt(point: number): readonly Tag[] {
    const anchor = this.#anchors[(this.#anchor[point] ?? 0) - 1];
    const bits = this.#styles[point] ?? 0;
    const styles = INLINE.flatMap((style, bit) => ((bits & (1 << bit)) === 0 ? [] : [STYLE_TAGS[style]]));
    return anchor === undefined ? styles : [anchor, ...styles];
  }

  #change(from: readonly Tag[], to: readonly Tag[]): readonly Tag[] {
    let same = 0;
    while (same < from.length && from[same] === to[same]) same += 1;
    for (const tag of from.slice(same).reverse()) this.#html.push(`</${tag.name}>`);
    for (const tag of to.slice(same)) this.#html.push(tag.opening);
    return to;
  }

  /** A browser would join spaces and drop those at the ends of a line: such are written as no-break spaces. */
  #words(from: number, to: number, lineStart: number, lineEnd: number): string {
    const { points } = this.#text;
    let words = '';
    for (let at = from; at < to; at += 1) {
      const alone =
        at > lineStart && at < lineEnd - 1 && !isSpace(points[at - 1]) && !isSpace(points[at + 1]);
      words += points[at] === ' ' && !alone ? '\u00a0' : points[at];
    }
    return words;
  }
}
