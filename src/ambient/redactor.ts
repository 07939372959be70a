/**
 * What a log line may show. Every fact passes here: it is copied into plain, bounded JSON; secrets are taken out, by the
 * name of their field and by their look; and ids of contacts become a short keyed hash, the same for the same id, so that
 * lines can be put side by side without saying who it was about.
 *
 * This is the second lock: the first is that nobody hands content, keys or tokens to the log.
 */
import { createHmac } from 'node:crypto';

/** The words are looked for anywhere in a field's name, written in any case and with or without `_` and `-`. */
const SECRET_WORDS =
  /token|authorization|passw|passphrase|secret|masterkey|privatekey|recoverykey|cookie|credential/;
/** Fields that would hold content of a conversation. */
const CONTENT_NAMES = new Set(['body', 'content', 'formattedbody', 'plaintext', 'text', 'xml']);

const SECRET_LOOKS: readonly RegExp[] = [
  // A JWT.
  /\beyJ[\w-]{8,}(?:\.[\w-]*)*/g,
  // RFC 6750 §2.1, and access tokens in a query (§2.3), which homeservers still use.
  /\b(?<=bearer\s)[\w.~+/=-]+/gi,
  /(?<=\b(?:access_)?token=)[^\s&"']+/gi,
  // Synapse's tokens.
  /\bsy[tr]_[\w-]+/g,
];

const MAX_DEPTH = 5;
const MAX_ENTRIES = 50;
const MAX_TEXT = 2_000;
const HASH_CHARACTERS = 8;

export type RedactorSettings = Readonly<{
  contactIds: 'redacted' | 'plain';
  /** What the localparts of ghosts begin with. */
  ghostPrefix: string;
  /** Keys the hashes: without it nobody can try out all phone numbers. At least 16 bytes. */
  hashKey: Uint8Array;
}>;

export class Redactor {
  readonly #contactLooks: RegExp | undefined;
  readonly #hashKey: Uint8Array;

  constructor(settings: RedactorSettings) {
    this.#hashKey = settings.hashKey;
    this.#contactLooks = settings.contactIds === 'plain' ? undefined : contactLooks(settings.ghostPrefix);
  }

  /** A copy of `facts` that may be written down. Never throws, whatever it is given. */
  facts(facts: Readonly<Record<string, unknown>>): Record<string, unknown> {
    return this.#record(facts, 0);
  }

  /** `text` without secrets and contacts, at most `limit` characters and a mark that more was there. */
  text(text: string, limit = MAX_TEXT): string {
    // Cut twice: a token that the first cut halves no longer looks like one, and the second cut takes it away.
    let shown = text.slice(0, 2 * limit);
    for (const look of SECRET_LOOKS) shown = shown.replace(look, '[redacted]');
    if (this.#contactLooks !== undefined) shown = shown.replace(this.#contactLooks, (id) => this.#mark(id));
    return text.length > limit ? `${shown.slice(0, limit)}…` : shown;
  }

  #record(record: object, depth: number): Record<string, unknown> {
    // Without a prototype, so that a key `__proto__` is a key.
    const shown = Object.create(null) as Record<string, unknown>;
    let entries = 0;
    for (const name of Object.keys(record)) {
      if (++entries > MAX_ENTRIES) {
        shown['…'] = 'more';
        break;
      }
      shown[this.text(name)] = this.#field(record, name, depth);
    }
    return shown;
  }

  #field(record: object, name: string, depth: number): unknown {
    try {
      const value = (record as Record<string, unknown>)[name];
      const counted = typeof value === 'number' || typeof value === 'boolean' || value == null;
      return !counted && isDenied(name) ? '[redacted]' : this.#value(value, depth + 1);
    } catch {
      /* a getter of a foreign object threw: the line matters more than this field */
      return '[unreadable]';
    }
  }

  #value(value: unknown, depth: number): unknown {
    switch (typeof value) {
      case 'string':
        return this.text(value);
      case 'number':
      case 'boolean':
      case 'undefined':
        return value;
      case 'bigint':
        return value.toString();
      case 'object':
        return value === null ? null : this.#object(value, depth);
      default:
        return `[${typeof value}]`;
    }
  }

  #object(value: object, depth: number): unknown {
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? '[date]' : value.toISOString();
    if (value instanceof URL) return this.text(value.href);
    // A foreign error's message may quote its input; the log's `cause` is the way for errors.
    if (value instanceof Error) return `[${errorName(value)}]`;
    if (value instanceof Map || value instanceof Set) return `[${value.size} entries]`;
    if (depth > MAX_DEPTH) return '[deep]';
    if (!Array.isArray(value)) return this.#record(value, depth);
    const items = value.slice(0, MAX_ENTRIES).map((item) => this.#value(item, depth + 1));
    return value.length > MAX_ENTRIES ? [...items, '…'] : items;
  }

  #mark(id: string): string {
    const digest = createHmac('sha256', this.#hashKey).update(id.toLowerCase()).digest('hex');
    return `[contact ${digest.slice(0, HASH_CHARACTERS)}]`;
  }
}

/** The kind of an error, safe to show: letters and digits only. */
export function errorName(failure: Error): string {
  return /^\w{1,64}$/.test(failure.name) ? failure.name : 'Error';
}

function isDenied(name: string): boolean {
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  return SECRET_WORDS.test(plain) || CONTENT_NAMES.has(plain);
}

/** Looks of what names a contact, as one, so that a mark is not marked again. In URLs `@` and `#` stand as %40 and %23. */
function contactLooks(ghostPrefix: string): RegExp {
  const prefix = ghostPrefix.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  const local = `[^\\s@:<>"'&/(),=[\\]]`;
  const looks = [
    // A ghost's user id, or the alias of its portal.
    `(?:[@#]|%40|%23)${prefix}[^\\s"'&?/,)\\]]*`,
    // A JID, without its resource: something before the `@`, other than in a Matrix user id. Looked for from the
    // beginning of a word only: from each of its characters, a long word would take quadratic time.
    `(?<!${local})${local}+(?:@|%40)[\\p{L}\\d][\\p{L}\\d.-]*`,
    // A phone number: international, in any spelling; or bare digits that are no part of an id or a time.
    `\\+\\d(?:[\\s().-]{0,2}\\d){5,14}(?!\\d)`,
    `(?<![\\w$.:+-])\\d{8,15}(?![\\w.:-])`,
  ];
  return new RegExp(looks.join('|'), 'giu');
}
