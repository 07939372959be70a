/** Wakes third parties (docs/interop-profile.md, section 3): says whose account, never who wrote or what. */
import { type CryptoKey, SignJWT } from 'jose';

import type { Clock, Log, Random } from '../../model/ambient.ts';
import { codeOf } from '../../model/errors.ts';
import type { Faults } from './faults.ts';
import { gatekeeperErrors } from './gatekeeper-errors.ts';
import type { IssuerKeys } from './issuer-keys.ts';
import type { Account } from './store.ts';

export type PushEvent = 'message-waiting' | 'suspended' | 'terms-changed';

const rules = {
  tokenLifetimeS: 60,
  timeoutMs: 5000,
  /** Waits between the attempts. */
  retryAfterMs: [500, 2000],
} as const;

export class PushSender {
  readonly #audience: string;
  readonly #key: CryptoKey;
  readonly #keyId: string;
  readonly #issuers: IssuerKeys;
  readonly #faults: Faults;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #waking = new Set<string>();
  readonly #stopped = new AbortController();

  constructor(parts: {
    /** The network's audience: our `iss`. */
    readonly audience: string;
    readonly key: CryptoKey;
    readonly keyId: string;
    readonly issuers: IssuerKeys;
    readonly faults: Faults;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  }) {
    this.#audience = parts.audience;
    this.#key = parts.key;
    this.#keyId = parts.keyId;
    this.#issuers = parts.issuers;
    this.#faults = parts.faults;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#log = parts.log;
  }

  /** Says `message-waiting`, unless that is being said already. Returns at once; a failure is logged. */
  wake(account: Account): void {
    if (account.kind !== 'enlistee' || this.#waking.has(account.localpart)) return;
    this.#waking.add(account.localpart);
    this.send(account, 'message-waiting')
      .catch((failure: unknown) => this.#log.warn('push not delivered', { code: codeOf(failure) }, failure))
      .finally(() => this.#waking.delete(account.localpart));
  }

  /**
   * Sends one push, with retries.
   * @returns the status of the last answer; 0 when pushes are switched off.
   * @throws BridgeError `sandbox-gatekeeper/unavailable` when nobody answers.
   */
  async send(account: Account, event: PushEvent): Promise<number> {
    if (this.#faults.pushMute) return 0;
    for (let attempt = 0; ; attempt += 1) {
      const delay = rules.retryAfterMs[attempt];
      try {
        const status = await this.#attempt(account, event);
        if (status < 500 || delay === undefined) return status;
      } catch (failure) {
        if (delay === undefined) throw gatekeeperErrors.unavailable({ push: event }, failure);
      }
      await this.#clock.sleep(delay, this.#stopped.signal);
    }
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #attempt(account: Account, event: PushEvent): Promise<number> {
    const endpoint = await this.#issuers.pushEndpoint(account.issuer);
    const nowS = Math.floor(this.#clock.nowMs() / 1000);
    const token = await new SignJWT({ event })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: this.#keyId })
      .setIssuer(this.#audience)
      .setAudience(account.issuer)
      .setSubject(account.localpart)
      .setIssuedAt(nowS)
      .setExpirationTime(nowS + rules.tokenLifetimeS)
      .setJti(this.#random.uuid())
      .sign(this.#key);
    const response = await fetch(endpoint, {
      method: 'POST',
      redirect: 'error',
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(rules.timeoutMs)]),
    });
    await response.body?.cancel();
    return response.status;
  }
}
