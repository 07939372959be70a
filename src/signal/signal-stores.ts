/**
 * The stores that libsignal asks for, over one open transaction and for one session. libsignal reads through them, works,
 * and writes through them; the transaction's end decides whether any of it happened.
 *
 * libsignal turns what a store throws into text, so the first failure is kept in `failure`: whoever called libsignal
 * throws that one instead.
 */
import { createHash } from 'node:crypto';
import {
  Direction,
  IdentityChange,
  IdentityKeyPair,
  type IdentityKeyStore,
  KyberPreKeyRecord,
  type KyberPreKeyStore,
  PreKeyRecord,
  type PreKeyStore,
  type PrivateKey,
  type ProtocolAddress,
  PublicKey,
  SessionRecord,
  type SessionStore,
  SignedPreKeyRecord,
  type SignedPreKeyStore,
} from '@signalapp/libsignal-client';
import type { BridgeError } from '../model/errors.ts';
import type { AccountKey, PrekeyKind, SignalRecords, Tx } from '../storage/storage.ts';
import type { SignalAddress } from './address.ts';
import { signalErrors } from './errors.ts';
import { parseWith } from './libsignal-failure.ts';
import { knownIdentity } from './remote-identities.ts';
import { asBytes, consumeSecret, consumeSecretLater } from './secret-bytes.ts';

export type SignalStoresDeps = Readonly<{
  tx: Tx;
  records: SignalRecords;
  account: AccountKey;
  address: SignalAddress;
  /** A session may not grow over this when it is saved after a decryption. */
  maxSessionBytes: number;
}>;

