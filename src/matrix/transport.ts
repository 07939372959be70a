import type { IncomingMessage } from 'node:http';
import { BridgeError, codeOf } from '../model/errors.ts';
import type { MatrixUserId } from '../model/ids.ts';
import { matrixErrors } from './errors.ts';
import { toConnectionError, toHomeserverError } from './homeserver-error.ts';
import { isJsonObject, type JsonObject, parseJson } from './json-object.ts';
import type { MatrixDeps } from './matrix.ts';
import { openStream, type StreamRequest } from './open-stream.ts';

const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface HomeserverRequest {
  readonly method: Method;
  /** From `/_matrix` on, escaped. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: JsonObject;
  /** Whom the appservice speaks for; absent: its bot. */
  readonly as?: MatrixUserId;
}

/**
 * One request, one answer: with a deadline, a limit on the answer's size, no redirects (the token goes nowhere else), and
 * every failure as one of ours. Stands in the place of the bot-sdk's HTTP client, which has neither deadline nor limit,
 * logs bodies, and cannot tell whether a request went out.
 */
export class Transport {
  readonly #deps: Pick<MatrixDeps, 'settings' | 'clock' | 'log' | 'metrics'>;
  readonly #base: string;
  readonly #stopped = new AbortController();

  constructor(deps: Pick<MatrixDeps, 'settings' | 'clock' | 'log' | 'metrics'>) {
    this.#deps = deps;
    this.#base = deps.settings.homeserverUrl.replace(/\/+$/, '');
  }

  /** @param signal ends it early, as `matrix/answerLost`. */
  async request(request: HomeserverRequest, signal?: AbortSignal): Promise<JsonObject> {
    return await this.#told(request, async (template) => await this.#exchange(request, template, signal));
  }

  /**
   * Opens a request whose body or answer is too large to be held. No deadline, but an end when nothing moves for as long as
   * other requests may take in all. The answer is one of 2xx; its body may fail later, with Node's own errors.
   */
  async open(request: StreamRequest, signal: AbortSignal): Promise<IncomingMessage> {
    return await this.#told(request, async (template) => {
      const { asToken, requestTimeoutMs } = this.#deps.settings;
      const query = new URLSearchParams({ ...request.query, ...(request.as && { user_id: request.as }) });
      return await openStream({
        request,
        template,
        url: new URL(`${this.#base}${request.path}${query.size > 0 ? `?${query}` : ''}`),
        token: asToken,
        silenceMs: requestTimeoutMs,
        signal: AbortSignal.any([this.#stopped.signal, signal]),
      });
    });
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #told<T>(
    request: Pick<HomeserverRequest, 'method' | 'path'>,
    work: (template: string) => Promise<T>,
  ): Promise<T> {
    const { clock, log, metrics } = this.#deps;
    const template = `${request.method} ${toPathTemplate(request.path)}`;
    const startedMs = clock.nowMs();
    let outcome = 'ok';
    try {
      return await work(template);
    } catch (failure) {
      outcome = codeOf(failure);
      // The caller decides what it means: this is for who follows one request.
      log.debug('homeserver request failed', { request: template, code: outcome }, failure);
      throw failure;
    } finally {
      metrics?.request(template, outcome, Math.max(0, clock.nowMs() - startedMs) / 1000);
    }
  }

  async #exchange(request: HomeserverRequest, template: string, signal?: AbortSignal): Promise<JsonObject> {
    const { asToken, requestTimeoutMs } = this.#deps.settings;
    const { method, body } = request;
    const query = new URLSearchParams({ ...request.query, ...(request.as && { user_id: request.as }) });
    const ends = [this.#stopped.signal, AbortSignal.timeout(requestTimeoutMs), ...(signal ? [signal] : [])];
    let response: Response;
    let text: string | undefined;
    try {
      response = await fetch(`${this.#base}${request.path}${query.size > 0 ? `?${query}` : ''}`, {
        method,
        headers: {
          Authorization: `Bearer ${asToken}`,
          Accept: 'application/json',
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        },
        redirect: 'manual',
        signal: AbortSignal.any(ends),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await readText(response);
    } catch (failure) {
      if (failure instanceof BridgeError) throw failure;
      throw toConnectionError(template, failure);
    }
    const { status } = response;
    if (text === undefined) throw matrixErrors.badAnswer({ request: template, status, reason: 'too large' });
    const answer = parseJson(text);
    if (!response.ok) {
      const retryAfter = response.headers.get('retry-after');
      throw toHomeserverError({ request: template, status, body: answer, retryAfter });
    }
    if (!isJsonObject(answer))
      throw matrixErrors.badAnswer({ request: template, status, reason: 'no JSON object' });
    return answer;
  }
}

/** @returns `undefined` when there is more than the limit. */
async function readText(response: Response): Promise<string | undefined> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop cancels the body, which closes the connection.
  for await (const piece of response.body ?? []) {
    size += piece.length;
    if (size > MAX_ANSWER_BYTES) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** Path segments that are followed by so many parameters. */
const PARAMETERS: Readonly<Record<string, number>> = {
  rooms: 1,
  send: 2,
  state: 2,
  redact: 2,
  receipt: 2,
  typing: 1,
  event: 1,
  join: 1,
  room: 1,
  profile: 1,
  devices: 1,
  appservice: 1,
  download: 2,
};

/**
 * A path without its parameters, for logs and metrics: few values, and no ids.
 * @example `/_matrix/client/v3/rooms/!a/send/m.room.message/1` → `/rooms/{}/send/{}/{}`
 */
export function toPathTemplate(path: string): string {
  let parameters = 0;
  const segments = path.replace(/^\/_matrix\/(?:client|media)(\/v\d+|(?=\/versions))/, '').split('/');
  return segments
    .map((segment) => {
      if (parameters > 0) {
        parameters -= 1;
        return '{}';
      }
      parameters = Object.hasOwn(PARAMETERS, segment) ? (PARAMETERS[segment] ?? 0) : 0;
      return segment;
    })
    .join('/');
}
