/** The machine's clock. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../model/ambient.ts';

/** A longer delay would overflow Node's timers, which then fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Real time. A pending `sleep` keeps the process alive; a negative or zero wait still yields to the event loop once. An
 * aborted sleep rejects with the signal's own reason, also when it was aborted before.
 */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: async (ms, signal) => {
    let left = Math.max(0, ms);
    try {
      do {
        const step = Math.min(left, LONGEST_TIMER_MS);
        await delay(step, undefined, signal && { signal });
        left -= step;
      } while (left > 0);
    } catch (failure) {
      // timers/promises rejects with an AbortError of its own; the contract promises the signal's reason.
      throw signal?.aborted ? signal.reason : failure;
    }
  },
};
