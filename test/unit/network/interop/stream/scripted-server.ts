/**
 * An XMPP server in this process that does as it is told: as XEP-0198 wants by default, and any fault on demand. It
 * reads with the library's own parser, so that it shares no code with what it tests.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import tls from 'node:tls';
import { type Element, xml } from '@xmpp/client';

export const DOMAIN = 'gk.test';
export const OWN = 'me@gk.test';
const NS_SM = 'urn:xmpp:sm:3';
const NS_SASL = 'urn:ietf:params:xml:ns:xmpp-sasl';
const NS_DISCO = 'http://jabber.org/protocol/disco#info';

const fixture = (name: string) =>
  readFileSync(new URL(`../../../../fixtures/stream/${name}`, import.meta.url), 'utf8');
export const testCa = fixture('ca.pem');

interface Parser {
  on(event: string, listener: (element: Element) => void): void;
  write(text: string): void;
}
const LibraryParser = (xml as unknown as { Parser: new () => Parser }).Parser;

/** One XEP-0198 session as the server remembers it, over connections. */
export interface ServerSession {
  readonly id: string;
  /** Stanzas received from the client and sent to it. */
  received: number;
  sent: number;
  /** Sent and not acknowledged, oldest first. */
  unacked: string[];
}

export interface Behaviour {
  certificate: 'gk.test' | 'other.test' | 'expired';
  /** `tcp`: silent from the first packet; `tls`: silent once TLS stands. */
  mute: 'tcp' | 'tls' | undefined;
  mechanisms: readonly string[];
  sm: boolean;
  resumable: boolean;
  knowsSessions: boolean;
  announcesStanzaIds: boolean;
  announcesArchive: boolean;
  /** Checks the SASL response; a condition refuses it. */
  login: (response: string) => string | undefined;
  /** Called for each element from the client after login; `true`: it has been dealt with. */
  onElement: (element: Element, connection: Connection) => boolean;
  onHeader: (connection: Connection, count: number) => boolean;
}

export class Connection {
  readonly received: Element[] = [];
  readonly headers: Element[] = [];
  readonly socket: tls.TLSSocket;
  session: ServerSession | undefined;
  boundJid = '';
  isLoggedIn = false;
  sasl = '';
  readonly #server: ScriptedServer;
  #decoder = new TextDecoder();
  #parser: Parser | undefined;

  constructor(server: ScriptedServer, socket: tls.TLSSocket) {
    this.#server = server;
    this.socket = socket;
    this.#restart();
    socket.on('data', (bytes: Buffer) => this.#parser?.write(this.#decoder.decode(bytes, { stream: true })));
    socket.on('error', () => socket.destroy());
  }

  write(text: string | Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(text);
  }

  /** Sends a counted stanza, and remembers it until it is acknowledged. */
  deliver(stanza: string): void {
    if (this.session !== undefined) {
      this.session.sent += 1;
      this.session.unacked.push(stanza);
    }
    this.write(stanza);
  }

  cut(): void {
    this.socket.destroy();
  }

  #restart(): void {
    const parser = new LibraryParser();
    this.#parser = parser;
    parser.on('start', (header) => {
      this.headers.push(header);
      if (
        this.#server.behaviour.mute !== 'tls' &&
        !this.#server.behaviour.onHeader(this, this.headers.length)
      )
        this.greet();
    });
    parser.on('element', (element) => this.#onElement(element));
    parser.on('end', () => this.socket.end('</stream:stream>'));
    parser.on('error', () => this.socket.destroy());
  }

  greet(features = this.#features()): void {
    this.write(
      `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='${DOMAIN}' id='s' version='1.0'><stream:features>${features}</stream:features>`,
    );
  }

  #features(): string {
    const { mechanisms, sm } = this.#server.behaviour;
    if (this.isLoggedIn) {
      return `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>${sm ? `<sm xmlns='${NS_SM}'/>` : ''}`;
    }
    const offered = mechanisms.map((name) => `<mechanism>${name}</mechanism>`).join('');
    return `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><mechanisms xmlns='${NS_SASL}'>${offered}</mechanisms>`;
  }

  #onElement(element: Element): void {
    this.received.push(element);
    if (!this.isLoggedIn) {
      this.#onSasl(element);
      return;
    }
    if (['message', 'presence', 'iq'].includes(element.name) && this.session !== undefined)
      this.session.received += 1;
    if (this.#server.behaviour.onElement(element, this)) return;
    if (element.getNS() === NS_SM) this.#onSm(element);
    else if (element.name === 'message') this.#server.messages.push(element.attrs.id ?? '');
    else if (element.name === 'iq') this.#onIq(element);
  }

