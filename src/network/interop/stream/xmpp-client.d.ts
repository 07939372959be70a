/** What we use of @xmpp/client 0.14, as read in its source; it ships no types. Checked by library-client.test.ts. */
declare module '@xmpp/client' {
  import type { EventEmitter } from 'node:events';

  /** An element of ltx: names and attributes as written, children in order. */
  export interface Element {
    name: string;
    parent: Element | null;
    children: (Element | string)[];
    attrs: Record<string, string>;
    is(name: string, xmlns?: string): boolean;
    getName(): string;
    getNS(): string | undefined;
    getChild(name: string, xmlns?: string): Element | undefined;
    getChildren(name: string, xmlns?: string): Element[];
    getChildElements(): Element[];
    getChildText(name: string, xmlns?: string): string | null;
    text(): string;
    append(...nodes: (Element | string)[]): void;
    /** Recursive: never on input. */
    toString(): string;
  }

  export interface ElementFactory {
    (
      name: string,
      attrs?: Record<string, string | undefined>,
      ...children: (Element | string | undefined)[]
    ): Element;
    Element: new (name: string, attrs?: Record<string, string>) => Element;
  }

  export interface SaslMechanism {
    challenge(text: string): unknown;
    /** One character a byte: the library calls `btoa` on it. */
    response(credentials: unknown): string | Promise<string>;
  }

  export interface SaslFactory {
    use(name: string, mechanism: new () => SaslMechanism): unknown;
  }

  /** What `Client` borrows from the prototype of a transport it has chosen. */
  export interface Transport {
    readonly prototype: object;
  }

  export interface Client extends EventEmitter {
    readonly status: string;
    readonly transports: Transport[];
    readonly saslFactory: SaslFactory;
    readonly reconnect: { stop(): void };
    readonly iqCaller: { readonly handlers: Map<string, { reject(reason: unknown): void }> };
    isSecure(): boolean;
    connect(service: string): Promise<unknown>;
    open(options: { domain: string; lang?: string }): Promise<unknown>;
  }

  export interface ClientOptions {
    service: string;
    domain: string;
    resource?: string;
    timeout?: number;
    credentials: (
      authenticate: (credentials: object, mechanism: string) => Promise<void>,
      mechanisms: string[],
      fast: unknown,
      entity: Client,
    ) => Promise<void>;
  }

  export function client(options: ClientOptions): Client;
  export const xml: ElementFactory;
}
