/** When one-time keys are refilled and the signed pair is replaced: rules without clock, key or table. */

const DAY_MS = 24 * 60 * 60 * 1000;
/** A stock that ran low sooner after it was made than this shows that the account needs a larger one. */
const FAST_USE_MS = DAY_MS;
/**
 * Keys handed out and never used stay here, for a first message may be under way for long. Of one kind this many times
 * the largest stock are held: far more than the keys service can still offer.
 */
const HELD_STOCKS = 2;

export type PrekeySettings = Readonly<{
  /** One-time keys of each kind in a stock: at first, and as long as it lasts for more than a day. */
  initialPrekeys: number;
  /** In a stock of an account whose last one ran low within a day. At least `initialPrekeys`. */
  maxPrekeys: number;
  /** The share of `initialPrekeys` at which a stock is refilled, between 0 and 1. */
  refillBelow: number;
  /** Days after which a new signed and last-resort key are made. */
  rotationDays: number;
  /** Days for which a replaced pair still decrypts, from the day its successor was uploaded. */
  keepDays: number;
}>;

/**
 * How many one-time keys of a kind to make. None while some are unconfirmed: those are uploaded first.
 * @param stock `offered`: what the keys service says it holds; `unconfirmed`: made but not known to be there;
 *   `newestAgeMs`: age of the newest that is left; absent when messages have used them all.
 */
export function missingPrekeys(
  settings: PrekeySettings,
  stock: Readonly<{ offered: number; unconfirmed: number; newestAgeMs: number | undefined }>,
): number {
  if (stock.unconfirmed > 0 || stock.offered > settings.initialPrekeys * settings.refillBelow) return 0;
  const fast = stock.newestAgeMs === undefined || stock.newestAgeMs < FAST_USE_MS;
  return (fast ? settings.maxPrekeys : settings.initialPrekeys) - stock.offered;
}

/** How many one-time keys of a kind are held at most. */
export function heldPrekeys(settings: PrekeySettings): number {
  return settings.maxPrekeys * HELD_STOCKS;
}

/** Whether a signed pair of this age is due for a successor. */
export function pairIsDue(settings: PrekeySettings, ageMs: number): boolean {
  return ageMs >= settings.rotationDays * DAY_MS;
}

/** The time before which a pair must have been replaced to be deleted now. */
export function keptSinceMs(settings: PrekeySettings, nowMs: number): number {
  return nowMs - settings.keepDays * DAY_MS;
}
