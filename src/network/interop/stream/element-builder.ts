/**
 * Builds elements out of the events of an XML parser: namespaces resolved, limits kept.
 *
 * The elements come out in one normal form, whatever prefixes the peer chose: names have no prefix, `xmlns` stands on a
 * stanza and wherever the namespace changes, a prefix is left only on attributes (`xml:lang`, or with its declaration
 * on the same element). So a stanza can be read, stored and written without what surrounded it.
 */
import { type Element, xml } from '@xmpp/client';
import { discardCount, type ReaderLimits } from './limits.ts';
import { NS_CLIENT, NS_XML, NS_XMLNS } from './namespaces.ts';

/** What is wrong with a stanza that is well-formed XML. */
export type StanzaFault = 'stanzaBytes' | 'depth' | 'elements' | 'attributes' | 'nameLength' | 'namespace';

/** A limit that ends the stream. Thrown out of the parser and caught by whoever feeds it. */
export class LimitStop extends Error {
  readonly fault: StanzaFault;
  constructor(fault: StanzaFault) {
    super(fault);
    this.fault = fault;
  }
}

/** `header`: the root's open tag. `stanza`: a child of the root, whole. `refused`: as `limits.discardBytes` says. */
export type Built =
  | { readonly kind: 'header'; readonly element: Element }
  | { readonly kind: 'stanza'; readonly element: Element }
  | { readonly kind: 'refused'; readonly refused: RefusedStanza }
  | { readonly kind: 'end' };

/** What is known of a stanza that was discarded. Attributes as they came, if they came whole and are not overlong. */
export interface RefusedStanza {
  readonly name: string;
  readonly from: string | undefined;
  readonly id: string | undefined;
  readonly fault: StanzaFault;
}

interface Scope {
  readonly element: Element;
  readonly uri: string;
  /** Declarations of this element only; the key of the default namespace is empty. */
  readonly declared: ReadonlyMap<string, string> | undefined;
}

const stanzaNames: ReadonlySet<string> = new Set(['message', 'presence', 'iq']);
const maxKeptAttribute = 3071;

export class ElementBuilder {
  readonly #limits: ReaderLimits;
  readonly #onBuilt: (built: Built) => void;
  readonly #scopes: Scope[] = [];
  #opening = '';
  #elements = 0;
  #attributes = 0;
  #refused: RefusedStanza | undefined;
  /** Open elements below the root while discarding. */
  #discardDepth = 0;

  constructor(limits: ReaderLimits, onBuilt: (built: Built) => void) {
    this.#limits = limits;
    this.#onBuilt = onBuilt;
  }

  /** Whether the root is open and no stanza is. */
  get isBetweenStanzas(): boolean {
    return this.#scopes.length === 1 && this.#refused === undefined;
  }

