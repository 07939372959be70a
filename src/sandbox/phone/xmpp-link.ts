/**
 * A phone's connection: @xmpp/client as it comes, over direct TLS with OAUTHBEARER (docs/interop-profile.md, section 4),
 * made anew after each loss. What was sent and not acknowledged (XEP-0198) goes again, under the same id.
 */
import { readFileSync } from 'node:fs';

import type { Clock, Log } from '../../model/ambient.ts';
import { phoneErrors } from './phone-errors.ts';
import { clientLibrary, type XmlElement, type XmppClient } from './xmpp-library.ts';

const { client, xml } = clientLibrary();

export interface XmppLinkOptions {
  /** Bare. */
  readonly jid: string;
  readonly resource: string;
  readonly host: string;
  readonly port: number;
  /** PEM file: the only authority that is trusted. */
  readonly caFile: string;
  readonly token: () => Promise<string>;
  readonly clock: Clock;
  readonly log: Log;
  /** Messages only, one at a time in order of arrival. */
  readonly onMessage: (message: XmlElement) => Promise<void>;
  readonly onStatus: (online: boolean) => void;
}

const timing = {
  stepMs: 10_000,
  negotiationMs: 20_000,
  retryMs: 200,
  longestRetryMs: 3000,
  iqMs: 15_000,
} as const;

export class XmppLink {
  readonly #options: XmppLinkOptions;
  readonly #domain: string;
  /** Sent or to be sent, and not yet acknowledged; in order. */
  #unacked: XmlElement[] = [];
  #client: XmppClient | undefined;
  #online = false;
  #running: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  #handling: Promise<void> = Promise.resolve();

  constructor(options: XmppLinkOptions) {
    this.#options = options;
    this.#domain = options.jid.slice(options.jid.indexOf('@') + 1);
  }

  get online(): boolean {
    return this.#online;
  }

