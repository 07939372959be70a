/**
 * Collects words, line breaks and styles into a formatted text, as a browser would set them: white space joined, none at the
 * ends of lines, blocks on lines of their own. Items of lists get their marks, and what belongs to them is moved in.
 */
import type { FormattedText, FormattingRange, FormattingStyle } from '../../model/chat-event.ts';
import { isBlockStyle } from './block-layout.ts';
import { countPoints } from './code-points.ts';

/** More than are kept in the end: some will be united. */
const MAX_RANGES = 4_000;

/** A style that is open; given back to `end`. */
export interface OpenStyle {
  readonly style: FormattingStyle;
  value: string;
  /** Code points; -1 while nothing stands under it. */
  start: number;
}

interface Indent {
  readonly mark: string;
  readonly spaces: string;
  written: boolean;
}

export class TextWriter {
  readonly #maxUnits: number;
  readonly #parts: string[] = [];
  readonly #ranges: FormattingRange[] = [];
  readonly #indents: Indent[] = [];
  #unstarted: OpenStyle[] = [];
  #units = 0;
  #points = 0;
  /** Line feeds at the end. */
  #feeds = 0;
  /** Line feeds due before the next words. */
  #due = 0;
  #spaceDue = false;

  /** @param maxUnits UTF-16 units; what comes after is lost. */
  constructor(maxUnits: number) {
    this.#maxUnits = maxUnits;
  }

  get isFull(): boolean {
    return this.#units > this.#maxUnits;
  }

  result(): FormattedText {
    return { body: this.#parts.join(''), ranges: this.#ranges };
  }

  begin(style: FormattingStyle, value = ''): OpenStyle {
    const open: OpenStyle = { style, value, start: -1 };
    this.#unstarted.push(open);
    return open;
  }

  end(open: OpenStyle): void {
    const { style, value, start } = open;
    // A space that is still due came under this style and belongs to it. At the end of a line it will be dropped.
    const end = this.#points + (this.#spaceDue ? 1 : 0);
    if (start === -1) this.#unstarted = this.#unstarted.filter((other) => other !== open);
    if (start === -1 || this.#ranges.length === MAX_RANGES) return;
    this.#ranges.push({ style, value, start, length: end - start });
  }

  /** White space in it is one space, or none at the ends of a line. */
  flowing(text: string): void {
    for (const [piece] of text.matchAll(/[ \t\n\f\r]+|[^ \t\n\f\r]+/g)) {
      if (!/^[ \t\n\f\r]/.test(piece)) this.#words(piece);
      else if (!this.#spaceDue && !this.#atLineStart) {
        this.#start(() => true);
        this.#spaceDue = true;
      }
    }
  }

  /** As it stands. */
  verbatim(text: string): void {
    for (const [index, line] of text.split('\n').entries()) {
      if (index > 0) this.lineFeed();
      if (line !== '') this.#words(line);
    }
  }

  /** A line break that was asked for. */
  lineFeed(): void {
    if (this.#atItemStart || this.isFull) return;
    this.#settle();
    this.#emit('\n');
    this.#feeds += 1;
    this.#spaceDue = false;
  }

  /** What comes next stands on a line of its own; with 2, after an empty one. */
  lineOfItsOwn(feeds: 1 | 2): void {
    this.#spaceDue = false;
    if (this.#points > 0 && !this.#atItemStart) this.#due = Math.max(this.#due, feeds - this.#feeds);
  }

  /** @param mark '' for one that is not set off. */
  beginItem(mark: string): void {
    this.#spaceDue = false;
    if (!this.#atItemStart) this.#due = this.#points > 0 && this.#feeds === 0 ? 1 : 0;
    this.#indents.push({ mark, spaces: ' '.repeat(mark.length), written: mark === '' });
  }

  endItem(): void {
    this.#indents.pop();
    this.lineOfItsOwn(1);
  }

  get #atItemStart(): boolean {
    return this.#indents.at(-1)?.written === false;
  }

  get #atLineStart(): boolean {
    return this.#points === 0 || this.#due > 0 || this.#feeds > 0 || this.#atItemStart;
  }

  #words(words: string): void {
    if (this.isFull) return;
    const startsLine = this.#atLineStart;
    this.#settle();
    if (startsLine) {
      this.#start(({ style }) => isBlockStyle(style));
      this.#moveIn();
    } else if (this.#spaceDue) this.#emit(' ');
    this.#start(() => true);
    this.#emit(words);
    this.#feeds = 0;
    this.#spaceDue = false;
  }

  #settle(): void {
    if (this.#due > 0) this.#emit('\n'.repeat(this.#due));
    this.#feeds += this.#due;
    this.#due = 0;
  }

  #moveIn(): void {
    for (const indent of this.#indents) {
      this.#emit(indent.written ? indent.spaces : indent.mark);
      indent.written = true;
    }
  }

  #start(which: (open: OpenStyle) => boolean): void {
    if (this.#unstarted.length === 0) return;
    const due = this.#unstarted.filter(which);
    for (const open of due) open.start = this.#points;
    this.#unstarted = this.#unstarted.filter(({ start }) => start === -1);
  }

  #emit(text: string): void {
    this.#parts.push(text);
    this.#units += text.length;
    this.#points += countPoints(text);
  }
}
