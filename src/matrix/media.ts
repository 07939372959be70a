/** Files on the homeserver (Matrix specification, "Content repository"), as streams both ways. */
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../model/ambient.ts';
import { BridgeError, hasCode } from '../model/errors.ts';
import type { MatrixUserId } from '../model/ids.ts';
import { matrixErrors } from './errors.ts';
import { toConnectionError } from './homeserver-error.ts';
import { isJsonObject, parseJson } from './json-object.ts';
import { readSome, type StreamBody } from './open-stream.ts';
import type { Transport } from './transport.ts';

/** A file that is being downloaded. */
export interface MatrixDownload {
  /** As the homeserver tells; `undefined` when it does not. The type is that of the uploader: not to be trusted. */
  readonly sizeBytes: number | undefined;
  readonly contentType: string | undefined;
  /** To be read to its end, or ended with `return`. @throws BridgeError `matrix/answerLost`, `matrix/fileTooLarge`. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** MSC3916: downloads that ask who it is. The other paths are for servers that do not know these yet. */
const AUTHENTICATED = '/_matrix/client/v1/media';
const OPEN = '/_matrix/media/v3';
const MAX_ANSWER_BYTES = 64 * 1024;
const LIMIT_AGE_MS = 60 * 60_000;
/** A server name and an id (Matrix specification, "Matrix Content (mxc://) URIs"). */
const MXC = /^mxc:\/\/([A-Za-z0-9.:[\]-]{1,255})\/([A-Za-z0-9_-]{1,255})$/;
const MEDIA_TYPE = /^[\w.+-]{1,100}\/[\w.+-]{1,100}$/;

export class MatrixMedia {
  readonly #transport: Transport;
  readonly #clock: Clock;
  #isAuthenticated = true;
  #limit: { readonly bytes: number | undefined; readonly atMs: number } | undefined;

  constructor(deps: { transport: Transport; clock: Clock }) {
    this.#transport = deps.transport;
    this.#clock = deps.clock;
  }

  /** As `MatrixSide.downloadMedia`. */
  async download(wish: { mxc: string; maxBytes: number; signal: AbortSignal }): Promise<MatrixDownload> {
    const { mxc, maxBytes, signal } = wish;
    const [, server, id] = MXC.exec(mxc) ?? [];
    if (server === undefined || id === undefined) throw matrixErrors.badEvent({ why: 'mxc' });
    const path = `/download/${encodeURIComponent(server)}/${encodeURIComponent(id)}`;
    const answer = await this.#withFallback(
      async (base) => await this.#transport.open({ method: 'GET', path: `${base}${path}` }, signal),
    );
    const told = answer.headers['content-length'];
    const sizeBytes = told === undefined ? undefined : Number(told);
    if (sizeBytes !== undefined && sizeBytes > maxBytes) {
      answer.destroy();
      throw matrixErrors.fileTooLarge({ limitBytes: maxBytes });
    }
    return { sizeBytes, contentType: answer.headers['content-type'], body: bodyOf(answer, maxBytes) };
  }

  /** As `MatrixSide.uploadMedia`. */
  async upload(wish: {
    as: MatrixUserId | undefined;
    file: StreamBody;
    signal: AbortSignal;
  }): Promise<string> {
    const { as, file, signal } = wish;
    const limitBytes = await this.uploadLimit();
    if (limitBytes !== undefined && file.sizeBytes > limitBytes)
      throw matrixErrors.fileTooLarge({ limitBytes });
    const contentType = MEDIA_TYPE.test(file.contentType) ? file.contentType : 'application/octet-stream';
    const request = { method: 'POST', path: `${OPEN}/upload`, body: { ...file, contentType } } as const;
    let answer: IncomingMessage;
    try {
      answer = await this.#transport.open(as === undefined ? request : { ...request, as }, signal);
    } catch (failure) {
      // The homeserver's own word for it, of a limit that we did not know.
      throw hasCode(failure, 'matrix/tooLarge') ? matrixErrors.fileTooLarge({}, failure) : failure;
    }
    const told = parseJson(
      await readSome(answer, MAX_ANSWER_BYTES).catch((failure: unknown) => {
        throw toConnectionError('POST /upload', failure);
      }),
    );
    const uri = isJsonObject(told) ? told.content_uri : undefined;
    if (typeof uri !== 'string' || !MXC.test(uri)) throw matrixErrors.badAnswer({ member: 'content_uri' });
    return uri;
  }

  /** `m.upload.size` in bytes, asked anew each hour; `undefined` where the homeserver tells none. */
  async uploadLimit(): Promise<number | undefined> {
    const known = this.#limit;
    if (known !== undefined && Math.abs(this.#clock.nowMs() - known.atMs) < LIMIT_AGE_MS) return known.bytes;
    const answer = await this.#withFallback(
      async (base) => await this.#transport.request({ method: 'GET', path: `${base}/config` }),
    );
    const size = answer['m.upload.size'];
    const bytes = typeof size === 'number' && size >= 0 ? size : undefined;
    this.#limit = { bytes, atMs: this.#clock.nowMs() };
    return bytes;
  }

  async #withFallback<T>(ask: (base: string) => Promise<T>): Promise<T> {
    if (!this.#isAuthenticated) return await ask(OPEN);
    try {
      return await ask(AUTHENTICATED);
    } catch (failure) {
      if (!hasCode(failure, 'matrix/unrecognized')) throw failure;
      const answer = await ask(OPEN);
      // Only now: a proxy that lost its way for a moment must not turn authentication off.
      this.#isAuthenticated = false;
      return answer;
    }
  }
}

async function* bodyOf(answer: IncomingMessage, maxBytes: number): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0;
  try {
    for await (const piece of answer as AsyncIterable<Buffer>) {
      sizeBytes += piece.length;
      if (sizeBytes > maxBytes) throw matrixErrors.fileTooLarge({ limitBytes: maxBytes });
      yield piece;
    }
  } catch (failure) {
    throw failure instanceof BridgeError ? failure : toConnectionError('GET /download/{}/{}', failure);
  }
}