  #onSasl(element: Element): void {
    const response = Buffer.from(element.text(), 'base64').toString();
    if (element.name === 'auth') this.sasl = response;
    const refusal = this.#server.behaviour.login(response);
    if (refusal === 'challenge') {
      this.write(
        `<challenge xmlns='${NS_SASL}'>${Buffer.from('{"status":"invalid_token"}').toString('base64')}</challenge>`,
      );
    } else if (refusal !== undefined) {
      this.write(`<failure xmlns='${NS_SASL}'><${refusal}/></failure>`);
    } else {
      this.isLoggedIn = true;
      this.#restart();
      this.write(`<success xmlns='${NS_SASL}'/>`);
    }
  }

  #onSm(element: Element): void {
    const { knowsSessions, resumable } = this.#server.behaviour;
    if (element.name === 'enable') {
      this.session = { id: `sm${this.#server.sessions.size}`, received: 0, sent: 0, unacked: [] };
      this.#server.sessions.set(this.session.id, this.session);
      this.write(`<enabled xmlns='${NS_SM}'${resumable ? ` id='${this.session.id}' resume='true'` : ''}/>`);
    } else if (element.name === 'resume') {
      const session = this.#server.sessions.get(element.attrs.previd ?? '');
      if (session === undefined || !knowsSessions) {
        const h = session === undefined ? '' : ` h='${session.received}'`;
        this.write(
          `<failed xmlns='${NS_SM}'${h}><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>`,
        );
        return;
      }
      this.session = session;
      this.#acknowledge(element);
      this.write(
        `<resumed xmlns='${NS_SM}' h='${session.received}' previd='${session.id}'/>${session.unacked.join('')}<r xmlns='${NS_SM}'/>`,
      );
    } else if (element.name === 'r') {
      this.write(`<a xmlns='${NS_SM}' h='${this.session?.received}'/>`);
    } else if (element.name === 'a') this.#acknowledge(element);
  }

  #acknowledge(element: Element): void {
    if (this.session === undefined) return;
    const handled = Number(element.attrs.h);
    const waiting = this.session.sent - handled;
    if (waiting < 0 || waiting > this.session.unacked.length) this.#server.faults.push(`h=${handled}`);
    this.session.unacked = waiting > 0 ? this.session.unacked.slice(-waiting) : [];
  }

  #onIq(iq: Element): void {
    const { id, to, type } = iq.attrs;
    if (type !== 'get' && type !== 'set') return;
    const bind = iq.getChild('bind', 'urn:ietf:params:xml:ns:xmpp-bind');
    const from = to === undefined ? '' : ` from='${to}'`;
    if (bind !== undefined) {
      this.boundJid = `${OWN}/${bind.getChildText('resource')}`;
      this.write(
        `<iq type='result' id='${id}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>${this.boundJid}</jid></bind></iq>`,
      );
    } else if (iq.getChild('query', NS_DISCO) !== undefined) {
      const { announcesStanzaIds, announcesArchive } = this.#server.behaviour;
      const features = [
        ...(announcesStanzaIds ? [`<feature var='urn:xmpp:sid:0'/>`] : []),
        ...(announcesArchive ? [`<feature var='urn:xmpp:mam:2'/>`] : []),
      ];
      this.deliver(
        `<iq type='result' id='${id}'${from}><query xmlns='${NS_DISCO}'>${features.join('')}</query></iq>`,
      );
    } else if (iq.getChild('ping', 'urn:xmpp:ping') !== undefined) {
      this.deliver(`<iq type='result' id='${id}'${from}/>`);
    } else {
      this.deliver(
        `<iq type='error' id='${id}'${from}><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`,
      );
    }
  }
}

export class ScriptedServer {
  readonly behaviour: Behaviour = {
    certificate: 'gk.test',
    mute: undefined,
    mechanisms: ['SCRAM-SHA-1', 'PLAIN', 'OAUTHBEARER'],
    sm: true,
    resumable: true,
    knowsSessions: true,
    announcesStanzaIds: false,
    announcesArchive: false,
    login: () => undefined,
    onElement: () => false,
    onHeader: () => false,
  };
  readonly connections: Connection[] = [];
  readonly sessions = new Map<string, ServerSession>();
  /** Ids of the messages received, in order. */
  readonly messages: string[] = [];
  /** What the client did against the protocol. */
  readonly faults: string[] = [];
  tcpConnections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  private constructor() {
    this.#server = createServer((socket) => this.#onTcp(socket));
  }

  static async start(behaviour: Partial<Behaviour> = {}): Promise<ScriptedServer> {
    const server = new ScriptedServer();
    Object.assign(server.behaviour, behaviour);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    const address = server.#server.address();
    if (typeof address === 'object' && address !== null) server.#port = address.port;
    return server;
  }

  get port(): number {
    return this.#port;
  }

  /** The newest connection. */
  get last(): Connection | undefined {
    return this.connections.at(-1);
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #onTcp(socket: Socket): void {
    this.tcpConnections += 1;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    if (this.behaviour.mute === 'tcp') {
      socket.resume();
      return;
    }
    const secure = new tls.TLSSocket(socket, {
      isServer: true,
      cert: fixture(`${this.behaviour.certificate}.pem`),
      key: fixture(`${this.behaviour.certificate}.key`),
      ALPNProtocols: ['xmpp-client'],
    });
    this.connections.push(new Connection(this, secure));
  }
}
