/**
 * Reads one direction of an XMPP stream (RFC 6120 §4): bytes in, in whatever pieces they come, whole stanzas out.
 *
 * Strict: UTF-8 and XML 1.0 well-formed to the letter, the five entities and legal character references only, no
 * document type, processing instruction or comment (RFC 6120 §11.1). Bounded: each limit of `ReaderLimits` holds while
 * a stanza is read, not after. Never throws: what is wrong comes out as the last event. Work is linear in the bytes.
 */
import type { Element } from '@xmpp/client';
import { SaxesParser } from 'saxes';
import type { BridgeError } from '../../../model/errors.ts';
import { type Built, ElementBuilder, LimitStop, type RefusedStanza } from './element-builder.ts';
import { streamErrors } from './errors.ts';
import type { ReaderLimits } from './limits.ts';

export type ReadEvent =
  /** The open tag of the stream; always first. */
  | { readonly kind: 'header'; readonly element: Element }
  /** A stanza or other child of the stream; `bytes`: what it took on the wire. */
  | { readonly kind: 'element'; readonly element: Element; readonly bytes: number }
  /** A stanza that broke a limit and was read over; it counts as received. */
  | { readonly kind: 'refused'; readonly refused: RefusedStanza; readonly bytes: number }
  /** The peer closed the stream; nothing is read after it. */
  | { readonly kind: 'end' }
  /** `stream/notWellFormed` or `stream/limitExceeded`; nothing is read after it. */
  | { readonly kind: 'violation'; readonly error: BridgeError };

/** Small enough that a limit is noticed soon, large enough that cutting costs nothing. */
const pieceBytes = 16 * 1024;

export class StreamReader {
  readonly #limits: ReaderLimits;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  readonly #parser: SaxesParser<{ xmlns: false }>;
  readonly #builder: ElementBuilder;
  #events: ReadEvent[] = [];
  #isOver = false;
  #piece = '';
  /** Where the piece begins in the text that the parser has seen, in UTF-16 units. */
  #pieceStart = 0;
  /** Where the text that belongs to no finished stanza begins within the piece. */
  #unclaimed = 0;
  /** Bytes of the unfinished stanza in earlier pieces. */
  #pendingBytes = 0;

  constructor(limits: ReaderLimits) {
    this.#limits = limits;
    this.#builder = new ElementBuilder(limits, (built) => this.#onBuilt(built));
    this.#parser = this.#createParser();
  }

  /** Whether all that was read is whole: the header or the last stanza is complete and nothing has begun after it. */
  get isBetweenStanzas(): boolean {
    return !this.#isOver && this.#pendingBytes === 0 && this.#builder.isBetweenStanzas;
  }

  /** @returns what the bytes completed, in order; empty after the end or a violation. */
  read(bytes: Uint8Array): readonly ReadEvent[] {
    this.#events = [];
    for (let start = 0; start < bytes.length && !this.#isOver; start += pieceBytes) {
      try {
        const text = this.#decoder.decode(bytes.subarray(start, start + pieceBytes), { stream: true });
        this.#write(text);
      } catch (failure) {
        this.#stop(failure);
      }
    }
    return this.#events;
  }

