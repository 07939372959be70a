/** The API's refusals (docs/interop-profile.md §2, "Errors") as errors of ours. Pure. */
import { z } from 'zod';
import type { BridgeError, ErrorFactory } from '../../model/errors.ts';
import { networkErrors } from '../errors.ts';
import type { HttpAnswer } from './http-client.ts';

/** A gatekeeper may not put an account to sleep for longer than this. */
const MAX_RETRY_AFTER_MS = 24 * 3_600_000;

const byCode: Readonly<Record<string, { readonly status: number; readonly make: ErrorFactory }>> = {
  bad_request: { status: 400, make: networkErrors.refused },
  bad_token: { status: 401, make: networkErrors.badToken },
  region_not_allowed: { status: 403, make: networkErrors.regionNotAllowed },
  suspended: { status: 403, make: networkErrors.suspended },
  terms_outdated: { status: 403, make: networkErrors.termsOutdated },
  not_enlisted: { status: 404, make: networkErrors.notEnlisted },
  identity_in_use: { status: 409, make: networkErrors.identityInUse },
  too_large: { status: 413, make: networkErrors.tooLarge },
  rate_limited: { status: 429, make: networkErrors.rateLimited },
  unavailable: { status: 503, make: networkErrors.unavailable },
};

const bodySchema = z.object({
  error: z.string(),
  retry_after_ms: z.number().min(0).optional().catch(undefined),
});

/**
 * A code counts only with its status. Whatever else a proxy on the way may answer is told apart by status alone. The
 * message is left out: it may quote what we sent.
 */
export function toError(answer: HttpAnswer): BridgeError {
  const { status } = answer;
  const body = bodyOf(answer);
  const facts = { status, retryAfterMs: clamp(body?.retry_after_ms ?? answer.retryAfterMs) };
  const known = body !== undefined && Object.hasOwn(byCode, body.error) ? byCode[body.error] : undefined;
  if (known?.status === status) return known.make(facts);
  if (status === 401) return networkErrors.badToken(facts);
  if (status === 413) return networkErrors.tooLarge(facts);
  if (status === 429) return networkErrors.rateLimited(facts);
  if (status === 503) return networkErrors.unavailable(facts);
  // Any other fault of a server may have come after the work was done.
  if (status >= 500) return networkErrors.unanswered(facts);
  return status >= 400 ? networkErrors.refused(facts) : networkErrors.badAnswer({ ...facts, why: 'status' });
}

/** Whether the API itself gave this code as the reason. */
export function hasErrorCode(answer: HttpAnswer, code: string): boolean {
  return bodyOf(answer)?.error === code;
}

function bodyOf(answer: HttpAnswer): z.infer<typeof bodySchema> | undefined {
  try {
    return bodySchema.safeParse(JSON.parse(answer.body.toString('utf8'))).data;
  } catch {
    // Not JSON: the status says what there is to know.
    return undefined;
  }
}

function clamp(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.min(Math.round(ms), MAX_RETRY_AFTER_MS);
}
