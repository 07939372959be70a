/** Reads the HTML of a Matrix message, cut down to what is carried, into words and styles. */
import { Parser } from 'htmlparser2';
import type { FormattedText, FormattingStyle } from '../../model/chat-event.ts';
import { MAX_NESTING } from './block-layout.ts';
import { cleanHtml, isSafeAddress } from './html-policy.ts';
import { type OpenStyle, TextWriter } from './text-writer.ts';
import { parseUserLink } from './user-link.ts';

type Attributes = Readonly<Record<string, string>>;

/** What has to be done where an element ends. */
type Close = () => void;

const STYLES: Readonly<Record<string, FormattingStyle>> = {
  b: 'bold',
  strong: 'bold',
  i: 'italic',
  em: 'italic',
  s: 'strikethrough',
  del: 'strikethrough',
  strike: 'strikethrough',
};
const PARAGRAPHS = /^(?:p|h[1-6])$/;
const RULE = '———';
const BETWEEN_CELLS = ' | ';

/**
 * @param contactOf the JID of a Matrix user who can be mentioned.
 * @param maxUnits UTF-16 units of the body.
 * @returns not yet in the canonical form; `undefined` when nothing is in it, or too much.
 */
export function readHtml(
  html: string,
  contactOf: (user: string) => string | undefined,
  maxUnits: number,
): FormattedText | undefined {
  const writer = new TextWriter(maxUnits);
  const reader = new HtmlReader(writer, contactOf);
  const parser = new Parser({
    onopentag: (name, attributes) => reader.open(name, attributes),
    ontext: (text) => reader.text(text),
    onclosetag: () => reader.close(),
  });
  parser.end(cleanHtml(html));
  const text = writer.result();
  return writer.isFull || text.body.trim() === '' ? undefined : text;
}

interface OpenList {
  /** The number of its next item; `undefined`: it has bullets. */
  next: number | undefined;
  /** How many elements are open where its items are. */
  readonly depth: number;
  /** Stands over items in a row. */
  style: OpenStyle | undefined;
}

class HtmlReader {
  readonly #writer: TextWriter;
  readonly #contactOf: (user: string) => string | undefined;
  readonly #closes: Close[] = [];
  readonly #lists: OpenList[] = [];
  #quotes = 0;
  #cells = 0;
  /** The code block that is open, and whether nothing stands in it yet. */
  #code: { readonly style: OpenStyle; isEmpty: boolean } | undefined;

  constructor(writer: TextWriter, contactOf: (user: string) => string | undefined) {
    this.#writer = writer;
    this.#contactOf = contactOf;
  }

