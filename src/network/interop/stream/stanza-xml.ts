/** One stanza as text: how it is stored and written, and how it is read again. */
import type { Element } from '@xmpp/client';
import { streamErrors } from './errors.ts';
import { limitsAfterLogin, type ReaderLimits } from './limits.ts';
import { NS_CLIENT, NS_STREAMS } from './namespaces.ts';
import { StreamReader } from './stream-reader.ts';

/** XML 1.0 §2.2: every character that a document may hold; a lone surrogate is none. */
const illegalCharacter = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;

const header = Buffer.from(`<stream:stream xmlns="${NS_CLIENT}" xmlns:stream="${NS_STREAMS}">`);

/**
 * Reads one stanza, within the limits and by the rules of the stream. Without `xmlns` it is one of `jabber:client`.
 * @throws BridgeError `stream/badStanza`: not one whole, well-formed stanza; the cause says why.
 */
export function readStanza(text: string, limits: Partial<ReaderLimits> = {}): Element {
  const reader = new StreamReader({ ...limitsAfterLogin, ...limits, discardBytes: 0 });
  reader.read(header);
  const [first, ...more] = reader.read(Buffer.from(text));
  if (first?.kind === 'element' && more.length === 0 && reader.isBetweenStanzas) return first.element;
  throw streamErrors.badStanza({}, first?.kind === 'violation' ? first.error : undefined);
}

/**
 * Writes an element without recursion, so that depth can't overflow the stack.
 * @param maxBytes beyond it the element is refused; a namespace written out on many children can swell a stanza.
 * @throws BridgeError `stream/badStanza`: too large, or a character that XML can't carry.
 */
export function writeStanza(element: Element, maxBytes: number = limitsAfterLogin.stanzaBytes): string {
  const parts: string[] = [];
  let size = 0;
  const write = (part: string) => {
    size += Buffer.byteLength(part);
    if (size > maxBytes) throw streamErrors.badStanza({ limit: 'stanzaBytes' });
    parts.push(part);
  };
  /** Elements still to be written, and the end tags between them, last first. */
  const pending: ({ readonly end: string } | Element | string)[] = [element];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (typeof next === 'string') write(escapeText(next));
    else if ('end' in next) write(next.end);
    else {
      write(openTag(next));
      if (next.children.length === 0) continue;
      pending.push({ end: `</${next.name}>` });
      for (let index = next.children.length - 1; index >= 0; index -= 1) {
        const child = next.children[index];
        if (child !== undefined) pending.push(child);
      }
    }
  }
  return parts.join('');
}

function openTag(element: Element): string {
  let tag = `<${element.name}`;
  for (const [key, value] of Object.entries(element.attrs)) {
    if (value !== undefined && value !== null) tag += ` ${key}="${escapeAttribute(String(value))}"`;
  }
  return element.children.length === 0 ? `${tag}/>` : `${tag}>`;
}

function escapeText(text: string): string {
  checkCharacters(text);
  // A carriage return as it is would be read as a line feed (XML 1.0 §2.11).
  return text.replace(/[&<>\r]/g, (character) => entities[character] ?? character);
}

function escapeAttribute(text: string): string {
  checkCharacters(text);
  // White space as it is would be read as a space (XML 1.0 §3.3.3).
  return text.replace(/[&<>"\t\n\r]/g, (character) => entities[character] ?? character);
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

function checkCharacters(text: string): void {
  if (illegalCharacter.test(text)) throw streamErrors.badStanza({ limit: 'characters' });
}
