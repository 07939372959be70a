/** Wake-ups from the gatekeeper (docs/interop-profile.md §3): a JWT by its keys, good once, for us, and fresh. */
import { errors, type JWTPayload, jwtVerify } from 'jose';
import { z } from 'zod';
import type { Clock } from '../../model/ambient.ts';
import { networkErrors } from '../errors.ts';
import type { PushNotice } from '../network.ts';
import type { GatekeeperKeys } from './gatekeeper-keys.ts';

const MAX_TOKEN_LENGTH = 8_192;
/** Our clock and theirs may differ by this. */
const TOLERANCE_S = 30;
/** Profile §1 for our tokens; theirs are held to the same. */
const MAX_AGE_S = 300;
/**
 * Ids of tokens remembered, each for as long as its token could be taken. Past this the oldest is forgotten: a repeated
 * wake-up is harmless, filled memory is not.
 */
const MAX_REMEMBERED = 50_000;

const claimsSchema = z.object({
  sub: z.string().min(1).max(255),
  jti: z.string().min(1).max(128),
  iat: z.number(),
  exp: z.number(),
  event: z.string(),
});

const knownEvents: readonly string[] = ['message-waiting', 'suspended', 'terms-changed'];

/** Judges the pushes of one network. */
export class PushVerifier {
  readonly #keys: GatekeeperKeys;
  readonly #clock: Clock;
  readonly #audience: string;
  readonly #issuer: string;
  /** `jti` to the time from which its token is refused for age; oldest first. */
  readonly #seen = new Map<string, number>();

  /** @param deps `audience`: what the gatekeeper calls itself. `issuer`: what we do. */
  constructor(deps: { keys: GatekeeperKeys; clock: Clock; audience: string; issuer: string }) {
    this.#keys = deps.keys;
    this.#clock = deps.clock;
    this.#audience = deps.audience;
    this.#issuer = deps.issuer;
  }

  /** As `NetworkAdapter.verifyPush`. */
  async verify(token: string): Promise<PushNotice> {
    if (token.length > MAX_TOKEN_LENGTH) throw networkErrors.badPush({ why: 'too large' });
    const claims = claimsSchema.safeParse(await this.#payload(token));
    if (!claims.success) throw networkErrors.badPush({ why: 'claims' });
    const { sub, jti, iat, exp, event } = claims.data;
    if (exp - iat > MAX_AGE_S) throw networkErrors.badPush({ why: 'lifetime' });
    this.#remember(jti, (exp + TOLERANCE_S) * 1000);
    return { interopId: sub, event: isKnownEvent(event) ? event : 'unknown' };
  }

  async #payload(token: string): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, (header, jws) => this.#keys.find(header, jws), {
        algorithms: ['ES256'],
        issuer: this.#audience,
        audience: this.#issuer,
        requiredClaims: ['sub', 'iat', 'exp', 'jti'],
        maxTokenAge: MAX_AGE_S,
        clockTolerance: TOLERANCE_S,
        currentDate: new Date(this.#clock.nowMs()),
      });
      return payload;
    } catch (failure) {
      // The failure itself holds the token's claims: its code only.
      if (failure instanceof errors.JOSEError) throw networkErrors.badPush({ why: failure.code });
      throw failure;
    }
  }

  #remember(jti: string, untilMs: number): void {
    const nowMs = this.#clock.nowMs();
    for (const [old, oldUntilMs] of this.#seen) {
      if (oldUntilMs > nowMs && this.#seen.size < MAX_REMEMBERED) break;
      this.#seen.delete(old);
    }
    if (this.#seen.has(jti)) throw networkErrors.badPush({ why: 'repeated' });
    this.#seen.set(jti, untilMs);
  }
}

function isKnownEvent(event: string): event is Exclude<PushNotice['event'], 'unknown'> {
  return knownEvents.includes(event);
}
