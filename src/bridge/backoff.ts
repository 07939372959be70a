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
