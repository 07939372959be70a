/**
 * Formatted text of Matrix messages (`body`, `format`, `formatted_body`) to and from that of the neutral message. Pure;
 * nothing throws, whatever is given. What the styles of whole lines mean for the words: see `block-layout.ts`.
 */
import type { FormattedText } from '../../model/chat-event.ts';
import type { MatrixUserId } from '../../model/ids.ts';
import type { Block } from './block-layout.ts';
import { type CanonicalText, toCanonical } from './canonical-text.ts';
import { wellFormed } from './code-points.ts';
import { readHtml } from './html-reader.ts';
import { writeHtml } from './html-writer.ts';
import { withoutReplyFallback } from './reply-fallback.ts';
import { toUserLink } from './user-link.ts';

const HTML = 'org.matrix.custom.html';
/** Of a body and of HTML, in UTF-16 units: no event holds more. */
const MAX_UNITS = 65_536;

export interface ReadingOptions {
  /** The JID of a Matrix user whom the text may mention; without it, or where it knows none, a mention is a link. */
  readonly contactOf?: (user: string) => string | undefined;
  /** Whether the event answers another: then an old client's quotation in the plain body is left out. */
  readonly isReply?: boolean;
}

/**
 * The words of any content that has some: a message's, an edit's `m.new_content`, a caption.
 * @param content of an event, or a member of one. Without sound HTML its `body` is taken, as it is; without that, ''.
 */
export function fromMatrixText(
  content: Readonly<Record<string, unknown>>,
  options: ReadingOptions = {},
): FormattedText {
  const { body, format, formatted_body: html } = content;
  if (format === HTML && typeof html === 'string' && html.length <= MAX_UNITS) {
    const text = readHtml(html, options.contactOf ?? (() => undefined), MAX_UNITS);
    if (text !== undefined) return withoutShape(toCanonical(text));
  }
  if (typeof body !== 'string') return { body: '', ranges: [] };
  return { body: wellFormed(options.isReply === true ? withoutReplyFallback(body) : body), ranges: [] };
}

export interface WritingOptions {
  /** The Matrix user for a JID; without it, or where it knows none, a mention stays text. */
  readonly userOf?: (jid: string) => MatrixUserId | undefined;
}

/** Members of an event's content. The last three are there where there is something in them. */
export interface MatrixText {
  readonly body: string;
  readonly format?: typeof HTML;
  readonly formatted_body?: string;
  readonly 'm.mentions'?: Readonly<{ user_ids: readonly MatrixUserId[] }>;
}

/** In `body`, for clients that show no HTML, each line of a quotation begins with `> `. The HTML passes `cleanHtml` as it is. */
export function toMatrixText(text: FormattedText, options: WritingOptions = {}): MatrixText {
  const canonical = toCanonical(text);
  if (canonical.ranges.length === 0) return { body: canonical.body };
  const users = new Set<MatrixUserId>();
  const formatted_body = writeHtml(canonical, (jid) => {
    const user = options.userOf?.(jid);
    if (user === undefined) return undefined;
    users.add(user);
    return toUserLink(user);
  });
  return {
    body: plainBody(canonical),
    format: HTML,
    formatted_body,
    ...(users.size === 0 ? {} : { 'm.mentions': { user_ids: [...users] } }),
  };
}

/**
 * The form in which a text comes back after it went to Matrix and was read again, where all its mentions are known; also
 * that in which two texts can be compared.
 */
export function normalise(text: FormattedText): FormattedText {
  return withoutShape(toCanonical(text));
}

function withoutShape({ body, ranges }: CanonicalText): FormattedText {
  return { body, ranges };
}

function plainBody({ points, layout }: CanonicalText): string {
  const depths = new Uint8Array(layout.lines.length);
  const mark = (blocks: readonly Block[]): void => {
    for (const { style, first, last, children, items } of blocks) {
      if (style === 'quote') for (let at = first; at <= last; at += 1) depths[at] = (depths[at] ?? 0) + 1;
      mark(children);
      for (const item of items) mark(item.children);
    }
  };
  mark(layout.blocks);
  return layout.lines
    .map(({ start, end }, index) => '> '.repeat(depths[index] ?? 0) + points.slice(start, end).join(''))
    .join('\n');
}
