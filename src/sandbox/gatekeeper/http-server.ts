/** What the gatekeeper's HTTP listeners share: JSON bodies with a limit, errors with the profile's face, start and stop. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import type { z } from 'zod';

import type { Log } from '../../model/ambient.ts';
import { BridgeError, codeOf } from '../../model/errors.ts';
import { gatekeeperErrors, httpFaceOf } from './gatekeeper-errors.ts';

/** An app that parses JSON of at most `bodyBytes`; add routes, then {@link answerErrors}. */
export function jsonApp(bodyBytes: number): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  // Whatever a body claims to be, here it is JSON.
  app.use(express.json({ limit: bodyBytes, type: () => true, strict: true }));
  return app;
}

/** A route whose failures go to {@link answerErrors}. */
export function route(handle: (request: Request, response: Response) => Promise<void>): RequestHandler {
  return (request, response, next) => {
    handle(request, response).catch(next);
  };
}

/** The token of `Authorization: Bearer`. @throws BridgeError `sandbox-gatekeeper/badToken`. */
export function bearerOf(request: Request): string {
  const token = /^Bearer ([\x21-\x7e]{1,8192})$/i.exec(request.headers.authorization ?? '')?.[1];
  if (token === undefined) throw gatekeeperErrors.badToken({ reason: 'no token' });
  return token;
}

/** @throws BridgeError `sandbox-gatekeeper/badRequest`, naming the member. */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw gatekeeperErrors.badRequest({ member: issue?.path.join('.'), reason: issue?.message });
}

/** The last handler of an app. */
export function answerErrors(log: Log): ErrorRequestHandler {
  return (failure: unknown, _request, response, next) => {
    if (response.headersSent) return next(failure);
    const known = toBridgeError(failure);
    const [status, error] = (known && httpFaceOf(known)) ?? [500, 'internal'];
    if (status === 500) log.error('request failed', { code: codeOf(failure) }, failure);
    const retry = known?.code === 'sandbox-gatekeeper/rateLimited' ? { retry_after_ms: 1000 } : {};
    response.status(status).json({ error, message: known?.message ?? 'internal error', ...retry });
  };
}

/** Listens on 127.0.0.1. @param port 0 for a free one. */
export async function listen(app: Express, port: number): Promise<{ url: string; close(): Promise<void> }> {
  const server = await new Promise<Server>((resolve, reject) => {
    const starting: Server = app.listen(port, '127.0.0.1', () => resolve(starting));
    starting.once('error', reject);
  });
  const { port: chosen } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${chosen}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        // Also those that a test keeps waiting for an answer.
        server.closeAllConnections();
      }),
  };
}

function toBridgeError(failure: unknown): BridgeError | undefined {
  if (failure instanceof BridgeError) return failure;
  // body-parser's errors carry the status they mean.
  const status = failure instanceof Error && 'status' in failure ? failure.status : undefined;
  if (status === 413) return gatekeeperErrors.tooLarge({}, failure);
  return typeof status === 'number' && status < 500
    ? gatekeeperErrors.badRequest({ reason: 'JSON' }, failure)
    : undefined;
}
