/**
 * Who is on the network: enlists, un-enlists, suspends, and enrols phones, in the store and in Prosody. The store decides;
 * Prosody follows, and a call that failed half way is completed by repeating it.
 */
import { createHmac } from 'node:crypto';

import type { Random } from '../../model/ambient.ts';
import type { ProsodyAdmin } from '../prosody/admin.ts';
import { checkDevice, type Device } from './device.ts';
import { gatekeeperErrors } from './gatekeeper-errors.ts';
import { type KeyPool, thumbprint } from './key-pool.ts';
import type { Proof } from './proof-token.ts';
import type { Account, GatekeeperStore } from './store.ts';

/** The issuer of the gatekeeper's own phones; no third party may use it. */
export const phoneIssuer = 'urn:drawbridge:sandbox:phones';

export interface PhoneEnrolment {
  readonly name: string;
  /** Lower-case letters and digits; the localpart too. Default: made from the name. */
  readonly username?: string;
  /** E.164, with `+`. */
  readonly phone?: string;
  /** Whether its user takes part in third-party chats. Default true. */
  readonly optedIn?: boolean;
}

export class Registry {
  readonly #store: GatekeeperStore;
  readonly #pool: KeyPool;
  readonly #admin: ProsodyAdmin;
  readonly #random: Random;
  readonly #phoneKey: string;
  readonly #announceIdentity: (localpart: string) => Promise<void>;

  constructor(parts: {
    readonly store: GatekeeperStore;
    readonly pool: KeyPool;
    readonly admin: ProsodyAdmin;
    readonly random: Random;
    readonly announceIdentity: (localpart: string) => Promise<void>;
  }) {
    this.#store = parts.store;
    this.#pool = parts.pool;
    this.#admin = parts.admin;
    this.#random = parts.random;
    this.#announceIdentity = parts.announceIdentity;
    this.#phoneKey = this.#store.setting('phone-key', () => this.#random.bytes(32).toString('base64url'));
  }

  /**
   * Enlists the token's subject, or takes the new device of one who is enlisted.
   * @returns `isNew`: whether there was no account before.
   * @throws BridgeError `badToken` when the token is for another identity key; `badRequest`, `suspended`,
   * `identityInUse`, `tooLarge`.
   */
  async enlist(
    proof: Proof,
    wish: { readonly displayName: string | undefined; readonly device: Device },
  ): Promise<{ readonly account: Account; readonly isNew: boolean }> {
    checkDevice(wish.device);
    if (proof.signalIdentity !== thumbprint(wish.device.identityKey)) {
      throw gatekeeperErrors.badToken({ reason: 'cnf' });
    }
    const known = this.#store.findBySubject(proof.issuer, proof.subject);
    if (known?.state === 'suspended') throw gatekeeperErrors.suspended();
    const account: Account = known ?? {
      localpart: `u${this.#random.bytes(10).toString('hex')}`,
      kind: 'enlistee',
      issuer: proof.issuer,
      subject: proof.subject,
      displayName: undefined,
      state: 'active',
      reason: undefined,
      reachable: true,
      optedIn: true,
      username: undefined,
      phoneNumber: undefined,
    };
    const named = { ...account, displayName: wish.displayName ?? account.displayName };
    await this.#saveWithDevice(named, wish.device);
    return { account: named, isNew: known === undefined };
  }

  /**
   * The account that a proof speaks for.
   * @throws BridgeError `notEnlisted`; `badToken` when identity key or interop id are another's.
   */
  accountOf(proof: Proof): Account {
    const account = this.#store.findBySubject(proof.issuer, proof.subject);
    if (account === undefined) throw gatekeeperErrors.notEnlisted();
    const identity = this.#pool.findIdentity(account.localpart);
    if (identity === undefined || proof.signalIdentity !== thumbprint(identity)) {
      throw gatekeeperErrors.badToken({ reason: 'cnf' });
    }
    if (proof.interopId !== account.localpart) throw gatekeeperErrors.badToken({ reason: 'interop_id' });
    return account;
  }

  /** Nothing of the account stays: keys, queue, archive, sessions. */
  async unenlist({ localpart }: Account): Promise<void> {
    // Prosody first: were the account gone from the store, a repeated call could not finish the work.
    await this.#admin.delete(localpart);
    this.#store.deleteAccount(localpart);
  }

  /** @throws BridgeError `misuse` for an unknown account. */
  async suspend(localpart: string, reason: string): Promise<Account> {
    const account: Account = { ...this.get(localpart), state: 'suspended', reason };
    this.#store.saveAccount(account);
    await this.#admin.save(localpart, false);
    return account;
  }

  /** @throws BridgeError `misuse` for an unknown account. */
  async resume(localpart: string): Promise<Account> {
    const account: Account = { ...this.get(localpart), state: 'active', reason: undefined };
    this.#store.saveAccount(account);
    await this.#admin.save(localpart, true);
    return account;
  }

  /** @throws BridgeError `misuse`. */
  get(localpart: string): Account {
    const account = this.#store.findAccount(localpart);
    if (account === undefined) throw gatekeeperErrors.misuse({ reason: 'no such account' });
    return account;
  }

  /**
   * Makes a contact of the gatekeeper's own, or finds the one with this username. Its device comes later.
   * @returns the secret with which its app asks for tokens; the same for ever.
   */
  async enrolPhone(wish: PhoneEnrolment): Promise<{ readonly account: Account; readonly secret: string }> {
    const username = wish.username ?? wish.name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
    if (!/^[a-z0-9]{1,32}$/.test(username)) throw gatekeeperErrors.misuse({ reason: 'username' });
    const account: Account = {
      localpart: username,
      kind: 'phone',
      issuer: phoneIssuer,
      subject: username,
      displayName: wish.name,
      state: this.#store.findAccount(username)?.state ?? 'active',
      reason: undefined,
      reachable: true,
      optedIn: wish.optedIn ?? true,
      username,
      phoneNumber: wish.phone,
    };
    this.#store.saveAccount(account);
    await this.#admin.save(username, account.state === 'active');
    return { account, secret: this.#phoneSecret(username) };
  }

  /** The phone that holds this secret. */
  findPhone(localpart: string, secret: string): Account | undefined {
    const account = this.#store.findAccount(localpart);
    return account?.kind === 'phone' && secret === this.#phoneSecret(localpart) ? account : undefined;
  }

  /** Takes the keys of a phone. @throws BridgeError `badRequest`, `identityInUse`, `tooLarge`. */
  async savePhoneDevice(account: Account, device: Device): Promise<void> {
    await this.#saveWithDevice(account, checkDevice(device));
  }

  async #saveWithDevice(account: Account, device: Device): Promise<void> {
    const { localpart } = account;
    const holder = this.#pool.findByIdentity(device.identityKey);
    if (holder !== undefined && holder !== localpart) throw gatekeeperErrors.identityInUse();
    const replaced = this.#store.transaction(() => {
      this.#store.saveAccount(account);
      return this.#pool.saveDevice(localpart, device);
    });
    await this.#admin.save(localpart, account.state === 'active');
    if (replaced) await this.#announceIdentity(localpart);
  }

  #phoneSecret(localpart: string): string {
    return createHmac('sha256', this.#phoneKey).update(localpart).digest('base64url');
  }
}
