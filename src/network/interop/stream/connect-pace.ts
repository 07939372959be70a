import type { Clock } from '../../../model/ambient.ts';

/** Whoever comes after so many that they would wait for longer goes with the last of them. */
const MOST_WAIT_MS = 10 * 60_000;

/**
 * One after the other to the same server, with a pause in between: a server that comes back must not meet all accounts at
 * once. Jitter alone does not do that: after a cut, thousands draw their first pause from the same fifth of a second.
 */
export class ConnectPace {
  readonly #clock: Clock;
  readonly #everyMs: number;
  #nextMs = Number.NEGATIVE_INFINITY;

  /** @param deps.everyMs between two attempts, at least. */
  constructor(deps: { clock: Clock; everyMs: number }) {
    this.#clock = deps.clock;
    this.#everyMs = deps.everyMs;
  }

  /** Resolves when it is the caller's turn, in the order of the calls; at once when nobody has come shortly before. */
  async turn(signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.nowMs();
    // A clock that was set back must not keep everybody out until it has caught up.
    const queuedMs = Math.min(Math.max(this.#nextMs - nowMs, 0), MOST_WAIT_MS);
    this.#nextMs = nowMs + queuedMs + this.#everyMs;
    if (queuedMs > 0) await this.#clock.sleep(queuedMs, signal);
  }
}
