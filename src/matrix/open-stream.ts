/**
 * Requests that carry files, on node:http: `fetch` takes no length for a body that comes in pieces, and homeservers want one.
 * As with all requests to the homeserver: no redirects, and every failure is one of ours.
 */
import http from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { MatrixUserId } from '../model/ids.ts';
import { matrixErrors } from './errors.ts';
import { toConnectionError, toHomeserverError } from './homeserver-error.ts';
import { parseJson } from './json-object.ts';

/** A file on its way to the homeserver. `sizeBytes`: exactly what `source` gives. */
export type StreamBody = Readonly<{
  source: AsyncIterable<Uint8Array>;
  sizeBytes: number;
  contentType: string;
}>;

export interface StreamRequest {
  readonly method: 'GET' | 'POST';
  /** From `/_matrix` on, escaped. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: StreamBody;
  /** Whom the appservice speaks for; absent: its bot. */
  readonly as?: MatrixUserId;
}

export type OpenDeps = Readonly<{
  request: StreamRequest;
  /** For errors. */
  template: string;
  url: URL;
  token: string;
  /** Nothing moves, in neither direction, for so long: it ends. */
  silenceMs: number;
  signal: AbortSignal;
}>;

const MAX_REFUSAL_BYTES = 64 * 1024;

/** @returns the answer, when its status is one of 2xx. @throws BridgeError as all requests; what the body's source throws. */
export async function openStream(deps: OpenDeps): Promise<http.IncomingMessage> {
  const { template } = deps;
  let answer: http.IncomingMessage;
  let text = '';
  try {
    answer = await exchange(deps);
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    text = await readSome(answer, MAX_REFUSAL_BYTES);
  } catch (failure) {
    if (failure instanceof SourceFailure) throw failure.cause;
    throw toConnectionError(template, failure);
  }
  const status = answer.statusCode ?? 0;
  const retryAfter = answer.headers['retry-after'] ?? null;
  throw status >= 300 && status < 400
    ? matrixErrors.badAnswer({ request: template, status, reason: 'redirect' })
    : toHomeserverError({ request: template, status, body: parseJson(text), retryAfter });
}

/** @returns what the answer says, up to `maxBytes`; what is more is not read. */
export async function readSome(answer: http.IncomingMessage, maxBytes: number): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > maxBytes) break;
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** What the source of a body threw: it is no failure of the homeserver. */
class SourceFailure extends Error {}

function exchange({ request, url, token, silenceMs, signal }: OpenDeps): Promise<http.IncomingMessage> {
  const { method, body } = request;
  return new Promise((resolve, reject) => {
    const outgoing = (url.protocol === 'https:' ? https : http).request(url, {
      method,
      agent: false,
      signal,
      timeout: silenceMs,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'Content-Type': body.contentType, 'Content-Length': body.sizeBytes }),
      },
    });
    outgoing.once('timeout', () => outgoing.destroy(new DOMException('silence', 'TimeoutError')));
    outgoing.once('response', resolve);
    // May come again once the promise is settled, and then changes nothing.
    outgoing.on('error', reject);
    outgoing.on('close', () => reject(new DOMException('closed', 'AbortError')));
    if (body === undefined) {
      outgoing.end();
      return;
    }
    // strictContentLength is Node's: a source that gives more or less than it was said to would upset the connection.
    pipeline(Readable.from(exactly(body), { objectMode: false }), outgoing).catch((failure: unknown) => {
      if (failure instanceof SourceFailure) reject(failure);
    });
  });
}

async function* exactly({ source, sizeBytes }: StreamBody): AsyncGenerator<Uint8Array> {
  let left = sizeBytes;
  try {
    for await (const piece of source) {
      left -= piece.length;
      if (left < 0) break;
      yield piece;
    }
  } catch (cause) {
    throw new SourceFailure('source', { cause });
  }
  if (left !== 0) throw new SourceFailure('source', { cause: matrixErrors.badUpload({ sizeBytes }) });
}
