/** How a failure is told in a log line. */
import { BridgeError, codeOf } from '../model/errors.ts';
import { errorName } from './redactor.ts';

const MAX_CAUSES = 8;
const SAFE_CODE = /^[\w.:/-]{1,64}$/;

/**
 * The failure and what caused it, outermost first, at most eight. Ours in full (its message is code and ids); a foreign one
 * only by name and code, since its message may quote what it was given.
 */
export type CauseFacts = Readonly<{ code: string; causes: readonly string[]; stack?: string }>;

/** @param withStack adds the whole text with stacks, foreign messages included: for `debug` only. */
export function causeFacts(cause: unknown, withStack: boolean): CauseFacts {
  const chain = chainOf(cause);
  return {
    code: codeOf(cause),
    causes: chain.map(tell),
    ...(withStack && { stack: chain.map(stackOf).join('\ncaused by ') }),
  };
}

function chainOf(cause: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  let next = cause;
  while (next !== undefined && next !== null && chain.length < MAX_CAUSES && !chain.includes(next)) {
    chain.push(next);
    next = causeOf(next);
  }
  return chain;
}

/** Node gathers failed connection attempts in an AggregateError; the first of them says why. */
function causeOf(failure: unknown): unknown {
  if (!(failure instanceof Error)) return undefined;
  return failure.cause ?? (failure instanceof AggregateError ? (failure.errors as unknown[])[0] : undefined);
}

function tell(failure: unknown): string {
  if (failure instanceof BridgeError) return failure.message;
  if (!(failure instanceof Error)) return `[${typeof failure}]`;
  const code = (failure as { code?: unknown }).code;
  const shown = typeof code === 'number' || (typeof code === 'string' && SAFE_CODE.test(code));
  return shown ? `${errorName(failure)} ${code}` : errorName(failure);
}

function stackOf(failure: unknown): string {
  return failure instanceof Error ? (failure.stack ?? failure.message) : tell(failure);
}
