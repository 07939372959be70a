/** One address and port, with an application and a server of its own: listeners share nothing but the handlers. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type Express, type NextFunction, type Request, type Response, type Router } from 'express';
import type { Clock, Log } from '../model/ambient.ts';
import { REFUSALS, refusalOf, refuse } from './answer.ts';
import { bodyGuard } from './body-guard.ts';
import { httpErrors } from './errors.ts';

/** What can be offered: to the homeserver, to gatekeepers, to a supervisor, to Prometheus. */
export type ResourceName = 'appservice' | 'public' | 'health' | 'metrics';

/** Answers the paths that are its own. A router hands on what it does not know; a RequestListener answers all it gets. */
export type Resource = RequestListener | Router;

/** `port` 0 takes a free one. */
export type ListenerSettings = Readonly<{
  bindAddress: string;
  port: number;
  resources: readonly ResourceName[];
}>;

/** What one client may take of us. Times in milliseconds. */
export type HttpLimits = Readonly<{
  /** From the connection, or the end of the last request, until the headers are in. */
  headersTimeoutMs: number;
  /** Until the whole request is in. */
  requestTimeoutMs: number;
  /** How often the two are looked at. */
  timeoutCheckMs: number;
  /** A connection on which nothing moves, in neither direction. */
  silenceTimeoutMs: number;
  /** How long a connection is kept for a next request: longer than reverse proxies do, so that they never meet a closed one. */
  keepAliveMs: number;
  /** All headers together. */
  headerBytes: number;
  headerCount: number;
  /** Bodies of every resource but the appservice, which checks the homeserver's token and a limit of its own first. */
  bodyBytes: number;
  connections: number;
}>;

export const DEFAULT_LIMITS: HttpLimits = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  timeoutCheckMs: 1_000,
  silenceTimeoutMs: 120_000,
  keepAliveMs: 65_000,
  headerBytes: 16_384,
  headerCount: 100,
  bodyBytes: 65_536,
  connections: 2_048,
};

const FULL_TOLD_EVERY_MS = 60_000;

/** Application Service API, with the paths that homeservers used before it had a version. */
const APPSERVICE_PATHS = /^\/(?:_matrix\/app|transactions|users|rooms)\//;

export class Listener {
  readonly #settings: ListenerSettings;
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #log: Log;
  #stopping = false;
  #fullToldMs = Number.NEGATIVE_INFINITY;

  constructor(deps: {
    settings: ListenerSettings;
    resources: Readonly<Record<ResourceName, Resource>>;
    limits: HttpLimits;
    clock: Clock;
    log: Log;
  }) {
    this.#settings = deps.settings;
    this.#clock = deps.clock;
    this.#log = deps.log.child({ bind_address: deps.settings.bindAddress, port: deps.settings.port });
    const application = this.#application(deps.resources, deps.limits);
    this.#server = serverWith(deps.limits, (request, response) => {
      // Express runs none of our steps for a target that it cannot parse (`http://[`), and would answer with its own page.
      application(request as Request, response as Response, () => refuse(response, REFUSALS.badRequest));
    });
    this.#server.on('drop', () => this.#tellFull());
  }

  /** @returns the port, which differs from the configured one when that is 0. @throws BridgeError `http/cannotListen` */
  async open(): Promise<number> {
    const { bindAddress, port, resources } = this.#settings;
    try {
      this.#server.listen({ host: bindAddress, port });
      await once(this.#server, 'listening');
    } catch (cause) {
      const why = cause instanceof Error ? String((cause as { code?: unknown }).code) : 'unknown';
      throw httpErrors.cannotListen({ address: bindAddress, port, why }, cause);
    }
    this.#server.on('error', (cause) => this.#log.error('listener failed', {}, cause));
    this.#log.info('listener open', { resources });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no more requests, lets those in progress end, and cuts what is left after `deadlineMs`. */
  async close(deadlineMs: number): Promise<void> {
    if (!this.#server.listening) return;
    this.#stopping = true;
    const closed = once(this.#server, 'close');
    // Closes the idle connections too; the others follow when their response is out.
    this.#server.close();
    const enough = new AbortController();
    const deadline = this.#clock.sleep(deadlineMs, enough.signal).then(
      () => this.#server.closeAllConnections(),
      () => {
        /* closed in time */
      },
    );
    await closed;
    enough.abort();
    await deadline;
  }

  /** Once a minute: who fills the listener must not fill the log too. */
  #tellFull(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#fullToldMs < FULL_TOLD_EVERY_MS) return;
    this.#fullToldMs = nowMs;
    this.#log.warn('listener full: connections refused');
  }

  #application(resources: Readonly<Record<ResourceName, Resource>>, limits: HttpLimits): Express {
    const names = this.#settings.resources;
    const app = express();
    app.disable('x-powered-by');
    app.disable('etag');
    app.set('query parser', false);
    app.use((_request, response, next) => {
      if (this.#stopping) response.setHeader('Connection', 'close');
      response.once('close', () => {
        if (this.#stopping) this.#server.closeIdleConnections();
      });
      next();
    });
    if (names.includes('appservice')) app.use(mounted(resources.appservice, APPSERVICE_PATHS));
    app.use(bodyGuard(limits.bodyBytes));
    for (const name of names) if (name !== 'appservice') app.use(mounted(resources[name]));
    app.use((_request, response) => refuse(response, REFUSALS.notFound));
    app.use((failure: unknown, request: Request, response: Response, _next: NextFunction) => {
      this.#refuse(failure, request, response);
    });
    return app;
  }

  #refuse(failure: unknown, request: IncomingMessage, response: Response): void {
    const refusal = refusalOf(failure);
    // No path: it may hold ids of people, and tokens where a client put them in the query.
    const facts = { method: request.method, status: refusal.status };
    if (refusal.status >= 500) this.#log.error('http request failed', facts, failure);
    else this.#log.debug('http request refused', facts, failure);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // The rest of a request that was not read must not be taken for the next one, nor be waited for.
    response.setHeader('Connection', 'close');
    refuse(response, refusal);
  }
}

function serverWith(limits: HttpLimits, application: RequestListener): Server {
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.timeoutCheckMs,
      keepAliveTimeout: limits.keepAliveMs,
    },
    application,
  );
  server.maxHeadersCount = limits.headerCount;
  server.maxConnections = limits.connections;
  server.timeout = limits.silenceTimeoutMs;
  return server;
}

/**
 * The resource as a step of the application, for all paths or only for those given. A promise that it returns may reject
 * as well as it may throw: express 4 sees only the latter.
 */
function mounted(resource: Resource, paths?: RegExp) {
  const handle = resource as (request: Request, response: Response, next: NextFunction) => unknown;
  return (request: Request, response: Response, next: NextFunction): void => {
    if (paths !== undefined && !paths.test(request.path)) {
      next();
      return;
    }
    const outcome = handle(request, response, next);
    if (outcome instanceof Promise) outcome.catch(next);
  };
}
