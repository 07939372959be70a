/** Liveness and readiness, for a supervisor or an orchestrator. */
import { type Response, Router } from 'express';
import { codeOf } from '../model/errors.ts';
import { answer } from './answer.ts';

/** How a thing that the bridge needs is, as last seen. `sinceMs`: epoch milliseconds. `code`: why, when it is not ok. */
export type HealthState = Readonly<{ ok: boolean; sinceMs: number; code?: string }>;

/** `name`: `homeserver`, `database`, `networks.<id>` … `read` tells what is known, at once: it asks nobody. */
export interface HealthCheck {
  readonly name: string;
  read(): HealthState;
}

/**
 * `/live`: 200 as long as the process answers at all; what it needs does not matter, a restart would not cure it.
 * `/ready`: 200 when every check is ok, else 503; the body tells each check either way. Both stand below `/_drawbridge`
 * too, for a proxy that forwards by prefix.
 */
export function createHealthRouter(checks: readonly HealthCheck[]): Router {
  const router = Router({ caseSensitive: true });
  router.get(['/live', '/_drawbridge/live'], (_request, response) => {
    answerFresh(response, 200, { live: true });
  });
  router.get(['/ready', '/_drawbridge/ready'], (_request, response) => {
    const told = checks.map((check) => [check.name, tell(check)] as const);
    const ready = told.every(([, state]) => state.ok);
    answerFresh(response, ready ? 200 : 503, { ready, checks: Object.fromEntries(told) });
  });
  return router;
}

function answerFresh(response: Response, status: number, body: object): void {
  response.setHeader('Cache-Control', 'no-store');
  answer(response, status, body);
}

function tell(check: HealthCheck): Readonly<{ ok: boolean; since?: string; error?: string }> {
  try {
    const { ok, sinceMs, code } = check.read();
    const since = new Date(sinceMs).toISOString();
    return ok ? { ok, since } : { ok, since, error: code ?? 'internal/unexpected' };
  } catch (failure) {
    // A check that fails says nothing good about what it checks; the others are told all the same.
    return { ok: false, error: codeOf(failure) };
  }
}
