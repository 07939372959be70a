/**
 * A third party for the gatekeeper's tests: its own OpenID issuer on loopback, and one user who enlists, logs in and
 * writes. Made of the sandbox's own parts and libraries; nothing of the bridge.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

import { systemClock } from '../../src/ambient/clock.ts';
import { systemRandom } from '../../src/ambient/random.ts';
import type { Gatekeeper } from '../../src/sandbox/gatekeeper/gatekeeper.ts';
import { Cipher } from '../../src/sandbox/phone/cipher.ts';
import { ContentCodec } from '../../src/sandbox/phone/content.ts';
import {
  bareOf,
  envelopeStanza,
  readEnvelope,
  receiptStanza,
  receiptsNamespace,
} from '../../src/sandbox/phone/envelope.ts';
import { EventLog } from '../../src/sandbox/phone/event-log.ts';
import { KeyPublisher } from '../../src/sandbox/phone/key-publisher.ts';
import { PhoneKeys } from '../../src/sandbox/phone/phone-keys.ts';
import type { XmlElement } from '../../src/sandbox/phone/xmpp-library.ts';
import { XmppLink } from '../../src/sandbox/phone/xmpp-link.ts';
import { RecordingLog } from '../doubles/recording-log.ts';

export type Seen =
  | { readonly kind: 'text'; readonly from: string; readonly text: string; readonly encType: string }
  | { readonly kind: 'receipt'; readonly stanzaId: string }
  | { readonly kind: 'low'; readonly prekeys: number }
  | { readonly kind: 'online' }
  | { readonly kind: 'offline' }
  | { readonly kind: 'push'; readonly token: string; readonly body: string };

interface IssuerKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

/** An issuer that publishes its keys for a second at most, and takes pushes. */
export class MiniIssuer {
  readonly pushes = new EventLog<Seen>(systemClock);
  readonly #server: Server;
  keys: IssuerKey[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<MiniIssuer> {
    const server = createServer();
    const issuer = new MiniIssuer(server);
    server.on('request', async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      response.setHeader('cache-control', 'max-age=1');
      if (request.url === '/push') {
        const token = (request.headers.authorization ?? '').replace('Bearer ', '');
        issuer.pushes.push({ kind: 'push', token, body });
        response.writeHead(202).end();
      } else if (request.url === '/jwks') {
        response.end(JSON.stringify({ keys: issuer.keys.map(({ jwk }) => jwk) }));
      } else {
        const interop = { push_endpoint: `${issuer.url}/push`, media_base: `${issuer.url}/m`, versions: [1] };
        response.end(JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}/jwks`, interop }));
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    issuer.keys = [await makeKey('k1')];
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get key(): IssuerKey {
    const [first] = this.keys;
    assert.ok(first);
    return first;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export async function makeKey(kid: string): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' } };
}

/** One user of the third party. */
export class Enlistee {
  readonly seen = new EventLog<Seen>(systemClock);
  readonly keys = new PhoneKeys({
    file: undefined,
    clock: systemClock,
    random: systemRandom,
    onIdentityChange: () => undefined,
  });
  readonly subject: string;
  readonly #issuer: MiniIssuer;
  readonly #gatekeeper: Gatekeeper;
  readonly #codec = new ContentCodec();
  interopId: string | undefined;
  #link: XmppLink | undefined;
  #cipher: Cipher | undefined;
  #publisher: KeyPublisher | undefined;

  constructor(subject: string, issuer: MiniIssuer, gatekeeper: Gatekeeper) {
    this.subject = subject;
    this.#issuer = issuer;
    this.#gatekeeper = gatekeeper;
  }

  get jid(): string {
    return `${this.interopId}@${this.#gatekeeper.domain}`;
  }

  /** The claims of a good token now. */
  claims(scope: string): Record<string, unknown> {
    const nowS = Math.floor(Date.now() / 1000);
    const identity = Buffer.from(this.keys.device().identity_key as string, 'base64');
    return {
      iss: this.#issuer.url,
      aud: this.#gatekeeper.issuerId,
      sub: this.subject,
      iat: nowS,
      nbf: nowS,
      exp: nowS + 300,
      jti: systemRandom.uuid(),
      scope,
      cnf: { signal_identity: createHash('sha256').update(identity).digest('base64url') },
      ...(this.interopId === undefined ? {} : { interop_id: this.interopId }),
    };
  }

  token(scope: string, change: Record<string, unknown> = {}): Promise<string> {
    const { kid, privateKey } = this.#issuer.key;
    return new SignJWT({ ...this.claims(scope), ...change })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid })
      .sign(privateKey);
  }

  /** Calls the enlistment API with a fresh token. */
  async call(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const scope = path === '/enlistments' ? 'enlist' : 'api';
    const response = await fetch(`${this.#gatekeeper.apiUrl}/interop/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${await this.token(scope)}` },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
  }

  async enlist(
    change: Record<string, unknown> = {},
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const device = this.keys.device();
    const wish = { display_name: 'Alice', terms_version: '1', device, ...change };
    const answer = await this.call('POST', '/enlistments', wish);
    if (answer.status < 300) this.interopId = String(answer.body.interop_id);
    return answer;
  }

  /** Logs in, and fills the keys service. */
  async goOnline(): Promise<void> {
    const { domain, prosody } = this.#gatekeeper;
    const link = new XmppLink({
      jid: this.jid,
      resource: 'drawbridge',
      host: prosody.c2sHost,
      port: prosody.c2sDirectTlsPort,
      caFile: prosody.caFile,
      token: () => this.token('connect'),
      clock: systemClock,
      log: new RecordingLog(),
      onMessage: (message) => this.#receive(message),
      onStatus: (online) => this.seen.push({ kind: online ? 'online' : 'offline' }),
    });
    this.#link = link;
    // Its device goes to the API, not to the door for phones.
    this.#publisher = new KeyPublisher({ domain, keys: this.keys, link, door: undefined as never });
    const publisher = this.#publisher;
    this.#cipher = new Cipher({
      keys: this.keys,
      jid: this.jid,
      fetchBundle: (jid) => publisher.fetchBundle(jid),
    });
    const before = this.seen.of('online').length;
    link.start();
    await this.seen.waitFor(() => this.seen.of('online').length > before);
    await publisher.refill();
  }

