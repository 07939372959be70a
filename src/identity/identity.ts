/**
 * Our OpenID issuer (interop profile §1): it tells gatekeepers who we are and by which keys our tokens are signed, and
 * mints the proof tokens by which an account enlists, connects and calls the gatekeeper's API.
 */
import { createHash } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Clock, Log, Random } from '../model/ambient.ts';
import type { MatrixUserId } from '../model/ids.ts';
import type { Database, IssuerKeys } from '../storage/storage.ts';
import { identityErrors } from './errors.ts';
import type { RotationRules } from './rotation.ts';
import { SigningKeys } from './signing-keys.ts';

export type IssuerSettings = Readonly<{
  /** Our name in tokens, an https URL (http on loopback), exactly as gatekeepers have it on their list. */
  issuer: string;
  /** URL that gatekeepers push to. */
  pushEndpoint: string;
  /** URL below which our encrypted media stand. */
  mediaBase: string;
  /** Days that a key signs; fractions are fine. At least two and a half times `jwksMaxAgeS`; less is lengthened to it. */
  rotationDays: number;
  /** Seconds that a gatekeeper may keep the JWKS; from 1. */
  jwksMaxAgeS: number;
  /** Seconds from `iat` to `exp`: 1 to 300. */
  tokenLifetimeS: number;
}>;

/** What a token is for: to opt in, to open the stream, or to call the API. */
export type ProofScope = 'enlist' | 'connect' | 'api';

export type ProofRequest = Readonly<{
  /** The network's `audience`. */
  audience: string;
  subject: MatrixUserId;
  scope: ProofScope;
  /** The account's Signal identity, libsignal's serialised public key: 33 bytes. */
  signalIdentity: Uint8Array;
  /** Known from enlistment on. */
  interopId?: string | undefined;
}>;

/** `body`: the JWKS. `maxAgeS`: seconds that it may be cached, from 0. */
export type PublishedKeys = Readonly<{ body: object; maxAgeS: number }>;

export interface Issuer {
  /**
   * Reads the keys, makes the first one on an empty table, and rotates them from then on. To be awaited before anything
   * is mounted or minted.
   * @throws BridgeError `identity/keysUnavailable`: nothing was started, and may be tried again.
   */
  start(): Promise<void>;
  /** Ends the rotation, waits for a step in progress, and forgets the keys. Harmless when not started. */
  stop(): Promise<void>;
  /**
   * One step of the rotation. The timer calls it several times in a cache lifetime, in each process; calling it more
   * often, or in several processes at once, changes nothing.
   * @throws BridgeError `identity/keysUnavailable`
   */
  tick(): Promise<void>;
  /**
   * A proof token, for one use at once; never store it.
   * @throws BridgeError `identity/keysUnavailable`, `identity/badProofRequest`
   */
  mintProof(request: ProofRequest): Promise<string>;
  /** The body of `/.well-known/openid-configuration`. */
  discovery(): object;
  /**
   * The body at `jwks_uri`, and for how many seconds it may be cached: `jwksMaxAgeS`, or less when the keys could not be
   * read for a while, since another process may have published one.
   * @throws BridgeError `identity/keysUnavailable`: not for so long that a key may be missing.
   */
  jwks(): Promise<PublishedKeys>;
}

export type IssuerDeps = Readonly<{
  settings: IssuerSettings;
  database: Pick<Database, 'transaction'>;
  keys: IssuerKeys;
  clock: Clock;
  random: Random;
  log: Log;
}>;

/** Where the JWKS stands below the issuer. */
export const JWKS_PATH = '/.well-known/jwks.json';

const LONGEST_LIFETIME_S = 300;
const IDENTITY_KEY_BYTES = 33;
const JTI_BYTES = 16;
const DAY_MS = 86_400_000;
/** However long the cache lifetime is, a process sees soon that another one has rotated. */
const LONGEST_REFRESH_MS = 60_000;

/** @throws BridgeError `identity/badSettings` */
export function createIssuer(deps: IssuerDeps): Issuer {
  return new OpenIdIssuer(deps);
}

