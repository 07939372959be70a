/**
 * Proof tokens, as a gatekeeper judges them (docs/interop-profile.md, section 1): the rules on header and claims, pure,
 * and the judge that adds signature, issuer and single use.
 */
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import { z } from 'zod';

import type { Clock } from '../../model/ambient.ts';
import { gatekeeperErrors } from './gatekeeper-errors.ts';
import type { IssuerKeys } from './issuer-keys.ts';

export type Scope = 'enlist' | 'connect' | 'api';

/** A token that passed. */
export interface Proof {
  readonly issuer: string;
  /** The visible identifier: a Matrix user id, or a phone's localpart. */
  readonly subject: string;
  readonly scope: Scope;
  /** SHA-256 of the serialised identity key; 32 bytes in base64url. */
  readonly signalIdentity: string;
  /** Absent before enlistment. */
  readonly interopId: string | undefined;
  readonly tokenId: string;
  /** Epoch seconds. */
  readonly expiresAtS: number;
}

export const proofRules = {
  /** Seconds from `iat` to `exp`, at most. */
  lifetimeS: 300,
  /** Seconds by which the issuer's clock may be ahead of or behind ours. */
  leewayS: 5,
  tokenBytes: 8192,
} as const;

const seconds = z
  .number()
  .int()
  .min(0)
  .max(2 ** 40);

const claimsSchema = z.object({
  iss: z.string().min(1).max(2048),
  aud: z.string(),
  sub: z.string().min(1).max(255),
  iat: seconds,
  nbf: seconds,
  exp: seconds,
  jti: z.string().min(8).max(128),
  scope: z.enum(['enlist', 'connect', 'api']),
  cnf: z.object({ signal_identity: z.string().regex(/^[A-Za-z0-9_-]{43}$/) }),
  interop_id: z.string().min(1).max(64).optional(),
});

/**
 * Checks everything about claims that needs no key.
 * @param nowS epoch seconds.
 * @throws BridgeError `sandbox-gatekeeper/badToken`, with the `reason`.
 */
export function checkClaims(
  claims: unknown,
  expected: { readonly audience: string; readonly scope: Scope; readonly nowS: number },
): Proof {
  const parsed = claimsSchema.safeParse(claims);
  if (!parsed.success) throw refused(`claim ${parsed.error.issues[0]?.path.join('.') ?? ''}`);
  const { iss, aud, sub, iat, nbf, exp, jti, scope, cnf, interop_id } = parsed.data;
  const { leewayS, lifetimeS } = proofRules;
  if (aud !== expected.audience) throw refused('aud');
  if (scope !== expected.scope) throw refused('scope');
  if (exp <= expected.nowS - leewayS) throw refused('expired');
  if (nbf > expected.nowS + leewayS || iat > expected.nowS + leewayS) throw refused('not yet valid');
  if (exp - iat > lifetimeS || exp <= iat) throw refused('lifetime');
  return {
    issuer: iss,
    subject: sub,
    scope,
    signalIdentity: cnf.signal_identity,
    interopId: interop_id,
    tokenId: jti,
    expiresAtS: exp,
  };
}

/**
 * The key id of a token whose header is as the profile says: ES256, `typ` JWT, nothing critical.
 * @throws BridgeError `sandbox-gatekeeper/badToken`.
 */
export function checkHeader(header: {
  readonly alg?: unknown;
  readonly typ?: unknown;
  readonly kid?: unknown;
  readonly crit?: unknown;
}): string {
  if (header.alg !== 'ES256') throw refused('alg');
  if (header.typ !== 'JWT') throw refused('typ');
  if (header.crit !== undefined) throw refused('crit');
  if (typeof header.kid !== 'string' || header.kid === '' || header.kid.length > 128) throw refused('kid');
  return header.kid;
}

export type UsedToken = Pick<Proof, 'issuer' | 'tokenId' | 'expiresAtS'>;

/** Where used tokens are remembered until they have expired. */
export interface UsedTokens {
  /** @returns whether this was the first use. Durable when it returns. */
  claim(token: UsedToken, nowS: number): boolean;
}

export class ProofJudge {
  readonly #issuers: IssuerKeys;
  readonly #used: UsedTokens;
  readonly #clock: Clock;
  readonly #audience: string;

  constructor(parts: {
    readonly issuers: IssuerKeys;
    readonly used: UsedTokens;
    readonly clock: Clock;
    readonly audience: string;
  }) {
    this.#issuers = parts.issuers;
    this.#used = parts.used;
    this.#clock = parts.clock;
    this.#audience = parts.audience;
  }

  /**
   * Judges a token and, if it is good, uses it up: the same token fails the second time. A refused token is not used up.
   * @throws BridgeError `sandbox-gatekeeper/badToken`; `sandbox-gatekeeper/unavailable` when the issuer's keys cannot be had.
   */
  async judge(token: string, scope: Scope): Promise<Proof> {
    if (token.length > proofRules.tokenBytes) throw refused('size');
    const { keyId, issuer } = readUnverified(token);
    const nowMs = this.#clock.nowMs();
    const expected = { audience: this.#audience, scope, nowS: Math.floor(nowMs / 1000) };
    const key = await this.#issuers.find(issuer, keyId);
    if (key === undefined) throw refused('unknown issuer or key');
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: ['ES256'],
        issuer,
        audience: this.#audience,
        currentDate: new Date(nowMs),
        clockTolerance: proofRules.leewayS,
      });
      const proof = checkClaims(payload, expected);
      if (!this.#used.claim(proof, expected.nowS)) throw refused('jti used');
      return proof;
    } catch (failure) {
      if (failure instanceof errors.JOSEError) throw refused(failure.code, failure);
      throw failure;
    }
  }
}

/** What decides which key to fetch. Nothing of it is believed before the signature is checked. */
function readUnverified(token: string): { keyId: string; issuer: string } {
  try {
    const keyId = checkHeader(decodeProtectedHeader(token));
    const { iss } = decodeJwt(token);
    if (typeof iss !== 'string') throw refused('claim iss');
    return { keyId, issuer: iss };
  } catch (failure) {
    // jose throws a TypeError for a protected header that is not JSON, a JOSEError for a payload that is not.
    if (failure instanceof TypeError || failure instanceof errors.JOSEError)
      throw refused('not a JWT', failure);
    throw failure;
  }
}

function refused(reason: string, cause?: unknown) {
  return gatekeeperErrors.badToken({ reason }, cause);
}
