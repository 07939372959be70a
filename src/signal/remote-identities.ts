/**
 * The identity keys of contacts, and what the user decided about them.
 *
 * A Signal identity belongs to a person, so trust on first use happens once a contact, not once a device: a further
 * device is believed at once only if it shows the key that the contact was first seen with. Otherwise a server could read
 * along by announcing a device of its own, or pass off a changed key as that of a new device.
 */
import type { Log } from '../model/ambient.ts';
import type { ContactId } from '../model/ids.ts';
import type { AccountKey, RemoteIdentity, SignalRecords, Tx } from '../storage/storage.ts';
import type { SignalAddress } from './address.ts';

/** `own`: what is stored for this very device. `trusted`: the key it must show; undefined at the contact's first use. */
export async function knownIdentity(
  records: SignalRecords,
  tx: Tx,
  account: AccountKey,
  { contact, device }: SignalAddress,
): Promise<{ own: RemoteIdentity | undefined; trusted: Buffer | undefined }> {
  const devices = await records.listRemoteIdentities(tx, account, contact);
  const own = devices.find((identity) => identity.device === device);
  return { own, trusted: (own ?? devices[0])?.key };
}

export class RemoteIdentities {
  readonly #records: SignalRecords;
  readonly #log: Log;

  constructor(deps: { records: SignalRecords; log: Log }) {
    this.#records = deps.records;
    this.#log = deps.log;
  }

  async list(tx: Tx, account: AccountKey, contact: ContactId): Promise<RemoteIdentity[]> {
    return await this.#records.listRemoteIdentities(tx, account, contact);
  }

  /** Notes a key that was refused; it waits for `trust` or `refuse`. The one noted last counts. */
  async notePending(tx: Tx, account: AccountKey, address: SignalAddress, key: Uint8Array): Promise<void> {
    const { own, trusted } = await knownIdentity(this.#records, tx, account, address);
    // Trusted or noted by another process in the meantime.
    if (trusted === undefined || trusted.equals(key) || own?.pendingKey?.equals(key)) return;
    if (own === undefined) await this.#records.insertRemoteIdentity(tx, account, address, trusted);
    await this.#records.savePendingIdentity(tx, account, address, key);
    this.#log.warn('a contact shows another identity key; waiting for the user', factsOf(account, address));
  }

  /**
   * Trusts the pending key. The session with the device goes: it belongs to the old key, and what it still decrypts would
   * come from the old one.
   * @param seen the key that the user has compared; if another one is pending by now, nothing happens.
   */
  async trust(tx: Tx, account: AccountKey, address: SignalAddress, seen?: Uint8Array): Promise<boolean> {
    const { own } = await knownIdentity(this.#records, tx, account, address);
    if (own?.pendingKey === undefined) return false;
    if (seen !== undefined && !own.pendingKey.equals(seen)) return false;
    await this.#records.saveRemoteIdentity(tx, account, address, own.pendingKey);
    await this.#records.deleteSession(tx, account, address);
    this.#log.info('the user trusts a contact’s changed identity key', factsOf(account, address));
    return true;
  }

  /** Drops the pending key and stays with the one before. */
  async refuse(tx: Tx, account: AccountKey, address: SignalAddress): Promise<boolean> {
    const { own } = await knownIdentity(this.#records, tx, account, address);
    if (own?.pendingKey === undefined) return false;
    await this.#records.saveRemoteIdentity(tx, account, address, own.key);
    this.#log.info('the user refuses a contact’s changed identity key', factsOf(account, address));
    return true;
  }
}

function factsOf(account: AccountKey, { contact, device }: SignalAddress) {
  return { account: account.id, contact, device };
}
