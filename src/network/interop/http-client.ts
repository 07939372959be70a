/**
 * Requests to a gatekeeper's servers: one connection each, a deadline over the whole of it, a bound on the answer, no
 * redirects. On node:https, because `fetch` cannot be given a certificate authority of its own.
 */
import http from 'node:http';
import https from 'node:https';
import tls, { TLSSocket } from 'node:tls';
import type { Clock } from '../../model/ambient.ts';
import { BridgeError } from '../../model/errors.ts';
import { networkErrors } from '../errors.ts';

/** One request; nothing is sent that is not named here. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: URL;
  /** Goes into `Authorization: Bearer`. */
  readonly token?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** A larger answer is refused as soon as it grows past this. */
  readonly maxAnswerBytes: number;
  readonly signal?: AbortSignal;
}

/** A whole answer, within its bound. */
export interface HttpAnswer {
  readonly status: number;
  /** Of `Retry-After` in seconds (RFC 9110 §10.2.3); dates are not understood. */
  readonly retryAfterMs: number | undefined;
  readonly body: Buffer;
}

/** So many at once for one server; more wait for their turn, within their deadline. */
const MAX_CONNECTIONS = 16;

/** For one network. Holds no connection between requests, so there is nothing to close. */
export class HttpClient {
  readonly #agents: { readonly 'http:': http.Agent; readonly 'https:': https.Agent };
  readonly #timeoutMs: number;
  readonly #clock: Clock;

  /** @param deps `ca`: PEM, trusted beside the usual authorities. `timeoutMs`: for a whole request. */
  constructor(deps: { clock: Clock; timeoutMs: number; ca?: string }) {
    const options = { keepAlive: false, maxSockets: MAX_CONNECTIONS };
    const ca = deps.ca === undefined ? {} : { ca: [...tls.getCACertificates('default'), deps.ca] };
    this.#agents = {
      'http:': new http.Agent(options),
      'https:': new https.Agent({ ...options, ...ca, minVersion: 'TLSv1.2' }),
    };
    this.#timeoutMs = deps.timeoutMs;
    this.#clock = deps.clock;
  }

  /**
   * Any status but a redirect is an answer.
   * @throws BridgeError `network/unreachable`, `untrusted`, `unanswered`, `badAnswer`; the signal's reason.
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    request.signal?.throwIfAborted();
    const done = new AbortController();
    const late = new AbortController();
    this.#clock.sleep(this.#timeoutMs, done.signal).then(
      () => late.abort(),
      () => {
        // The request ended before its deadline.
      },
    );
    const signals = request.signal === undefined ? [late.signal] : [late.signal, request.signal];
    try {
      return await this.#exchange(request, AbortSignal.any(signals));
    } catch (failure) {
      request.signal?.throwIfAborted();
      throw failure;
    } finally {
      done.abort();
    }
  }

  #exchange(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const { url } = request;
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const isSecure = url.protocol === 'https:';
    return new Promise((resolve, reject) => {
      let isConnected = false;
      let isAnswered = false;
      const outgoing = (isSecure ? https : http).request(url, {
        method: request.method,
        agent: isSecure ? this.#agents['https:'] : this.#agents['http:'],
        headers: headersFor(request.token, body),
        signal,
      });
      const fail = (cause: unknown) => {
        const { socket } = outgoing;
        reject(failureOf({ host: url.host, cause, isConnected, socket, isLate: signal.aborted }));
      };
      outgoing.on('socket', (socket) => {
        socket.once(isSecure ? 'secureConnect' : 'connect', () => {
          isConnected = true;
        });
      });
      // May come again once the promise is settled, and then changes nothing.
      outgoing.on('error', fail);
      outgoing.on('response', (incoming) => {
        isAnswered = true;
        collect(incoming, request.maxAnswerBytes).then(resolve, fail);
      });
      // Node tells of some ends in no other way, such as that of an unwanted "101 Switching Protocols".
      outgoing.on('close', () => {
        if (!isAnswered) fail(undefined);
      });
      outgoing.end(body);
    });
  }
}

function headersFor(token: string | undefined, body: string | undefined): http.OutgoingHttpHeaders {
  return {
    accept: 'application/json',
    'user-agent': 'Drawbridge',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
  };
}

async function collect(incoming: http.IncomingMessage, maxBytes: number): Promise<HttpAnswer> {
  const status = incoming.statusCode ?? 0;
  if (status >= 300 && status < 400) throw networkErrors.badAnswer({ status, why: 'redirect' });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw networkErrors.badAnswer({ status, why: 'too large', limitBytes: maxBytes });
    chunks.push(chunk);
  }
  return {
    status,
    retryAfterMs: secondsToMs(incoming.headers['retry-after']),
    body: Buffer.concat(chunks, size),
  };
}

function secondsToMs(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) * 1000 : undefined;
}

/** Tells apart what never left us and what may have arrived. */
function failureOf(failure: {
  readonly host: string;
  readonly cause: unknown;
  readonly isConnected: boolean;
  readonly socket: unknown;
  readonly isLate: boolean;
}): BridgeError {
  const { cause, host, socket } = failure;
  if (cause instanceof BridgeError) return cause;
  const why = failure.isLate ? 'deadline' : codeIn(cause);
  if (failure.isConnected) {
    // HPE_: node's parser of HTTP did not understand the answer.
    const isGarbage = why?.startsWith('HPE_') === true;
    return (isGarbage ? networkErrors.badAnswer : networkErrors.unanswered)({ host, why }, cause);
  }
  // Typed as always there, but set only once a certificate was looked at and refused.
  const isUntrusted = socket instanceof TLSSocket && Boolean(socket.authorizationError);
  return (isUntrusted ? networkErrors.untrusted : networkErrors.unreachable)({ host, why }, cause);
}

function codeIn(failure: unknown): string | undefined {
  const code = failure instanceof Error && 'code' in failure ? failure.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