  /** An attribute was read; its tag is not complete yet. */
  attribute(): void {
    this.#attributes += 1;
    if (this.#attributes > discardCount) throw new LimitStop('attributes');
    // Before the tag is complete its stanza isn't known: only where nothing may be discarded can we stop already.
    if (this.#limits.discardBytes === 0 && this.#attributes > this.#limits.attributes)
      throw new LimitStop('attributes');
  }

  /** The name of a tag was read; its attributes follow. */
  openStart(name: string): void {
    this.#opening = name;
  }

  /** A tag is complete. */
  open(name: string, attributes: Readonly<Record<string, string>>): void {
    const attributeCount = this.#attributes;
    this.#attributes = 0;
    if (this.#refused !== undefined) {
      if (this.#scopes.length === 1 && this.#discardDepth === 0) {
        this.#refused = { ...this.#refused, from: kept(attributes.from), id: kept(attributes.id) };
      }
      this.#discardDepth += 1;
      if (this.#discardDepth > discardCount) throw new LimitStop('depth');
      return;
    }
    if (this.#scopes.length === 1) this.#elements = 0;
    this.#elements += 1;
    const fault = this.#faultOf(name, attributes, attributeCount);
    const scope = fault ?? this.#resolve(name, attributes);
    if (typeof scope === 'string') {
      this.#refuse(scope, name, attributes);
      this.#discardDepth += 1;
      return;
    }
    const parent = this.#scopes.length > 1 ? this.#scopes.at(-1)?.element : undefined;
    parent?.append(scope.element);
    this.#scopes.push(scope);
    if (this.#scopes.length === 1) this.#onBuilt({ kind: 'header', element: scope.element });
  }

  /** Text inside a stanza. The caller has seen to it that between stanzas there is only white space. */
  text(text: string): void {
    const parent = this.#scopes.at(-1)?.element;
    if (this.#refused !== undefined || this.#scopes.length < 2 || parent === undefined || text === '') return;
    const last = parent.children.length - 1;
    const before = parent.children[last];
    // A CDATA section beside text is the same text.
    if (typeof before === 'string') parent.children[last] = before + text;
    else parent.children.push(text);
  }

  close(): void {
    if (this.#refused !== undefined && this.#discardDepth > 0) {
      this.#discardDepth -= 1;
      if (this.#discardDepth > 0 || this.#scopes.length > 1) return;
      this.#endRefused();
      return;
    }
    const closed = this.#scopes.pop();
    if (this.#scopes.length === 0) {
      this.#onBuilt({ kind: 'end' });
      return;
    }
    if (this.#scopes.length > 1 || closed === undefined) return;
    if (this.#refused !== undefined) {
      this.#endRefused();
      return;
    }
    this.#onBuilt({ kind: 'stanza', element: closed.element });
  }

  /** Marks the open stanza as too large; the rest of it is discarded. @throws LimitStop where that isn't allowed. */
  refuseOversized(): void {
    if (this.#refused === undefined) this.#refuse('stanzaBytes', this.#opening, {});
  }

  #endRefused(): void {
    const refused = this.#refused;
    this.#refused = undefined;
    if (refused !== undefined) this.#onBuilt({ kind: 'refused', refused });
  }

  /** @throws LimitStop unless a stanza is open, or is being opened, that may be discarded. */
  #refuse(fault: StanzaFault, name: string, attributes: Readonly<Record<string, string>>): void {
    const open = this.#scopes[1]?.element;
    const stanza = open ?? { name, attrs: attributes };
    const isStanza =
      open === undefined
        ? stanzaNames.has(name)
        : open.attrs.xmlns === NS_CLIENT && stanzaNames.has(open.name);
    if (this.#limits.discardBytes === 0 || this.#scopes.length === 0 || !isStanza) throw new LimitStop(fault);
    this.#refused = {
      name: stanza.name,
      from: kept(stanza.attrs.from),
      id: kept(stanza.attrs.id),
      fault,
    };
    if (open !== undefined) open.children.length = 0;
  }

  #faultOf(
    name: string,
    attributes: Readonly<Record<string, string>>,
    attributeCount: number,
  ): StanzaFault | undefined {
    const limits = this.#limits;
    if (this.#scopes.length > limits.depth) return 'depth';
    if (this.#elements > limits.elements) return 'elements';
    if (attributeCount > limits.attributes) return 'attributes';
    if (name.length > limits.nameLength) return 'nameLength';
    for (const key of Object.keys(attributes)) if (key.length > limits.nameLength) return 'nameLength';
    return undefined;
  }

  /** Namespaces in XML 1.0 (third edition), §3 to §6. */
  #resolve(name: string, attributes: Readonly<Record<string, string>>): Scope | 'namespace' | 'attributes' {
    const declared = declarationsIn(attributes);
    if (declared === 'namespace') return 'namespace';
    const [prefix, local] = splitName(name);
    const uri = local === '' || prefix === 'xmlns' ? undefined : this.#lookUp(prefix, declared);
    // An element in no namespace has no place in XMPP, and ltx would take it for one of its parent's. That of `xml` can't
    // be written without its prefix (Namespaces in XML §3), so it would not be read again.
    if (uri === undefined || uri === '' || uri === NS_XML) return 'namespace';
    const attrs: Record<string, string> = {};
    const isTop = this.#scopes.length <= 1;
    if (isTop || this.#scopes.at(-1)?.uri !== uri) attrs.xmlns = uri;
    const seen = new Set<string>();
    for (const [key, value] of Object.entries(attributes)) {
      if (key === 'xmlns' || key.startsWith('xmlns:')) continue;
      const [attributePrefix, attributeLocal] = splitName(key);
      const attributeUri = attributePrefix === '' ? '' : this.#lookUp(attributePrefix, declared);
      if (attributeLocal === '' || attributeUri === undefined) return 'namespace';
      const expanded = `{${attributeUri}}${attributeLocal}`;
      if (seen.has(expanded)) return 'namespace';
      seen.add(expanded);
      if (attributePrefix !== '' && attributePrefix !== 'xml')
        attrs[`xmlns:${attributePrefix}`] = attributeUri;
      attrs[key] = value;
    }
    // With what was declared further out; what is stored has to be read again.
    if (Object.keys(attrs).length > this.#limits.attributes) return 'attributes';
    return { element: new xml.Element(local, attrs), uri, declared };
  }

  #lookUp(prefix: string, declared: ReadonlyMap<string, string> | undefined): string | undefined {
    if (prefix === 'xml') return NS_XML;
    const own = declared?.get(prefix);
    if (own !== undefined) return own;
    for (let index = this.#scopes.length - 1; index >= 0; index -= 1) {
      const uri = this.#scopes[index]?.declared?.get(prefix);
      if (uri !== undefined) return uri;
    }
    return undefined;
  }
}

function declarationsIn(
  attributes: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> | undefined | 'namespace' {
  let declared: Map<string, string> | undefined;
  for (const [key, value] of Object.entries(attributes)) {
    if (key !== 'xmlns' && !key.startsWith('xmlns:')) continue;
    const prefix = key === 'xmlns' ? '' : key.slice(6);
    if (prefix === 'xml' && value === NS_XML) continue;
    const isReserved = prefix === 'xml' || prefix === 'xmlns' || value === NS_XML || value === NS_XMLNS;
    const isMalformed = key !== 'xmlns' && (prefix === '' || prefix.includes(':') || value === '');
    if (isReserved || isMalformed) return 'namespace';
    declared ??= new Map();
    declared.set(prefix, value);
  }
  return declared;
}

/** Prefix and local part; an empty local part means that the name is malformed. */
function splitName(name: string): readonly [prefix: string, local: string] {
  const colon = name.indexOf(':');
  if (colon === -1) return ['', name];
  const local = name.slice(colon + 1);
  return colon === 0 || local.includes(':') ? ['', ''] : [name.slice(0, colon), local];
}

function kept(value: string | undefined): string | undefined {
  return value !== undefined && value.length <= maxKeptAttribute ? value : undefined;
}
