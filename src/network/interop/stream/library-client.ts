/**
 * @xmpp/client, made for one negotiation and put between our socket, parser and serialiser: of its own it brings the
 * stream headers, the SASL exchange and the binding. library-client.test.ts holds what this leans on.
 */
import { EventEmitter } from 'node:events';
import { type Client, client, type Element, xml } from '@xmpp/client';
import { domainOf } from '../../../model/ids.ts';
import { streamErrors } from './errors.ts';
import { NS_CLIENT, NS_STREAMS } from './namespaces.ts';
import { OAUTHBEARER, OAuthBearerMechanism } from './oauthbearer.ts';
import type { StreamSettings } from './ports.ts';
import { writeStanza } from './stanza-xml.ts';

export interface LibraryDeps {
  readonly settings: StreamSettings;
  /** For each of the library's own waits; ours for the whole must be the shorter. */
  readonly timeoutMs: number;
  readonly token: () => Promise<string>;
  /** Resolves when TLS stands. */
  readonly connect: () => Promise<void>;
  readonly isSecure: () => boolean;
  readonly write: (text: string) => Promise<void>;
  /** A stream begins. The parser wants the events `start` and `element` of what the library shall know. */
  readonly onStream: (parser: EventEmitter) => void;
  /** A resource is bound. */
  readonly onOnline: () => void;
  readonly onError: (failure: unknown) => void;
}

/**
 * Nothing happens before `connect` and `open` are called. `start()` must not be: it leaves a promise behind that rejects
 * with nobody to see it, and that ends the process.
 */
export function createLibraryClient(deps: LibraryDeps): Client {
  const { jid, host, port, resource } = deps.settings;
  const domain = domainOf(jid);
  const entity = client({
    service: `xmpps://${domain}`,
    domain,
    resource,
    timeout: deps.timeoutMs,
    credentials: async (authenticate, _mechanisms, _fast, self) => {
      if (!self.isSecure()) throw streamErrors.featureMissing({ feature: 'tls' });
      const token = await deps.token();
      if (!self.isSecure()) throw streamErrors.lost();
      await authenticate({ identity: jid, host, port, token }, OAUTHBEARER);
    },
  });
  entity.reconnect.stop();
  entity.on('error', deps.onError);
  entity.on('online', deps.onOnline);
  entity.saslFactory.use(OAUTHBEARER, OAuthBearerMechanism);
  entity.transports.splice(0, entity.transports.length, { prototype: transportOf(deps) });
  return entity;
}

/** Ends what the library still waits for: its own timers would hold the process for half a minute. */
export function endLibraryClient(entity: Client, reason: unknown): void {
  entity.emit('error', reason);
  for (const handler of entity.iqCaller.handlers.values()) handler.reject(reason);
}

/** What `Client` of @xmpp/client-core asks of the prototype of a transport. */
function transportOf(deps: LibraryDeps): object {
  class Socket extends EventEmitter {
    get secure(): boolean {
      return deps.isSecure();
    }
    connect(): void {
      deps.connect().then(
        () => this.emit('connect'),
        (reason) => this.emit('error', reason),
      );
    }
    write(text: string, done: () => void): void {
      deps.write(text).catch(deps.onError);
      // Not when it is out: the library listens for the answer only after this, and a server can be quicker.
      done();
    }
  }
  class Parser extends EventEmitter {
    constructor() {
      super();
      deps.onStream(this);
    }
  }
  return {
    Socket,
    Parser,
    socketParameters: () => ({}),
    send: (element: Element) => deps.write(writeStanza(element)),
    // The library adds the domain. Who we are may be said, since TLS stands (RFC 6120 §4.7.1).
    headerElement: () =>
      xml('stream:stream', {
        xmlns: NS_CLIENT,
        'xmlns:stream': NS_STREAMS,
        version: '1.0',
        from: deps.settings.jid,
      }),
    header: (element: Element) => `<?xml version="1.0"?>${writeStanza(element).slice(0, -2)}>`,
  };
}
