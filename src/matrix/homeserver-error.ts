import type { BridgeError, ErrorFacts } from '../model/errors.ts';
import { matrixErrors } from './errors.ts';
import { isJsonObject } from './json-object.ts';

type ErrorName = keyof typeof matrixErrors;

// Longer than any homeserver asks for; a wrong number must not stop a queue for a year.
const MAX_RETRY_AFTER_MS = 3_600_000;

// Matrix specification, "Standard error response".
const BY_ERRCODE: Readonly<Record<string, ErrorName>> = {
  M_LIMIT_EXCEEDED: 'rateLimited',
  M_UNKNOWN_TOKEN: 'badToken',
  M_MISSING_TOKEN: 'badToken',
  M_TOO_LARGE: 'tooLarge',
  M_FORBIDDEN: 'forbidden',
  M_EXCLUSIVE: 'forbidden',
  M_USER_DEACTIVATED: 'forbidden',
  M_NOT_FOUND: 'notFound',
  M_UNRECOGNIZED: 'unrecognized',
  M_USER_IN_USE: 'userInUse',
  M_ROOM_IN_USE: 'roomInUse',
  M_UNKNOWN_DEVICE: 'unknownDevice',
  M_RESOURCE_LIMIT_EXCEEDED: 'homeserverFailed',
};

// An answer without errcode comes from a proxy: only what a proxy can know is believed.
const BY_STATUS: Readonly<Record<number, ErrorName>> = { 413: 'tooLarge', 429: 'rateLimited' };

/** The error for an answer outside 2xx. `body` is the parsed JSON, or `undefined` when it is none. */
export function toHomeserverError(
  answer: Readonly<{ request: string; status: number; body: unknown; retryAfter: string | null }>,
): BridgeError {
  const { request, status, body } = answer;
  const said = isJsonObject(body) && typeof body.errcode === 'string' ? body.errcode : undefined;
  const errcode = said !== undefined && /^[A-Za-z0-9_.]{1,64}$/.test(said) ? said : undefined;
  // Only own members: a code may be spelt `constructor`.
  const known = errcode !== undefined && Object.hasOwn(BY_ERRCODE, errcode) ? BY_ERRCODE[errcode] : undefined;
  const name = known ?? BY_STATUS[status] ?? fallback(status, errcode);
  const facts: ErrorFacts = {
    request,
    status,
    errcode,
    retryAfterMs: name === 'rateLimited' ? retryAfterMs(answer) : undefined,
  };
  return matrixErrors[name](facts);
}

function fallback(status: number, errcode: string | undefined): ErrorName {
  if (status >= 500 || status === 408) return 'homeserverFailed';
  return errcode === undefined ? 'badAnswer' : 'refused';
}

function retryAfterMs({
  body,
  retryAfter,
}: {
  body: unknown;
  retryAfter: string | null;
}): number | undefined {
  // The header is the specification's word since 1.10, the member that of before; a date in the header is not read.
  const header = retryAfter !== null && /^\d{1,9}$/.test(retryAfter) ? Number(retryAfter) * 1000 : undefined;
  const member = isJsonObject(body) ? body.retry_after_ms : undefined;
  const told = typeof member === 'number' && member >= 0 ? member : header;
  return told === undefined ? undefined : Math.min(Math.ceil(told), MAX_RETRY_AFTER_MS);
}

/** Causes that come before a connection stands, so that nothing can have arrived. */
const NOT_CONNECTED =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EAI_FAIL|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_.*|ERR_SSL_.*|CERT_.*|UNABLE_TO_.*|SELF_SIGNED_.*|DEPTH_ZERO_.*|HOSTNAME_MISMATCH)$/;

/** The error for a request that got no answer: `failure` is what `fetch` threw. */
export function toConnectionError(request: string, failure: unknown): BridgeError {
  const cause = causeCode(failure);
  const facts = { request, cause };
  return cause !== undefined && NOT_CONNECTED.test(cause)
    ? matrixErrors.homeserverUnreachable(facts, failure)
    : matrixErrors.answerLost(facts, failure);
}

function causeCode(failure: unknown): string | undefined {
  if (!(failure instanceof Error)) return undefined;
  // `fetch` wraps what happened; the deadline and our own stop come bare.
  const inner: unknown = failure.cause ?? failure;
  const code = isJsonObject(inner) ? inner.code : undefined;
  if (typeof code === 'string') return code.slice(0, 64);
  return failure.name === 'TypeError' ? undefined : failure.name;
}
