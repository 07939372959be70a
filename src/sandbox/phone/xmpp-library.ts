/**
 * The parts of @xmpp/client and @xmpp/component that the sandbox uses, with types (the libraries have none). Both come in
 * unchanged: the bridge has its own parser and stream management, and the sandbox must not share their faults.
 */
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';

/** An ltx element. */
export interface XmlElement {
  readonly name: string;
  readonly attrs: Record<string, string | undefined>;
  is(name: string, namespace?: string): boolean;
  getNS(): string | undefined;
  getChild(name: string, namespace?: string): XmlElement | undefined;
  getChildren(name: string, namespace?: string): XmlElement[];
  getChildElements(): XmlElement[];
  getChildText(name: string, namespace?: string): string | null;
  text(): string;
  append(child: XmlElement): this;
  toString(): string;
}

export type XmlChild = XmlElement | string | undefined;
export type XmlFactory = (
  name: string,
  attributes?: Readonly<Record<string, string | undefined>>,
  ...children: readonly XmlChild[]
) => XmlElement;

export interface XmppEntity extends EventEmitter {
  /** `offline`, `connecting`, `online`, `disconnect` … */
  readonly status: string;
  readonly reconnect: { delay: number; stop(): void };
  /** A TCP or TLS socket wrapper; `null` while there is none. */
  readonly socket: { end(): void } | null;
  start(): Promise<unknown>;
  stop(): Promise<unknown>;
  send(element: XmlElement): Promise<void>;
}

/** What a query's handler may answer: an `error` element, another element, or `true` for an empty result. */
export type IqAnswer = XmlElement | true;

export interface XmppComponent extends XmppEntity {
  readonly iqCallee: Record<
    'get' | 'set',
    (
      namespace: string,
      name: string,
      handle: (context: { readonly stanza: XmlElement; readonly element: XmlElement }) => Promise<IqAnswer>,
    ) => void
  >;
}

export interface SocketParameters {
  readonly port?: number;
  readonly host?: string;
  readonly ca?: string;
  readonly servername?: string;
  readonly ALPNProtocols?: readonly string[];
}

export type XmppTransport = (new (
  ...args: never[]
) => { socketParameters(service: string): SocketParameters | undefined }) & {
  readonly prototype: { socketParameters(service: string): SocketParameters | undefined };
};

export interface XmppClient extends XmppEntity {
  readonly streamManagement: EventEmitter & { id: string; inbound: number; enabled: boolean };
  readonly iqCaller: { request(iq: XmlElement, timeoutMs?: number): Promise<XmlElement> };
  readonly saslFactory: { use(mechanism: new () => object): void };
  /** Tried in order at each connection. */
  readonly transports: XmppTransport[];
}

export type Authenticate = (
  credentials: Readonly<Record<string, string>>,
  mechanism: string,
) => Promise<void>;

interface ClientLibrary {
  client(options: {
    readonly service: string;
    readonly domain: string;
    readonly resource: string;
    /** Milliseconds for each step of a negotiation. */
    readonly timeout: number;
    readonly credentials: (
      authenticate: Authenticate,
      mechanisms: readonly string[],
      fast: unknown,
      entity: { isSecure(): boolean },
    ) => Promise<void>;
  }): XmppClient;
  readonly xml: XmlFactory;
}

interface ComponentLibrary {
  component(options: {
    readonly service: string;
    readonly domain: string;
    readonly password: string;
  }): XmppComponent;
  readonly xml: XmlFactory;
}

const load = createRequire(import.meta.url);

/** @xmpp/client. Its elements must not be mixed with those of @xmpp/component: each has a class of its own. */
export function clientLibrary(): ClientLibrary {
  return load('@xmpp/client');
}

/** @xmpp/component. */
export function componentLibrary(): ComponentLibrary {
  return load('@xmpp/component');
}
