/**
 * The door of `signal/`: what the bridge may do with the Signal protocol. libsignal is imported in this folder only.
 *
 * Every change of a session happens in `inSession`, under its locks and in one database transaction with whatever follows
 * from it (the stanza in the outbox, the journalled plaintext). All other methods run in the caller's transaction.
 */
import type { Clock, Log, Random } from '../model/ambient.ts';
import type { ContactId, DeviceId } from '../model/ids.ts';
import type { PrekeyCounts, PublicDevice } from '../model/prekeys.ts';
import type { AccountKey, Database, RemoteIdentity, SignalRecords, Tx } from '../storage/storage.ts';
import type { SignalAccount, SignalAddress } from './address.ts';
import {
  DeviceKeys,
  type OneTimeKeys,
  type PrekeyStatus,
  type SignedPair,
  type UploadedKey,
} from './device-keys.ts';
import type { PrekeySettings } from './prekey-stock.ts';
import { RemoteIdentities } from './remote-identities.ts';
import { lockInDatabase, sessionKey } from './session-lock.ts';
import { SessionRunner } from './session-runner.ts';
import type { SignalSession } from './signal-session.ts';

export type { SignalAccount, SignalAddress } from './address.ts';
export type { OneTimeKeys, PrekeyStatus, SignedPair, UploadedKey } from './device-keys.ts';
export type { SignalSession } from './signal-session.ts';

/** A session of several thousand skipped messages takes about 0.2 MB; an honest one stays far below this. */
const MAX_SESSION_BYTES = 2 * 1024 * 1024;

export interface SignalService {
  /**
   * Waits for the session's locks, in process and in the database, and runs `work` in one transaction: what it encrypts,
   * decrypts and writes through `session.tx` is durable together or not at all. Others wait meanwhile, so `work` must not
   * wait for a network. It must not call `inSession` or open a transaction: it would wait for itself.
   *
   * A changed identity key that was refused is noted as pending whether `work` succeeds or fails.
   */
  inSession<T>(
    account: SignalAccount,
    address: SignalAddress,
    work: (session: SignalSession) => Promise<T>,
  ): Promise<T>;

  /** Makes the account's device: identity, signed and last-resort key, first one-time keys. Harmless a second time. */
  createDevice(tx: Tx, account: AccountKey): Promise<void>;

  /**
   * What an enlistment publishes: the newest signed pair and the one-time keys that are not yet confirmed.
   * @throws BridgeError `signal/deviceMissing`.
   */
  publicDevice(tx: Tx, account: AccountKey): Promise<PublicDevice>;

  /** Our public identity key, 33 bytes. @throws BridgeError `signal/deviceMissing`. */
  identityKey(tx: Tx, account: AccountKey): Promise<Uint8Array>;

  /**
   * Makes one-time keys of each kind that runs low.
   * @param offered what the keys service says it holds now: a count from before the last upload makes too many.
   * @returns all keys that are not confirmed, oldest first: the same ones again after a crash. Often empty.
   */
  topUp(tx: Tx, account: AccountKey, offered: PrekeyCounts): Promise<OneTimeKeys>;

  /** Notes that the keys service holds these. Harmless a second time. */
  confirmUploaded(tx: Tx, account: AccountKey, keys: readonly UploadedKey[]): Promise<void>;

  /**
   * Replaces the signed and the last-resort key when they are due, and deletes pairs that were replaced long ago.
   * @returns the pair to upload, the same one until it is confirmed; undefined when there is nothing to upload.
   */
  rotateSigned(tx: Tx, account: AccountKey): Promise<SignedPair | undefined>;

  /** Counts and ages, for a command and for metrics. Zero and undefined before the device is made. */
  prekeyStatus(tx: Tx, account: AccountKey): Promise<PrekeyStatus>;

  /**
   * Trusts the identity key that a device of a contact changed to. The session with it ends; the next message needs
   * `start`, and what the new key has encrypted decrypts.
   * @param seen the key that the user compared, so that a key which came after it is not trusted by mistake.
   * @returns false when no key (or not this one) is pending.
   */
  trustIdentity(tx: Tx, account: AccountKey, address: SignalAddress, seen?: Uint8Array): Promise<boolean>;

  /** Drops the pending key and stays with the one before; messages go out again. @returns false when none is pending. */
  refuseIdentity(tx: Tx, account: AccountKey, address: SignalAddress): Promise<boolean>;

  /** The identity keys of a contact's devices, in the order in which they were first seen. */
  listRemoteIdentities(tx: Tx, account: AccountKey, contact: ContactId): Promise<RemoteIdentity[]>;

  /** The contact's devices with a session that `encrypt` can use, in the order of their numbers. */
  listDevices(tx: Tx, account: AccountKey, contact: ContactId): Promise<DeviceId[]>;

  /** Forgets the sessions with all devices of a contact, not their identities. */
  deleteSessions(tx: Tx, account: AccountKey, contact: ContactId): Promise<void>;

  /** Deletes everything of an account. The caller has ended its link and its workers. */
  deleteAll(tx: Tx, account: AccountKey): Promise<void>;
}

export type SignalDeps = Readonly<{
  database: Pick<Database, 'transaction' | 'type'>;
  records: SignalRecords;
  clock: Clock;
  random: Random;
  log: Log;
  /** `maxSessionBytes`: the size to which skipped messages may let a session grow; 2 MiB when absent. */
  settings: PrekeySettings & Readonly<{ maxSessionBytes?: number }>;
}>;

export function createSignalService(deps: SignalDeps): SignalService {
  const { database, records } = deps;
  const keys = new DeviceKeys(deps);
  const identities = new RemoteIdentities(deps);
  const sessions = new SessionRunner({
    ...deps,
    identities,
    maxSessionBytes: deps.settings.maxSessionBytes ?? MAX_SESSION_BYTES,
  });
  const lockSession = async (tx: Tx, account: AccountKey, address: SignalAddress): Promise<void> =>
    await lockInDatabase(database.type, tx, sessionKey(account.id, address));

  return {
    inSession: async (account, address, work) => await sessions.run(account, address, work),
    createDevice: async (tx, account) => await keys.create(tx, account),
    publicDevice: async (tx, account) => await keys.publicDevice(tx, account),
    identityKey: async (tx, account) => await keys.identityKey(tx, account),
    topUp: async (tx, account, offered) => await keys.topUp(tx, account, offered),
    confirmUploaded: async (tx, account, uploaded) => await keys.confirmUploaded(tx, account, uploaded),
    rotateSigned: async (tx, account) => await keys.rotateSigned(tx, account),
    prekeyStatus: async (tx, account) => await keys.status(tx, account),
    trustIdentity: async (tx, account, address, seen) => {
      await lockSession(tx, account, address);
      return await identities.trust(tx, account, address, seen);
    },
    refuseIdentity: async (tx, account, address) => {
      await lockSession(tx, account, address);
      return await identities.refuse(tx, account, address);
    },
    listRemoteIdentities: async (tx, account, contact) => await identities.list(tx, account, contact),
    listDevices: async (tx, account, contact) => await sessions.listDevices(tx, account, contact),
    deleteSessions: async (tx, account, contact) => {
      for (const device of await records.listSessionDevices(tx, account, contact)) {
        await lockSession(tx, account, { contact, device });
        await records.deleteSession(tx, account, { contact, device });
      }
    },
    deleteAll: async (tx, account) => await records.deleteOfAccount(tx, account),
  };
}