  async goOffline(): Promise<void> {
    await this.#link?.stop();
    this.#link = undefined;
  }

  get online(): boolean {
    return this.#link?.online ?? false;
  }

  async send(to: string, text: string): Promise<string> {
    assert.ok(this.#cipher && this.#link);
    const id = systemRandom.bytes(16);
    const plain = this.#codec.encode({ id, sentAtMs: Date.now(), text: { body: text } });
    await this.#link.send(envelopeStanza(to, id.toString('hex'), await this.#cipher.encrypt(to, plain)));
    return id.toString('hex');
  }

  fetchBundle(jid: string): Promise<XmlElement> {
    assert.ok(this.#publisher);
    return this.#publisher.fetchBundle(jid);
  }

  async #receive(message: XmlElement): Promise<void> {
    const from = bareOf(message.attrs.from ?? '');
    const receipt = message.getChild('received', receiptsNamespace)?.attrs.id;
    if (receipt !== undefined) this.seen.push({ kind: 'receipt', stanzaId: receipt });
    const low = message.getChild('low', 'urn:drawbridge:interop:keys:1');
    if (low !== undefined) this.seen.push({ kind: 'low', prekeys: Number(low.attrs.prekeys) });
    const envelope = readEnvelope(message);
    if (envelope === undefined) return;
    const opened = await this.#cipher?.decrypt(from, envelope.ciphertext);
    assert.equal(opened?.kind, 'plain');
    const { text } = this.#codec.decode(opened.plain);
    this.seen.push({ kind: 'text', from, text: text?.body ?? '', encType: envelope.ciphertext.type });
    await this.#link?.send(receiptStanza(from, message.attrs.id ?? ''));
  }
}

/** One login by hand, for what a good client would never send. @returns `success`, or the condition of the failure. */
export async function tryLogin(gatekeeper: Gatekeeper, ca: string, message: string): Promise<string> {
  const { domain, prosody } = gatekeeper;
  const socket = tlsConnect({
    host: prosody.c2sHost,
    port: prosody.c2sDirectTlsPort,
    servername: domain,
    ALPNProtocols: ['xmpp-client'],
    ca,
  });
  try {
    await once(socket, 'secureConnect');
    socket.write(
      `<?xml version='1.0'?><stream:stream to='${domain}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`,
    );
    await readUntil(socket, /<\/stream:features>/);
    const sasl = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
    socket.write(`<auth ${sasl} mechanism='OAUTHBEARER'>${btoa(message)}</auth>`);
    let answer = await readUntil(socket, /<success[^>]*>|<\/challenge>|<\/failure>/);
    if (answer.includes('</challenge>')) {
      // RFC 7628 §3.2.3: the reason comes as a challenge; a lone \x01 asks for the end.
      socket.write(`<response ${sasl}>AQ==</response>`);
      answer = await readUntil(socket, /<\/failure>/);
    }
    return answer.includes('<success') ? 'success' : (/<failure[^>]*><([a-z-]+)/.exec(answer)?.[1] ?? answer);
  } finally {
    socket.destroy();
  }
}

/** RFC 7628 §3.1. */
export function bearerMessage(jid: string, token: string): string {
  return `n,a=${jid},\x01auth=Bearer ${token}\x01\x01`;
}

async function readUntil(socket: TLSSocket, pattern: RegExp): Promise<string> {
  let text = '';
  for (;;) {
    const [chunk] = await once(socket, 'data', { signal: AbortSignal.timeout(10_000) });
    text += String(chunk);
    if (pattern.test(text)) return text;
  }
}
