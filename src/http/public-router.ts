/** What gatekeepers call: our OpenID documents, the push endpoint, hosted files (docs/interop-profile.md §1, §3, §7). */
import { type Request, type Response, Router } from 'express';
import { answer, REFUSALS, type Refusal, refuse } from './answer.ts';
import { bearerToken } from './bearer-token.ts';

/** The documents of our issuer; `jwks` says for how many seconds they may be cached, from 0. */
export interface PublicIssuer {
  discovery(): object;
  jwks(): Promise<Readonly<{ body: object; maxAgeS: number }>>;
}

/**
 * `bad-token`: not from a gatekeeper of ours, or not for us. `unknown`: the account it names is not here. `unavailable`: the
 * gatekeeper's keys cannot be had now, so nothing can be said about the token.
 */
export type PushOutcome = 'accepted' | 'unknown' | 'bad-token' | 'unavailable';

export type PublicRouterDeps = Readonly<{
  issuer: PublicIssuer;
  /** Checks the token and notes what it says; what follows from it must not be waited for. */
  onPush: (token: string) => Promise<PushOutcome>;
  /** Answers hosted files (`createMediaRouter`). Default: there are none. */
  media?: Router;
  /** The path of the public URL, when it has one: proxies may or may not take it off. Default: none. */
  basePath?: string;
}>;

const JWKS_PATH = '/.well-known/jwks.json';
const DISCOVERY_PATH = '/.well-known/openid-configuration';
const PUSH_PATH = '/interop/v1/push';
/** What the document says changes with the configuration only. */
const DISCOVERY_MAX_AGE_S = 300;

/** Pushes that are checked at the same time; each is a signature, and the first may have to fetch keys. */
const MOST_PUSHES_AT_ONCE = 64;

const PUSH_REFUSALS: Readonly<Record<Exclude<PushOutcome, 'accepted'>, Refusal>> = {
  'bad-token': REFUSALS.badToken,
  unknown: REFUSALS.notEnlisted,
  unavailable: REFUSALS.unavailable,
};

export function createPublicRouter(deps: PublicRouterDeps): Router {
  const routes = Router({ caseSensitive: true, strict: true });
  routes.get(DISCOVERY_PATH, (_request, response) => {
    response.setHeader('Cache-Control', `public, max-age=${DISCOVERY_MAX_AGE_S}`);
    answer(response, 200, deps.issuer.discovery());
  });
  routes.get(JWKS_PATH, (_request, response, next) => {
    jwks(deps.issuer, response).catch(next);
  });
  let pushes = 0;
  routes.post(PUSH_PATH, (request, response, next) => {
    if (pushes >= MOST_PUSHES_AT_ONCE) {
      refuse(response, REFUSALS.unavailable);
      return;
    }
    pushes++;
    push(deps.onPush, request, response)
      .catch(next)
      .finally(() => {
        pushes--;
      });
  });
  if (deps.media !== undefined) routes.use(deps.media);
  const router = Router({ caseSensitive: true, strict: true });
  const basePath = deps.basePath?.replace(/\/+$/, '') ?? '';
  if (basePath !== '') router.use(basePath, routes);
  router.use(routes);
  return router;
}

async function jwks(issuer: PublicIssuer, response: Response): Promise<void> {
  const { body, maxAgeS } = await issuer.jwks();
  response.setHeader('Cache-Control', `public, max-age=${maxAgeS}`);
  answer(response, 200, body);
}

async function push(onPush: PublicRouterDeps['onPush'], request: Request, response: Response): Promise<void> {
  const token = bearerToken(request.headers.authorization);
  const outcome = token === undefined ? 'bad-token' : await onPush(token);
  if (outcome === 'accepted') {
    response.setHeader('Cache-Control', 'no-store');
    answer(response, 202, {});
    return;
  }
  if (outcome === 'bad-token') response.setHeader('WWW-Authenticate', 'Bearer');
  refuse(response, PUSH_REFUSALS[outcome]);
}
