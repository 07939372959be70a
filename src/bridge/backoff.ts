import type { Random } from '../model/ambient.ts';

/**
 * How long to wait before attempt `attempt + 1`: full jitter over an exponential bound, so that many waiters spread.
 * @param attempt failures so far, from 1.
 * @returns milliseconds between `firstMs / 2` and `mostMs`.
 */
export function backoffMs(attempt: number, random: Random, firstMs = 1_000, mostMs = 5 * 60_000): number {
  const bound = Math.min(mostMs, firstMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(bound / 2 + (bound / 2) * random.fraction());
}

/** No stored row waits for longer than this without being looked at. */
export const LONGEST_WAIT_MS = 15 * 60_000;

/**
 * When a stored row may be tried again. One that would wait for longer than any does was written before the machine's clock
 * was set back: it is due now, instead of after as long as the clock was wrong.
 * @returns epoch milliseconds by the clock of now.
 */
export function dueAtMs(notBeforeMs: number, nowMs: number): number {
  return notBeforeMs > nowMs + LONGEST_WAIT_MS ? nowMs : notBeforeMs;
}
