/**
 * A direct TLS connection to an XMPP server (RFC 7590, XEP-0368): the certificate has to be one for the XMPP *domain*,
 * whatever host and port we were told to connect to. Not a byte goes in the clear, and nothing is negotiated down.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import tls from 'node:tls';
import { domainToASCII } from 'node:url';
import type { Clock } from '../../../model/ambient.ts';
import { BridgeError } from '../../../model/errors.ts';
import { streamErrors } from './errors.ts';

export interface LinkAddress {
  readonly host: string;
  readonly port: number;
  /** XMPP domain. */
  readonly domain: string;
  readonly extraCa: string | undefined;
  readonly spkiPins: readonly string[];
}

/** What the peer may leave unread of our answers before we stop reading from it. */
const maxUnreadBytes = 1024 * 1024;

export class TlsLink {
  /** Called with what was received, never after the end. Set before the first packet can come. */
  onBytes: (bytes: Buffer) => void;
  /** Resolves when TLS stands and the certificate fits; rejects as `closed` resolves. */
  readonly secured: Promise<void>;
  /** Resolves with the reason of the end: `stream/unreachable`, `stream/badCertificate`, `stream/lost`, or `destroy`'s. */
  readonly closed: Promise<BridgeError>;
  readonly #socket: tls.TLSSocket;
  readonly #holds = new Set<string>();
  #isSecure = false;
  #failure: BridgeError | undefined;

  constructor(address: LinkAddress, onBytes: (bytes: Buffer) => void) {
    this.onBytes = onBytes;
    const socket = tls.connect(tlsOptions(address));
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', (failure) => {
      this.#failure ??= this.#toBridgeError(failure);
    });
    socket.on('data', (bytes: Buffer) => {
      if (this.#failure === undefined) this.onBytes(bytes);
      if (socket.writableLength > maxUnreadBytes) this.hold('unread');
    });
    socket.on('drain', () => this.release('unread'));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#failure ??= this.#isSecure ? streamErrors.lost() : streamErrors.unreachable({ why: 'closed' });
        resolve(this.#failure);
      });
    });
    this.secured = new Promise((resolve, reject) => {
      socket.once('secureConnect', () => {
        this.#isSecure = true;
        resolve();
      });
      this.closed.then(reject, reject);
    });
    this.secured.catch(() => {
      // Whoever waits sees it; the one who doesn't is told by `closed`.
    });
  }

  get isSecure(): boolean {
    return this.#isSecure && this.#failure === undefined;
  }

  /** Resolves once the system has taken it. @throws BridgeError `stream/lost`. */
  write(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.isSecure || this.#socket.writableEnded) return reject(this.#failure ?? streamErrors.lost());
      this.#socket.write(text, 'utf8', (failure) => {
        if (failure) reject(streamErrors.lost({}, failure));
        else resolve();
      });
    });
  }

  /** Stops reading until every reason is released; TCP then slows the server down. */
  hold(reason: string): void {
    this.#holds.add(reason);
    this.#socket.pause();
  }

  release(reason: string): void {
    if (this.#holds.delete(reason) && this.#holds.size === 0) this.#socket.resume();
  }

  get isHeld(): boolean {
    return this.#holds.size > 0;
  }

  destroy(reason: BridgeError): void {
    this.#failure ??= reason;
    this.#socket.destroy();
  }

  /** Writes `last`, ends, and destroys the socket when the peer has closed too or `deadlineMs` are over. */
  async close(last: string, reason: BridgeError, clock: Clock, deadlineMs: number): Promise<void> {
    this.#failure ??= reason;
    if (!this.#socket.destroyed) {
      const closed = new AbortController();
      // Unread data would keep the end from being seen.
      this.#socket.resume();
      this.#socket.end(last);
      const isClosed = this.closed.then(() => closed.abort());
      await clock.sleep(deadlineMs, closed.signal).catch(() => {
        // Closed in time.
      });
      this.#socket.destroy();
      await isClosed;
    }
  }

  #toBridgeError(failure: Error & { code?: string }): BridgeError {
    if (failure.cause instanceof BridgeError) return failure.cause;
    if (this.#isSecure) return streamErrors.lost({ why: errno(failure) }, failure);
    // Node names the verification failure here and in the error's code.
    const isCertificate =
      Boolean(this.#socket.authorizationError) || failure.code === 'ERR_TLS_CERT_ALTNAME_INVALID';
    if (isCertificate) return streamErrors.badCertificate({ why: errno(failure) }, failure);
    return streamErrors.unreachable({ why: errno(failure) }, failure);
  }
}

function errno(failure: { code?: string }): string {
  return failure.code ?? 'unknown';
}

function tlsOptions(address: LinkAddress): tls.ConnectionOptions {
  const domain = domainToASCII(address.domain) || address.domain;
  return {
    host: address.host,
    port: address.port,
    // RFC 6066 §3: no IP address in SNI.
    ...(isIP(domain) === 0 ? { servername: domain } : {}),
    ALPNProtocols: ['xmpp-client'],
    minVersion: 'TLSv1.2',
    // Said here, so that NODE_TLS_REJECT_UNAUTHORIZED can't turn it off.
    rejectUnauthorized: true,
    checkServerIdentity: (_host, certificate) =>
      tls.checkServerIdentity(domain, certificate) ?? checkPin(certificate.raw, address.spkiPins),
    ...(address.extraCa === undefined ? {} : { ca: [...tls.getCACertificates('default'), address.extraCa] }),
  };
}

function checkPin(certificate: Buffer, pins: readonly string[]): Error | undefined {
  if (pins.length === 0) return undefined;
  const spki = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  if (pins.includes(createHash('sha256').update(spki).digest('base64'))) return undefined;
  return new Error('the key is not pinned', { cause: streamErrors.badCertificate({ why: 'pin' }) });
}
