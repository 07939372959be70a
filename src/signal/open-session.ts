/** The session with one device of a contact, while its locks and its transaction are held. */
import {
  CiphertextMessageType,
  PreKeySignalMessage,
  type ProtocolAddress,
  processPreKeyBundle,
  SignalMessage as SignalMessageRecord,
  signalDecrypt,
  signalDecryptPreKey,
  signalEncrypt,
} from '@signalapp/libsignal-client';
import type { Clock } from '../model/ambient.ts';
import type { ErrorFacts } from '../model/errors.ts';
import type { PrekeyBundle, SignalMessage } from '../model/prekeys.ts';
import type { Database, SignalRecords, Tx } from '../storage/storage.ts';
import { protocolAddress, type SignalAccount, type SignalAddress } from './address.ts';
import { parseBundle } from './bundle.ts';
import { signalErrors } from './errors.ts';
import { decryptFailure, encryptFailure, parseWith, startFailure } from './libsignal-failure.ts';
import { asBytes } from './secret-bytes.ts';
import { accountKey, KeyedLock, lockInDatabase } from './session-lock.ts';
import type { SignalSession } from './signal-session.ts';
import { SignalStores } from './signal-stores.ts';

export type OpenSessionDeps = Readonly<{
  tx: Tx;
  databaseType: Database['type'];
  records: SignalRecords;
  clock: Clock;
  account: SignalAccount;
  address: SignalAddress;
  maxSessionBytes: number;
  /** Called for an identity key that was refused, before the step throws. Must not touch `tx`: it may be rolled back. */
  onChangedIdentity: (key: Uint8Array) => void;
}>;

type FailureMap = (failure: unknown, facts: ErrorFacts) => unknown;

export class OpenSession implements SignalSession {
  readonly tx: Tx;
  readonly #deps: OpenSessionDeps;
  readonly #remote: ProtocolAddress;
  readonly #local: ProtocolAddress;
  readonly #facts: ErrorFacts;
  /**
   * Steps that `work` starts side by side still go one after another: each must see the ratchet that the last one left.
   * (knex queues the savepoints of a transaction as well; a ratchet should not hang on that.)
   */
  readonly #steps = new KeyedLock();

  constructor(deps: OpenSessionDeps) {
    const { account, address } = deps;
    this.tx = deps.tx;
    this.#deps = deps;
    this.#remote = protocolAddress(address.contact, address.device);
    this.#local = protocolAddress(account.jid, account.device);
    this.#facts = { account: account.id, contact: address.contact, device: address.device };
  }

  async encrypt(plaintext: Uint8Array): Promise<SignalMessage> {
    return await this.#step(encryptFailure, async (stores) => {
      const message = await signalEncrypt(
        asBytes(plaintext),
        this.#remote,
        this.#local,
        stores,
        stores,
        this.#now(),
      );
      const type = message.type() === CiphertextMessageType.PreKey ? 'prekey' : 'message';
      return { type, body: message.serialize() };
    });
  }

  async decrypt({ type, body }: SignalMessage): Promise<Uint8Array> {
    return type === 'prekey' ? await this.#decryptPrekey(body) : await this.#decryptOrdinary(body);
  }

  async exists(): Promise<boolean> {
    return await this.#step(encryptFailure, async (stores) => {
      const session = await stores.getSession();
      return session?.hasCurrentState(this.#now()) ?? false;
    });
  }

  async start(bundle: PrekeyBundle): Promise<void> {
    const parsed = parseBundle(bundle, this.#deps.address.device, this.#facts);
    await this.#step(startFailure, async (stores) => {
      // A keys service that mixes up who asks and who is asked for: the contact could never read what we send.
      if ((await stores.getIdentityKeyPair()).publicKey.equals(parsed.identityKey())) {
        throw signalErrors.badBundle({ ...this.#facts, reason: 'our own identity key' });
      }
      await processPreKeyBundle(parsed, this.#remote, this.#local, stores, stores, this.#now());
    });
  }

  async archive(): Promise<void> {
    await this.#step(encryptFailure, async (stores) => {
      const session = await stores.getSession();
      if (session === null) return;
      session.archiveCurrentState();
      await stores.saveSession(this.#remote, session);
    });
  }

  async #decryptOrdinary(body: Uint8Array): Promise<Uint8Array> {
    const message = parseWith(
      () => SignalMessageRecord.deserialize(asBytes(body)),
      (cause) => signalErrors.badMessage({ ...this.#facts, type: 'message', size: body.length }, cause),
    );
    return await this.#step(
      decryptFailure,
      async (stores) => await signalDecrypt(message, this.#remote, this.#local, stores, stores),
    );
  }

  async #decryptPrekey(body: Uint8Array): Promise<Uint8Array> {
    const message = parseWith(
      () => PreKeySignalMessage.deserialize(asBytes(body)),
      (cause) => signalErrors.badMessage({ ...this.#facts, type: 'prekey', size: body.length }, cause),
    );
    // Two senders who name the same one-time key: the second must find it gone, not in use.
    await lockInDatabase(this.#deps.databaseType, this.tx, accountKey(this.#deps.account.id));
    return await this.#step(
      decryptFailure,
      async (stores) =>
        await signalDecryptPreKey(message, this.#remote, this.#local, stores, stores, stores, stores, stores),
    );
  }

  /**
   * One call of libsignal within a savepoint: a step that fails leaves nothing behind, so `work` may catch its error and
   * use the transaction for what follows from it.
   */
  async #step<T>(toError: FailureMap, work: (stores: SignalStores) => Promise<T>): Promise<T> {
    const { records, account, address, maxSessionBytes, onChangedIdentity } = this.#deps;
    return await this.#steps.run(
      'step',
      async () =>
        await this.tx.transaction(async (savepoint) => {
          const stores = new SignalStores({ tx: savepoint, records, account, address, maxSessionBytes });
          try {
            return await work(stores);
          } catch (failure) {
            if (stores.changedKey !== undefined) onChangedIdentity(stores.changedKey);
            // libsignal has turned a store's failure into text: the original is the one to throw.
            throw stores.failure ?? toError(failure, this.#facts);
          }
        }),
    );
  }

  #now(): Date {
    return new Date(this.#deps.clock.nowMs());
  }
}
