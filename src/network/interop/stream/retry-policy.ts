/** When to connect again, from what ended the last attempt. Pure: chance and time are handed in. */
import { type BridgeError, hasCode } from '../../../model/errors.ts';

const baseMs = 200;
const capMs = 60_000;
/** A token or a server that refuses us won't be another one in a second, and logins are counted. */
const refusedBaseMs = 120_000;
const refusedCapMs = 30 * 60_000;

/** What an attempt came to. `hadProgress`: messages crossed, or it stayed online for a while. */
export interface AttemptEnd {
  readonly reason: BridgeError;
  readonly hadProgress: boolean;
}

/** `stop`: another client holds our place; to come back would be a war of reconnects. */
export type NextStep = { readonly kind: 'retry'; readonly afterMs: number } | { readonly kind: 'stop' };

export class RetryPolicy {
  #failures = 0;
  #refusals = 0;

  /** @param fraction in [0, 1): full jitter, so that a thousand accounts don't return in one instant. */
  next(end: AttemptEnd, fraction: number): NextStep {
    if (hasCode(end.reason, 'stream/conflict')) return { kind: 'stop' };
    if (isRefusal(end.reason)) return this.#afterRefusal(end.reason, fraction);
    this.#refusals = 0;
    if (end.hadProgress) this.#failures = 0;
    const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(this.#failures, 20));
    this.#failures += 1;
    return { kind: 'retry', afterMs: Math.round(fraction * ceiling) };
  }

  /** The token may have aged between minting and use: one more at once, then slowly. */
  #afterRefusal(reason: BridgeError, fraction: number): NextStep {
    const isFirst = this.#refusals === 0 && hasCode(reason, 'stream/notAuthorized');
    this.#refusals += 1;
    if (isFirst) return { kind: 'retry', afterMs: 0 };
    const ceiling = Math.min(refusedCapMs, refusedBaseMs * 2 ** Math.min(this.#refusals - 1, 10));
    // Half of it is fixed: a refusal must never be followed by a quick try.
    return { kind: 'retry', afterMs: Math.round(ceiling / 2 + (fraction * ceiling) / 2) };
  }
}

function isRefusal(reason: BridgeError): boolean {
  return ['stream/notAuthorized', 'stream/featureMissing', 'stream/redirected'].includes(reason.code);
}
