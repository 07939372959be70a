/**
 * When a signing key is published, signs, and goes: the rules alone, without clock, table or cryptography.
 *
 * The promise (interop profile §1): a token, from the moment it is minted until it expires, is verifiable with the JWKS
 * as any gatekeeper may hold it, that is, fetched from any of our processes at most one cache lifetime ago.
 *
 *   published ......... signs ................... last token expires .. dropped
 *   |- lead ----------->|- rotation -->|- token lifetime + leeway ---->|
 *
 * A key signs until another one does, so there is never a time without one: a rotation that comes late, because no
 * process was running, only lengthens the key's time.
 */

/** All in milliseconds and above zero. */
export type RotationRules = Readonly<{
  /** How long a key signs. At least `lead`; a shorter one is lengthened to it. */
  rotationMs: number;
  /** For how long a gatekeeper may keep the JWKS. */
  cacheMs: number;
  /** How often each process reads the keys. At most `cacheMs`. */
  refreshMs: number;
  tokenLifetimeMs: number;
}>;

export type KeyTimes = Readonly<{ kid: string; signsFromMs: number }>;

/** What is to be done now. `publish`: make the key that follows `after` (none: the first one). `drop`: delete these. */
export type RotationPlan<Key extends KeyTimes> = Readonly<{
  publish?: Readonly<{ signsFromMs: number; after: Key | undefined }>;
  drop: readonly Key[];
}>;

/** A gatekeeper may accept a token for a while after its end, and clocks differ. */
const EXPIRY_LEEWAY_MS = 120_000;

/**
 * How long before its first signature a key is published: two cache lifetimes, counted from when the last of our
 * processes has seen it. One would do if all clocks agreed; the other is what they may differ by.
 */
export function leadMs(rules: RotationRules): number {
  return 2 * rules.cacheMs + rules.refreshMs;
}

/** @param keys in any order. @returns the key that signs at `nowMs`; `undefined` only when there are none. */
export function signerAt<Key extends KeyTimes>(keys: readonly Key[], nowMs: number): Key | undefined {
  const ordered = inOrder(keys);
  // A clock that was set back may show a time before the first key: that one signs then, being published.
  return ordered.findLast((key) => key.signsFromMs <= nowMs) ?? ordered[0];
}

/** @param keys all that are published, in any order. */
export function planRotation<Key extends KeyTimes>(
  keys: readonly Key[],
  nowMs: number,
  rules: RotationRules,
): RotationPlan<Key> {
  const signer = signerAt(keys, nowMs);
  // Nobody can hold a JWKS of an issuer that has had no key yet: the first one signs at once.
  if (signer === undefined) return { publish: { signsFromMs: nowMs, after: undefined }, drop: [] };
  const ordered = inOrder(keys);
  const drop = ordered.filter((_, index) => {
    const signsUntilMs = ordered[index + 1]?.signsFromMs;
    return signsUntilMs !== undefined && signsUntilMs + rules.tokenLifetimeMs + EXPIRY_LEEWAY_MS < nowMs;
  });
  const hasNext = ordered.at(-1) !== signer;
  const due = signer.signsFromMs + rules.rotationMs - leadMs(rules) <= nowMs;
  if (hasNext || !due) return { drop };
  const signsFromMs = Math.max(nowMs + leadMs(rules), signer.signsFromMs + rules.rotationMs);
  return { publish: { signsFromMs, after: signer }, drop };
}

/**
 * Until when keys that were read at `readAtMs` are all that matter: a key that another process has made since then does
 * not sign before that, and a JWKS made from them may be cached no longer than that.
 */
export function knownUntilMs(readAtMs: number, rules: RotationRules): number {
  return readAtMs + 2 * rules.cacheMs;
}

function inOrder<Key extends KeyTimes>(keys: readonly Key[]): readonly Key[] {
  return keys.toSorted((a, b) => a.signsFromMs - b.signsFromMs || (a.kid < b.kid ? -1 : 1));
}