class OpenIdIssuer implements Issuer {
  readonly #settings: IssuerSettings;
  readonly #rules: RotationRules;
  readonly #keys: SigningKeys;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  #stopping: AbortController | undefined;
  #rotating: Promise<void> | undefined;

  constructor(deps: IssuerDeps) {
    this.#settings = deps.settings;
    this.#rules = rulesFrom(deps.settings);
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#log = deps.log;
    const { database, keys: table, clock, log } = deps;
    this.#keys = new SigningKeys({ database, table, rules: this.#rules, clock, log });
  }

  async start(): Promise<void> {
    if (this.#stopping !== undefined) return;
    await this.tick();
    this.#stopping = new AbortController();
    this.#rotating = this.#rotate(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping?.abort();
    await this.#rotating;
    this.#stopping = undefined;
    this.#rotating = undefined;
    this.#keys.clear();
  }

  async tick(): Promise<void> {
    await this.#keys.refresh();
  }

  async mintProof(request: ProofRequest): Promise<string> {
    const { audience, subject, scope, signalIdentity, interopId } = request;
    if (signalIdentity.length !== IDENTITY_KEY_BYTES || audience === '') {
      throw identityErrors.badProofRequest({ scope, identityBytes: signalIdentity.length });
    }
    const signer = await this.#keys.signer();
    const iat = Math.floor(this.#clock.nowMs() / 1000);
    const claims = {
      scope,
      // RFC 7800 §3: the token is of use only together with this key.
      cnf: { signal_identity: createHash('sha256').update(signalIdentity).digest('base64url') },
      ...(interopId !== undefined && { interop_id: interopId }),
    };
    return await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: signer.kid })
      .setIssuer(this.#settings.issuer)
      .setAudience(audience)
      .setSubject(subject)
      .setIssuedAt(iat)
      .setNotBefore(iat)
      .setExpirationTime(iat + this.#settings.tokenLifetimeS)
      .setJti(this.#random.bytes(JTI_BYTES).toString('base64url'))
      .sign(signer.privateKey);
  }

  discovery(): object {
    const { issuer, pushEndpoint, mediaBase } = this.#settings;
    return {
      issuer,
      // OpenID Connect Discovery §4.1: a slash at the end of the issuer goes before a path is added.
      jwks_uri: issuer.replace(/\/$/, '') + JWKS_PATH,
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
      response_types_supported: ['none'],
      interop: { push_endpoint: pushEndpoint, media_base: mediaBase, versions: [1] },
    };
  }

  async jwks(): Promise<PublishedKeys> {
    const { pairs, freshForMs } = await this.#keys.published();
    const maxAgeMs = Math.min(this.#rules.cacheMs, freshForMs);
    return { body: { keys: pairs.map((pair) => pair.publicJwk) }, maxAgeS: Math.floor(maxAgeMs / 1000) };
  }

  async #rotate(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.#clock.sleep(this.#rules.refreshMs, signal);
      } catch (failure) {
        if (signal.aborted) return;
        throw failure;
      }
      try {
        await this.tick();
      } catch (cause) {
        // Nothing is lost yet: signing stops by itself when the keys in memory get too old.
        this.#log.warn('issuer keys could not be read', { fresh_for_ms: this.#keys.freshForMs() }, cause);
      }
    }
  }
}

function rulesFrom(settings: IssuerSettings): RotationRules {
  const { rotationDays, jwksMaxAgeS, tokenLifetimeS } = settings;
  const sound =
    rotationDays > 0 && jwksMaxAgeS >= 1 && tokenLifetimeS >= 1 && tokenLifetimeS <= LONGEST_LIFETIME_S;
  if (!sound) throw identityErrors.badSettings({ rotationDays, jwksMaxAgeS, tokenLifetimeS });
  const cacheMs = jwksMaxAgeS * 1000;
  return {
    rotationMs: rotationDays * DAY_MS,
    cacheMs,
    // Half of a cache lifetime stays for a reading that fails and is tried again.
    refreshMs: Math.min(cacheMs / 4, LONGEST_REFRESH_MS),
    tokenLifetimeMs: tokenLifetimeS * 1000,
  };
}
