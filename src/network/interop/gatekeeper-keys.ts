/** The keys by which the gatekeeper signs pushes: fetched when needed, kept, and never asked for faster than we choose. */
import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type FlattenedJWSInput,
  type JWSHeaderParameters,
} from 'jose';
import { z } from 'zod';
import type { Clock } from '../../model/ambient.ts';
import { networkErrors } from '../errors.ts';
import type { HttpClient } from './http-client.ts';

const MAX_ANSWER_BYTES = 64 * 1024;
/** Keys older than this are fetched anew before they are used, so that a withdrawn one ends. */
const MAX_AGE_MS = 600_000;
/** Between two attempts, whatever the tokens name: anybody can send us a token with an unknown key id. */
const COOLDOWN_MS = 30_000;

const keySetSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(64) });

type KeySet = ReturnType<typeof createLocalJWKSet>;

/** The key set of one network. */
export class GatekeeperKeys {
  readonly #http: HttpClient;
  readonly #clock: Clock;
  readonly #url: URL;
  #keys: { readonly set: KeySet; readonly atMs: number } | undefined;
  #attemptAtMs: number | undefined;
  #fetching: Promise<void> | undefined;

  constructor(deps: { http: HttpClient; clock: Clock; url: string }) {
    this.#http = deps.http;
    this.#clock = deps.clock;
    this.#url = new URL(deps.url);
  }

  /**
   * For `jwtVerify`. Fetches when there are no fresh keys, or none that fits.
   * @throws JOSEError when no key fits. BridgeError `network/…` when there are no keys to look in.
   */
  async find(header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    if (this.#fresh() === undefined) await this.#refresh();
    try {
      return await this.#keyFor(header, token);
    } catch (failure) {
      if (!(failure instanceof errors.JWKSNoMatchingKey)) throw failure;
      await this.#refresh();
      return await this.#keyFor(header, token);
    }
  }

  async #keyFor(header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    const keys = this.#fresh();
    if (keys === undefined) throw networkErrors.unavailable({ why: 'no keys' });
    try {
      return await keys(header, token);
    } catch (cause) {
      if (cause instanceof errors.JOSEError) throw cause;
      // The platform's own refusal of a key that the gatekeeper published.
      throw networkErrors.badAnswer({ why: 'key' }, cause);
    }
  }

  #fresh(): KeySet | undefined {
    return this.#keys === undefined || this.#isPast(this.#keys.atMs, MAX_AGE_MS) ? undefined : this.#keys.set;
  }

  /** Does nothing within the cooldown. Those who come while a request runs share it. */
  async #refresh(): Promise<void> {
    if (this.#fetching === undefined) {
      if (this.#attemptAtMs !== undefined && !this.#isPast(this.#attemptAtMs, COOLDOWN_MS)) return;
      this.#attemptAtMs = this.#clock.nowMs();
      this.#fetching = this.#fetch().finally(() => {
        this.#fetching = undefined;
      });
    }
    await this.#fetching;
  }

  /** A clock that was set back counts as past: better one request too many than none for hours. */
  #isPast(sinceMs: number, spanMs: number): boolean {
    const elapsedMs = this.#clock.nowMs() - sinceMs;
    return elapsedMs < 0 || elapsedMs >= spanMs;
  }

  async #fetch(): Promise<void> {
    const answer = await this.#http.send({ method: 'GET', url: this.#url, maxAnswerBytes: MAX_ANSWER_BYTES });
    const { status } = answer;
    if (status !== 200) throw networkErrors.unavailable({ status, why: 'keys' });
    this.#keys = { set: keySetIn(answer.body), atMs: this.#clock.nowMs() };
  }
}

function keySetIn(body: Buffer): KeySet {
  try {
    return createLocalJWKSet(keySetSchema.parse(JSON.parse(body.toString('utf8'))));
  } catch (cause) {
    throw networkErrors.badAnswer({ why: 'key set' }, cause);
  }
}