/** The addresses that libsignal hands to the stores are always the one it was given, so they are not read here. */
export class SignalStores
  implements SessionStore, IdentityKeyStore, PreKeyStore, SignedPreKeyStore, KyberPreKeyStore
{
  readonly #deps: SignalStoresDeps;
  #failure: unknown;
  #changedKey: Uint8Array | undefined;

  constructor(deps: SignalStoresDeps) {
    this.#deps = deps;
  }

  /** What a store method threw first; undefined when none did. */
  get failure(): unknown {
    return this.#failure;
  }

  /** The identity key that was refused because another one is trusted. */
  get changedKey(): Uint8Array | undefined {
    return this.#changedKey;
  }

  // Sessions

  async getSession(): Promise<SessionRecord | null> {
    return await this.#keepingFailure(async () => {
      const { tx, records, account, address } = this.#deps;
      const record = await records.findSession(tx, account, address);
      if (record === undefined) return null;
      return this.#parseSecret('session', record, (bytes) => SessionRecord.deserialize(bytes));
    });
  }

  async getExistingSessions(): Promise<SessionRecord[]> {
    const session = await this.getSession();
    return session === null ? [] : [session];
  }

  async saveSession(_name: ProtocolAddress, session: SessionRecord): Promise<void> {
    await this.#keepingFailure(async () => {
      const { tx, records, account, address, maxSessionBytes } = this.#deps;
      await consumeSecretLater(session.serialize(), async (record) => {
        // Each skipped message leaves a key behind, in each of up to forty archived sessions: a contact could make the
        // record as large as it likes. Refused, the session stays as it was and goes on with the next message in order.
        if (record.length > maxSessionBytes) {
          throw this.#refuse('session grows too large');
        }
        await records.saveSession(tx, account, address, record);
      });
    });
  }

  // Identities

  async getIdentityKeyPair(): Promise<IdentityKeyPair> {
    return (await this.#ownIdentity()).keyPair;
  }

  async getIdentityKey(): Promise<PrivateKey> {
    return (await this.#ownIdentity()).keyPair.privateKey;
  }

  async getLocalRegistrationId(): Promise<number> {
    return (await this.#ownIdentity()).registrationId;
  }

  /** libsignal saves only what `isTrustedIdentity` let pass in the same step, so there is nothing to replace. */
  async saveIdentity(_name: ProtocolAddress, key: PublicKey): Promise<IdentityChange> {
    return await this.#keepingFailure(async () => {
      const { tx, records, account, address } = this.#deps;
      const { own } = await knownIdentity(records, tx, account, address);
      if (own === undefined) await records.insertRemoteIdentity(tx, account, address, key.serialize());
      return IdentityChange.NewOrUnchanged;
    });
  }

  /**
   * Trust on first use; a changed key is refused until the user trusts it. While a changed key waits nothing is sent,
   * since the device that would read it is probably gone; what still comes from the old one is received.
   */
  async isTrustedIdentity(_name: ProtocolAddress, key: PublicKey, direction: Direction): Promise<boolean> {
    return await this.#keepingFailure(async () => {
      const { tx, records, account, address } = this.#deps;
      const { own, trusted } = await knownIdentity(records, tx, account, address);
      const offered = key.serialize();
      if (trusted !== undefined && !trusted.equals(offered)) {
        this.#changedKey = offered;
        return false;
      }
      return direction === Direction.Receiving || own?.pendingKey === undefined;
    });
  }

  async getIdentity(): Promise<PublicKey | null> {
    return await this.#keepingFailure(async () => {
      const { tx, records, account, address } = this.#deps;
      const { own } = await knownIdentity(records, tx, account, address);
      return own === undefined ? null : PublicKey.deserialize(asBytes(own.key));
    });
  }

  // Prekeys

  async getPreKey(id: number): Promise<PreKeyRecord> {
    return await this.#loadPrekey(['one-time'], id, (bytes) => PreKeyRecord.deserialize(bytes));
  }

  /** The decryption that used the key is in the same transaction. */
  async removePreKey(id: number): Promise<void> {
    await this.#keepingFailure(async () => {
      const { tx, records, account } = this.#deps;
      await records.deletePrekey(tx, account, 'one-time', id);
    });
  }

  async getSignedPreKey(id: number): Promise<SignedPreKeyRecord> {
    return await this.#loadPrekey(['signed'], id, (bytes) => SignedPreKeyRecord.deserialize(bytes));
  }

  async getKyberPreKey(id: number): Promise<KyberPreKeyRecord> {
    const kinds = ['kyber', 'last-resort'] as const;
    return await this.#loadPrekey(kinds, id, (bytes) => KyberPreKeyRecord.deserialize(bytes));
  }

  /**
   * A one-time Kyber key goes. A last-resort key stays, so without the note made here whoever recorded a first message
   * could have it accepted again, as long as it used no one-time key.
   */
  async markKyberPreKeyUsed(id: number, signedId: number, baseKey: PublicKey): Promise<void> {
    await this.#keepingFailure(async () => {
      const { tx, records, account } = this.#deps;
      if (await records.deletePrekey(tx, account, 'kyber', id)) return;
      const baseKeySha256 = createHash('sha256').update(baseKey.serialize()).digest('hex');
      const isNew = await records.insertKyberUse(tx, account, { kyberId: id, signedId, baseKeySha256 });
      if (!isNew) throw this.#refuse('base key used before');
    });
  }

  // libsignal's declarations ask for these; it never calls them: prekeys are made in device-keys.ts.

  async savePreKey(): Promise<void> {
    throw new TypeError('prekeys are not made by the session');
  }

  async saveSignedPreKey(): Promise<void> {
    throw new TypeError('prekeys are not made by the session');
  }

  async saveKyberPreKey(): Promise<void> {
    throw new TypeError('prekeys are not made by the session');
  }

  async #ownIdentity(): Promise<{ registrationId: number; keyPair: IdentityKeyPair }> {
    return await this.#keepingFailure(async () => {
      const { tx, records, account } = this.#deps;
      const identity = await records.findIdentity(tx, account);
      if (identity === undefined) throw signalErrors.deviceMissing({ account: account.id });
      return {
        registrationId: identity.registrationId,
        keyPair: this.#parseSecret('identity', identity.keyPair, (bytes) =>
          IdentityKeyPair.deserialize(bytes),
        ),
      };
    });
  }

  async #loadPrekey<T>(
    kinds: readonly PrekeyKind[],
    id: number,
    parse: (bytes: Uint8Array<ArrayBuffer>) => T,
  ): Promise<T> {
    return await this.#keepingFailure(async () => {
      const { tx, records, account } = this.#deps;
      for (const kind of kinds) {
        const prekey = await records.findPrekey(tx, account, kind, id);
        if (prekey !== undefined) return this.#parseSecret(kind, prekey.record, parse);
      }
      throw this.#refuse(`unknown ${kinds[0]} prekey`);
    });
  }

  #parseSecret<T>(kind: string, record: Uint8Array, parse: (bytes: Uint8Array<ArrayBuffer>) => T): T {
    return parseWith(
      () => consumeSecret(record, parse),
      (cause) => signalErrors.recordBroken({ account: this.#deps.account.id, kind }, cause),
    );
  }

  #refuse(reason: string): BridgeError {
    const { account, address } = this.#deps;
    return signalErrors.undecryptable({
      account: account.id,
      contact: address.contact,
      device: address.device,
      reason,
    });
  }

  async #keepingFailure<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (failure) {
      this.#failure ??= failure;
      throw failure;
    }
  }
}
