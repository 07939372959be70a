/**
 * Gives out hosted files (docs/interop-profile.md §7): `GET` and `HEAD` of `/media/{id}`, with ranges (RFC 9110 §14). There is
 * no listing, and nothing is remembered of who asked for what is not there.
 */
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Request, type Response, Router } from 'express';
import { hasCode } from '../model/errors.ts';
import { REFUSALS, type Refusal, refuse } from './answer.ts';
import { bearerToken } from './bearer-token.ts';

/** A file of ciphertext. `network`: whose media proxy may fetch it. */
export type ServedFile = Readonly<{ id: string; network: string; sizeBytes: number }>;

/** `unavailable`: the keys that tell cannot be had now. */
export type MediaPermission = 'allowed' | 'bad-token' | 'unavailable';

export type MediaRouterDeps<File extends ServedFile> = Readonly<{
  /** @returns `undefined` when nothing is served under this id, whatever it is. */
  find: (id: string) => Promise<File | undefined>;
  /** Opens `start` to `end`, the latter not included. A throw of `media/gone` is a 404. */
  read: (file: File, range: { start: number; end: number }) => Promise<Readable>;
  /** Whether who shows this token, or none, may have files of the network. */
  permit: (network: string, token: string | undefined) => Promise<MediaPermission>;
  metrics: Readonly<{
    bytes(direction: 'served', bytes: number): void;
    refused(direction: 'served', code: string): void;
  }>;
}>;

/** Downloads at a time; of one file fewer, so that one contact cannot take all. */
const MOST_AT_ONCE = 256;
const MOST_OF_ONE = 16;

type Span = Readonly<{ start: number; end: number }>;

export function createMediaRouter<File extends ServedFile>(deps: MediaRouterDeps<File>): Router {
  const slots = new Slots();
  const router = Router({ caseSensitive: true, strict: true });
  router.get('/media/:id', (request, response, next) => {
    serve(deps, slots, request, response).catch(next);
  });
  return router;
}

async function serve<File extends ServedFile>(
  deps: MediaRouterDeps<File>,
  slots: Slots,
  request: Request,
  response: Response,
): Promise<void> {
  const refused = (refusal: Refusal): void => {
    deps.metrics.refused('served', refusal.error.replace('_', '-'));
    refuse(response, refusal);
  };
  const file = await deps.find(request.params.id ?? '');
  if (file === undefined) return refused(REFUSALS.notFound);
  const permission = await deps.permit(file.network, bearerToken(request.headers.authorization));
  if (permission === 'unavailable') return refused(REFUSALS.unavailable);
  if (permission === 'bad-token') {
    response.setHeader('WWW-Authenticate', 'Bearer');
    return refused(REFUSALS.badToken);
  }
  describe(response, file);
  if (isKnown(request.headers['if-none-match'], file)) {
    response.removeHeader('Content-Type');
    response.writeHead(304).end();
    return;
  }
  const span = spanOf(request, file);
  if (span === 'unsatisfiable') {
    response.setHeader('Content-Range', `bytes */${file.sizeBytes}`);
    return refused(REFUSALS.badRange);
  }
  if (request.method === 'HEAD') {
    response.setHeader('Content-Length', file.sizeBytes);
    response.end();
    return;
  }
  const release = slots.take(file.id);
  if (release === undefined) return refused(REFUSALS.unavailable);
  try {
    await send(deps, file, span, response);
  } catch (failure) {
    if (response.headersSent || !hasCode(failure, 'media/gone')) throw failure;
    refused(REFUSALS.notFound);
  } finally {
    release();
  }
}

async function send<File extends ServedFile>(
  deps: MediaRouterDeps<File>,
  file: File,
  span: Span | undefined,
  response: Response,
): Promise<void> {
  const { start, end } = span ?? { start: 0, end: file.sizeBytes };
  const body = await deps.read(file, { start, end });
  response.statusCode = span === undefined ? 200 : 206;
  response.setHeader('Content-Length', end - start);
  if (span !== undefined) response.setHeader('Content-Range', `bytes ${start}-${end - 1}/${file.sizeBytes}`);
  body.on('data', (piece: Buffer) => deps.metrics.bytes('served', piece.length));
  try {
    await pipeline(body, response);
  } catch (failure) {
    // Who asked has gone: nobody is left to be answered.
    if (response.errored === null && response.destroyed && !body.errored) return;
    throw failure;
  }
}

/** What is the same for each answer about a file that is there. No browser is to make anything of it. */
function describe(response: Response, file: ServedFile): void {
  response.setHeader('ETag', etagOf(file));
  response.setHeader('Accept-Ranges', 'bytes');
  response.setHeader('Content-Type', 'application/octet-stream');
  response.setHeader('Content-Disposition', 'attachment');
  response.setHeader('Cache-Control', 'private, no-cache');
  response.setHeader('Content-Security-Policy', "default-src 'none'; sandbox");
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  response.setHeader('Referrer-Policy', 'no-referrer');
  response.setHeader('X-Content-Type-Options', 'nosniff');
}

/**
 * @returns `undefined` for the whole file: also where several ranges are asked for, or none that can be understood, as RFC
 *   9110 §14.2 allows, and where `If-Range` names another file (§13.1.5).
 */
function spanOf(request: Request, file: ServedFile): Span | 'unsatisfiable' | undefined {
  const condition = request.headers['if-range'];
  if (request.method !== 'GET' || (condition !== undefined && condition !== etagOf(file))) return undefined;
  const ranges = request.range(file.sizeBytes);
  if (ranges === -1) return 'unsatisfiable';
  const only =
    Array.isArray(ranges) && ranges.type === 'bytes' && ranges.length === 1 ? ranges[0] : undefined;
  return only === undefined ? undefined : { start: only.start, end: only.end + 1 };
}

/** RFC 9110 §13.1.2. The file under an id never changes. */
function isKnown(condition: string | undefined, file: ServedFile): boolean {
  const tags = condition?.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags?.some((tag) => tag === '*' || tag === etagOf(file)) ?? false;
}

function etagOf({ id }: ServedFile): string {
  return `"${id}"`;
}

class Slots {
  readonly #taken = new Map<string, number>();
  #all = 0;

  /** @returns what gives it back, or `undefined` when none is free. */
  take(id: string): (() => void) | undefined {
    const own = this.#taken.get(id) ?? 0;
    if (this.#all >= MOST_AT_ONCE || own >= MOST_OF_ONE) return undefined;
    this.#all += 1;
    this.#taken.set(id, own + 1);
    return () => {
      this.#all -= 1;
      const left = (this.#taken.get(id) ?? 1) - 1;
      if (left === 0) this.#taken.delete(id);
      else this.#taken.set(id, left);
    };
  }
}