  open(name: string, attributes: Attributes): void {
    if (name !== 'li') this.#endItems();
    this.#closes.push(
      this.#code === undefined ? this.#begin(name, attributes) : this.#inCode(name, attributes),
    );
  }

  close(): void {
    this.#closes.pop()?.();
  }

  text(text: string): void {
    if (this.#code === undefined) {
      if (/[^ \t\n\f\r]/.test(text)) this.#endItems();
      this.#writer.flowing(text);
      return;
    }
    const lines = text.replace(/\r\n?/g, '\n');
    // HTML leaves out a line feed right behind `<pre>`.
    this.#writer.verbatim(this.#code.isEmpty ? lines.replace(/^\n/, '') : lines);
    this.#code.isEmpty = false;
  }

  /** What stands in a code block is words; only the language and line breaks are of interest. */
  #inCode(name: string, attributes: Attributes): Close {
    if (name === 'br') this.#writer.lineFeed();
    const language = /(?:^|\s)language-(\S+)/.exec(attributes.class ?? '')?.[1];
    if (name === 'code' && this.#code !== undefined && language !== undefined) {
      this.#code.style.value = language;
    }
    return nothing;
  }

  #begin(name: string, attributes: Attributes): Close {
    const style = STYLES[name];
    if (style !== undefined) return this.#styled(style);
    if (PARAGRAPHS.test(name)) return this.#paragraph(name !== 'p');
    switch (name) {
      case 'code':
        return this.#styled('code');
      case 'a':
        return this.#anchor(attributes.href ?? '');
      case 'br':
        this.#writer.lineFeed();
        return nothing;
      case 'img':
        this.#writer.flowing(attributes.alt ?? '');
        return nothing;
      case 'span':
        return this.#span(attributes['data-mx-spoiler']);
      case 'td':
      case 'th':
        if (this.#cells > 0) this.#writer.flowing(BETWEEN_CELLS);
        this.#cells += 1;
        return nothing;
      default:
        return this.#block(name, attributes);
    }
  }

  #styled(style: FormattingStyle, value = ''): Close {
    const open = this.#writer.begin(style, value);
    return () => this.#writer.end(open);
  }

  #paragraph(isHeading: boolean): Close {
    this.#writer.lineOfItsOwn(2);
    const end = isHeading ? this.#styled('bold') : nothing;
    return () => {
      end();
      this.#writer.lineOfItsOwn(2);
    };
  }

  #anchor(address: string): Close {
    const user = parseUserLink(address);
    const contact = user === undefined ? undefined : this.#contactOf(user);
    if (contact !== undefined) return this.#styled('mention', contact);
    return isSafeAddress(address) ? this.#styled('link', address) : nothing;
  }

  /** A spoiler cannot be hidden on the network: it is marked, `||so||`, with its reason before it. */
  #span(spoiler: string | undefined): Close {
    if (spoiler === undefined) return nothing;
    this.#writer.flowing(spoiler.trim() === '' ? '||' : `(${spoiler.trim()}) ||`);
    return () => this.#writer.flowing('||');
  }

  #block(name: string, attributes: Attributes): Close {
    if (name === 'li') return this.#item();
    this.#writer.lineOfItsOwn(1);
    const end = this.#blockStyle(name, attributes);
    return () => {
      end();
      this.#writer.lineOfItsOwn(1);
    };
  }

  #blockStyle(name: string, attributes: Attributes): Close {
    switch (name) {
      case 'hr':
        this.#writer.flowing(RULE);
        return nothing;
      case 'tr':
        this.#cells = 0;
        return nothing;
      case 'pre':
        return this.#codeBlock();
      case 'blockquote':
        return this.#quote();
      case 'ul':
        return this.#list(undefined);
      case 'ol':
        return this.#list(/^\d{1,8}$/.test(attributes.start ?? '') ? Number(attributes.start) : 1);
      default:
        return nothing;
    }
  }

  #codeBlock(): Close {
    const style = this.#writer.begin('code-block');
    this.#code = { style, isEmpty: true };
    return () => {
      this.#code = undefined;
      this.#writer.end(style);
    };
  }

  #quote(): Close {
    this.#quotes += 1;
    const end = this.#quotes > MAX_NESTING ? nothing : this.#styled('quote');
    return () => {
      this.#quotes -= 1;
      end();
    };
  }

  #list(start: number | undefined): Close {
    this.#lists.push({ next: start, depth: this.#closes.length + 1, style: undefined });
    return () => {
      this.#endStyle(this.#lists.pop());
    };
  }

  /** What stands in a list and is no item parts it in two. */
  #endItems(): void {
    const list = this.#lists.at(-1);
    if (list?.depth === this.#closes.length) this.#endStyle(list);
  }

  #endStyle(list: OpenList | undefined): void {
    if (list?.style === undefined) return;
    this.#writer.end(list.style);
    list.style = undefined;
  }

  #item(): Close {
    const list = this.#lists.at(-1);
    const number = list?.next;
    // One that does not stand directly in a list is a line of its own.
    if (list?.depth !== this.#closes.length || this.#lists.length > MAX_NESTING) {
      this.#writer.beginItem('');
    } else {
      if (number !== undefined) list.next = number + 1;
      list.style ??= this.#writer.begin(number === undefined ? 'bullet-list' : 'numbered-list');
      this.#writer.beginItem(number === undefined ? '• ' : `${number}. `);
    }
    return () => this.#writer.endItem();
  }
}

function nothing(): void {
  /* an element without an end of its own, such as `<br>` or `<div>` */
}