  /** Begins to connect, for as long as it takes. A second call is harmless. */
  start(): void {
    if (this.#running !== undefined) return;
    const stop = new AbortController();
    this.#running = { stop, ended: this.#run(stop.signal) };
  }

  /** Messages that the server has not acknowledged yet. */
  get unacknowledged(): number {
    return this.#unacked.length;
  }

  /** Closes the stream in order. Unacknowledged messages wait for the next start. */
  async stop(): Promise<void> {
    this.#running?.stop.abort();
    await this.#running?.ended;
    this.#running = undefined;
    await this.#handling;
  }

  /** Queues a message; it is sent now, or once online. */
  async send(message: XmlElement): Promise<void> {
    this.#unacked.push(message);
    if (this.#online) await this.#write(message);
  }

  /**
   * Asks, and returns the whole iq. @throws BridgeError `sandbox-phone/offline`; the library's `StanzaError`, whose
   * `condition` is the answer's, and its `TimeoutError`.
   */
  async query(to: string, type: 'get' | 'set', payload: XmlElement): Promise<XmlElement> {
    if (this.#client === undefined || !this.#online) throw phoneErrors.offline();
    const answer = await this.#client.iqCaller.request(xml('iq', { to, type }, payload), timing.iqMs);
    // The library matches answers by id alone.
    if (answer.attrs.from !== to) throw phoneErrors.offline({ reason: 'forged answer' });
    return answer;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        if (await this.#session(signal)) failures = 0;
      } catch (failure) {
        log.info('phone not connected', { jid: this.#options.jid }, failure);
      }
      if (signal.aborted) return;
      const delayMs = Math.min(timing.retryMs * 2 ** failures, timing.longestRetryMs);
      // Stopped while it slept: the loop's condition ends it.
      await clock.sleep(delayMs, signal).catch(() => undefined);
    }
  }

  /** One connection, from start to loss. @returns whether it was ever online. */
  async #session(signal: AbortSignal): Promise<boolean> {
    const entity = this.#makeClient(await this.#options.token());
    this.#client = entity;
    const lost = new Promise<void>((resolve) => entity.once('disconnect', () => resolve()));
    const abort = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    try {
      if (!(await this.#negotiate(entity, Promise.race([lost, abort])))) return false;
      await entity.send(xml('presence'));
      // Online only after it: what is sent meanwhile must not overtake what was lost.
      for (const message of [...this.#unacked]) await this.#write(message);
      this.#setOnline(true);
      await Promise.race([lost, abort]);
      return true;
    } finally {
      this.#setOnline(false);
      this.#client = undefined;
      await this.#close(entity);
    }
  }

  /** Resolves when stream management is on: what is sent before it would be in nobody's books. */
  async #negotiate(entity: XmppClient, over: Promise<void>): Promise<boolean> {
    const deadline = new AbortController();
    const managed = new Promise<boolean>((resolve) => {
      entity.on('nonza', (element: XmlElement) => {
        // The library acts on <enabled/> in a later microtask.
        if (element.is('enabled', 'urn:xmpp:sm:3')) setImmediate(() => resolve(true));
      });
    });
    const late = this.#options.clock.sleep(timing.negotiationMs, deadline.signal).then(
      () => false,
      () => false, // no longer needed
    );
    // start() rejects for what 'error' and 'disconnect' tell too; and never settles after some losses.
    const failed = new Promise<boolean>((resolve) => {
      entity.start().catch((failure: unknown) => {
        this.#options.log.debug('login failed', {}, failure);
        resolve(false);
      });
    });
    try {
      return await Promise.race([managed, late, failed, over.then(() => false)]);
    } finally {
      deadline.abort();
    }
  }

  async #close(entity: XmppClient): Promise<void> {
    entity.reconnect.stop();
    const deadline = new AbortController();
    const closed = entity.socket === null ? Promise.resolve() : entity.stop();
    await Promise.race([
      closed.catch((failure: unknown) => this.#options.log.debug('stream not closed in order', {}, failure)),
      this.#options.clock.sleep(2000, deadline.signal).catch(() => undefined),
    ]);
    deadline.abort();
    entity.socket?.end();
  }

  #makeClient(token: string): XmppClient {
    const { jid, host, port, resource, caFile, log } = this.#options;
    const entity = client({
      service: `xmpps://${host}:${port}`,
      domain: this.#domain,
      resource,
      timeout: timing.stepMs,
      credentials: async (authenticate, _mechanisms, _fast, stream) => {
        if (!stream.isSecure()) throw phoneErrors.offline({ reason: 'not secure' });
        await authenticate({ jid, token }, 'OAUTHBEARER');
      },
    });
    entity.reconnect.stop();
    entity.saslFactory.use(OAuthBearer);
    trustOnly(entity, { ca: readFileSync(caFile, 'utf8'), domain: this.#domain });
    entity.on('error', (failure: unknown) => log.debug('phone stream', { jid }, failure));
    entity.on('stanza', (stanza: XmlElement) => {
      if (stanza.name === 'message') this.#handle(stanza);
    });
    entity.streamManagement.on('ack', (stanza: XmlElement) => {
      this.#unacked = this.#unacked.filter((waiting) => waiting !== stanza);
    });
    return entity;
  }

  #handle(message: XmlElement): void {
    const { onMessage, log, jid } = this.#options;
    this.#handling = this.#handling
      .then(() => onMessage(message))
      .catch((failure: unknown) => log.warn('message not handled', { jid }, failure));
  }

  async #write(message: XmlElement): Promise<void> {
    try {
      await this.#client?.send(message);
    } catch (failure) {
      // It stays among the unacknowledged and goes again with the next connection.
      this.#options.log.debug('message not written', { jid: this.#options.jid }, failure);
    }
  }

  #setOnline(online: boolean): void {
    if (this.#online === online) return;
    this.#online = online;
    this.#options.onStatus(online);
  }
}

/**
 * The library takes no TLS options: its transport class decides what `tls.connect` gets. Each client gets a class of its
 * own, which checks the certificate against the XMPP domain (XEP-0368) although it connects to an address.
 */
function trustOnly(entity: XmppClient, trust: { readonly ca: string; readonly domain: string }): void {
  const Tls = entity.transports.find((transport) => {
    const parameters = transport.prototype.socketParameters('xmpps://127.0.0.1:1');
    return parameters?.host === '127.0.0.1';
  });
  if (Tls === undefined) throw new TypeError('@xmpp/client has no TLS transport');
  class TrustingTls extends Tls {
    override socketParameters(service: string) {
      const parameters = super.socketParameters(service);
      return (
        parameters && {
          ...parameters,
          ca: trust.ca,
          servername: trust.domain,
          ALPNProtocols: ['xmpp-client'],
        }
      );
    }
  }
  entity.transports.splice(0, entity.transports.length, TrustingTls);
}

/** RFC 7628 §3.1. The library makes an object a login, and hands `response` what `authenticate` was given. */
class OAuthBearer {
  #refused = false;

  /** Read from the prototype. */
  get name(): string {
    return 'OAUTHBEARER';
  }

  get clientFirst(): boolean {
    return true;
  }

  response({ jid, token }: Readonly<Record<string, string>>): string {
    // RFC 7628 §3.2.3: the server told why; the client has to send a lone \x01 to get the failure.
    return this.#refused ? '\x01' : `n,a=${jid},\x01auth=Bearer ${token}\x01\x01`;
  }

  challenge(): void {
    this.#refused = true;
  }
}