  #write(text: string): void {
    // White space between stanzas keeps a connection alive; saxes would hoard it until the next tag.
    const piece =
      this.#builder.isBetweenStanzas && this.#pendingBytes === 0 ? text.replace(/^[ \t\r\n]+/, '') : text;
    if (piece === '') return;
    this.#piece = piece;
    this.#unclaimed = 0;
    this.#parser.write(piece);
    if (this.#isOver) return;
    const rest = piece.slice(this.#unclaimed);
    this.#pieceStart += piece.length;
    this.#pendingBytes += this.#bytesOf(rest);
    this.#checkSize(this.#pendingBytes);
  }

  /** Of text that follows what is pending: white space before a stanza is not part of it. */
  #bytesOf(text: string): number {
    return Buffer.byteLength(this.#pendingBytes === 0 ? text.trimStart() : text);
  }

  #checkSize(bytes: number): void {
    if (bytes <= this.#limits.stanzaBytes) return;
    if (bytes > this.#limits.discardBytes) throw new LimitStop('stanzaBytes');
    this.#builder.refuseOversized();
  }

  #onBuilt(built: Built): void {
    const end = this.#parser.position - this.#pieceStart;
    const claimed = this.#piece.slice(this.#unclaimed, end);
    const bytes = this.#pendingBytes + this.#bytesOf(claimed);
    this.#pendingBytes = 0;
    this.#unclaimed = end;
    switch (built.kind) {
      case 'header':
        if (bytes > this.#limits.stanzaBytes) throw new LimitStop('stanzaBytes');
        this.#events.push(built);
        return;
      case 'stanza':
        this.#onStanza(built.element, bytes);
        return;
      case 'refused':
        if (bytes > this.#limits.discardBytes) throw new LimitStop('stanzaBytes');
        this.#events.push({ kind: 'refused', refused: built.refused, bytes });
        return;
      case 'end':
        this.#isOver = true;
        this.#events.push({ kind: 'end' });
        return;
      default:
        built satisfies never;
    }
  }

  /** The same rule as for a stanza that was cut into pieces, so that the cut makes no difference. */
  #onStanza(element: Element, bytes: number): void {
    if (bytes <= this.#limits.stanzaBytes) {
      this.#events.push({ kind: 'element', element, bytes });
      return;
    }
    const isStanza =
      element.attrs.xmlns === 'jabber:client' && ['message', 'presence', 'iq'].includes(element.name);
    if (bytes > this.#limits.discardBytes || !isStanza) throw new LimitStop('stanzaBytes');
    const { from, id } = element.attrs;
    this.#events.push({
      kind: 'refused',
      refused: { name: element.name, from, id, fault: 'stanzaBytes' },
      bytes,
    });
  }

  #stop(failure: unknown): void {
    this.#isOver = true;
    // COMPAT saxes 6: a wrong end tag closes the open element first and complains after.
    const last = this.#events.at(-1);
    if (failure instanceof Error && failure.message === 'unexpected close tag.' && last?.kind === 'element') {
      this.#events.pop();
    }
    const error =
      failure instanceof LimitStop
        ? streamErrors.limitExceeded({ limit: failure.fault }, failure)
        : streamErrors.notWellFormed({}, failure);
    this.#events.push({ kind: 'violation', error });
  }

  #createParser(): SaxesParser<{ xmlns: false }> {
    const parser = new SaxesParser({
      xmlns: false,
      position: false,
      forceXMLVersion: true,
      defaultXMLVersion: '1.0',
    });
    const forbidden = (what: string) => () => {
      throw new Error(`${what} is forbidden in a stream (RFC 6120 §11.1)`);
    };
    parser.on('error', (failure) => {
      throw failure;
    });
    parser.on('xmldecl', ({ version, encoding }) => {
      if (version !== '1.0' || (encoding ?? 'utf-8').toLowerCase() !== 'utf-8') {
        throw new Error('not XML 1.0 in UTF-8 (RFC 6120 §11.4, §11.6)');
      }
    });
    parser.on('doctype', forbidden('a document type'));
    parser.on('processinginstruction', forbidden('a processing instruction'));
    parser.on('comment', forbidden('a comment'));
    parser.on('attribute', () => this.#builder.attribute());
    parser.on('opentagstart', ({ name }) => this.#builder.openStart(name));
    parser.on('opentag', ({ name, attributes }) => this.#builder.open(name, attributes));
    parser.on('closetag', () => this.#builder.close());
    parser.on('text', (text) => this.#onText(text));
    parser.on('cdata', (text) => this.#onText(text));
    return parser;
  }

  #onText(text: string): void {
    if (this.#builder.isBetweenStanzas && !/^[ \t\r\n]*$/.test(text)) throw new Error('text between stanzas');
    this.#builder.text(text);
  }
}
