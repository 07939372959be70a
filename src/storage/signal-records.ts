/**
 * The Signal protocol's records of one account: its own identity, its prekeys, its sessions, and the identities of its
 * contacts' devices. Every record is sealed with the account's data key, bound to table, column and row.
 *
 * Bytes that come in belong to the caller, who zeroes them; bytes that go out are fresh copies, which the caller zeroes
 * after use. Nothing here knows what the records mean: that is `src/signal/`.
 */
import type { Clock } from '../model/ambient.ts';
import { type ContactId, type DeviceId, deviceId } from '../model/ids.ts';
import type { AccountKey } from './accounts.ts';
import type { Tx } from './database.ts';
import { storageErrors } from './errors.ts';
import type { Place, Sealer } from './sealer.ts';

/** `one-time` and `signed` are Curve25519 keys; `kyber` (one-time) and `last-resort` are Kyber keys. */
export type PrekeyKind = 'one-time' | 'kyber' | 'signed' | 'last-resort';

/** Which counter gives an id: `kyber` serves both kinds of Kyber keys, since a message names either by its id alone. */
export type IdCounter = 'prekey' | 'kyber' | 'signed';

/** One device of a contact. */
export type RemoteDevice = Readonly<{ contact: ContactId; device: DeviceId }>;

/** `record` is a serialised private record: zero it after use. */
export type StoredPrekey = Readonly<{
  id: number;
  record: Buffer;
  createdAtMs: number;
  /** Absent until the keys service has confirmed the upload. */
  uploadedAtMs?: number;
}>;

export type PrekeyCount = Readonly<{
  kind: PrekeyKind;
  held: number;
  /** Of these, not confirmed by the keys service. */
  unconfirmed: number;
  newestCreatedAtMs: number;
}>;

/** Public keys, 33 bytes each. */
export type RemoteIdentity = Readonly<{
  device: DeviceId;
  key: Buffer;
  /** Came after a change and waits for the user's decision. */
  pendingKey?: Buffer;
  firstSeenMs: number;
  changedAtMs?: number;
}>;

export class SignalRecords {
  readonly #sealer: Sealer;
  readonly #clock: Clock;

  constructor(deps: { sealer: Sealer; clock: Clock }) {
    this.#sealer = deps.sealer;
    this.#clock = deps.clock;
  }

  // Own identity

  /** @param identity `keyPair`: the serialised private pair. Ids of all counters begin at 1. */
  async insertIdentity(
    tx: Tx,
    account: AccountKey,
    identity: { registrationId: number; keyPair: Uint8Array },
  ): Promise<void> {
    await tx('signal_identities').insert({
      account_id: account.id,
      registration_id: identity.registrationId,
      sealed_key_pair: await this.#sealer.seal(tx, account.dataKey, identityPlace(account), identity.keyPair),
      next_prekey_id: 1,
      next_kyber_id: 1,
      next_signed_id: 1,
    });
  }

  async findIdentity(
    tx: Tx,
    account: AccountKey,
  ): Promise<{ registrationId: number; keyPair: Buffer } | undefined> {
    const row = await tx('signal_identities')
      .where({ account_id: account.id })
      .first<{ registration_id: number; sealed_key_pair: Buffer } | undefined>();
    if (row === undefined) return undefined;
    const keyPair = await this.#sealer.open(tx, account.dataKey, identityPlace(account), row.sealed_key_pair);
    return { registrationId: row.registration_id, keyPair };
  }

  /**
   * Takes `count` ids in a row; none is ever given twice.
   * @returns the first of them.
   * @throws BridgeError `storage/rowMissing` without an identity.
   */
  async takeIds(tx: Tx, account: AccountKey, counter: IdCounter, count: number): Promise<number> {
    const column = `next_${counter}_id`;
    const [row] = await tx('signal_identities')
      .where({ account_id: account.id })
      .increment(column, count)
      .returning<Record<string, number>[]>(column);
    const next = row?.[column];
    if (next === undefined)
      throw storageErrors.rowMissing({ table: 'signal_identities', account: account.id });
    return next - count;
  }

  // Prekeys

  async insertPrekeys(
    tx: Tx,
    account: AccountKey,
    kind: PrekeyKind,
    prekeys: readonly { id: number; record: Uint8Array }[],
  ): Promise<void> {
    const rows = [];
    for (const { id, record } of prekeys) {
      const place = prekeyPlace(account, kind, id);
      rows.push({
        account_id: account.id,
        kind,
        key_id: id,
        sealed_record: await this.#sealer.seal(tx, account.dataKey, place, record),
        created_at_ms: this.#clock.nowMs(),
      });
    }
    if (rows.length > 0) await tx('signal_prekeys').insert(rows);
  }

  async findPrekey(
    tx: Tx,
    account: AccountKey,
    kind: PrekeyKind,
    id: number,
  ): Promise<StoredPrekey | undefined> {
    const row = await tx('signal_prekeys')
      .where({ account_id: account.id, kind, key_id: id })
      .first<PrekeyRow | undefined>();
    return row && (await this.#openPrekey(tx, account, row));
  }

  /** The one made last, confirmed or not. */
  async findNewestPrekey(tx: Tx, account: AccountKey, kind: PrekeyKind): Promise<StoredPrekey | undefined> {
    const row = await tx('signal_prekeys')
      .where({ account_id: account.id, kind })
      .orderBy('key_id', 'desc')
      .first<PrekeyRow | undefined>();
    return row && (await this.#openPrekey(tx, account, row));
  }

  /** Those that the keys service has not confirmed, oldest first. */
  async listUnconfirmedPrekeys(tx: Tx, account: AccountKey, kind: PrekeyKind): Promise<StoredPrekey[]> {
    const rows = await tx('signal_prekeys')
      .where({ account_id: account.id, kind })
      .whereNull('uploaded_at_ms')
      .orderBy('key_id')
      .select<PrekeyRow[]>();
    const prekeys: StoredPrekey[] = [];
    for (const row of rows) prekeys.push(await this.#openPrekey(tx, account, row));
    return prekeys;
  }

  /** One row a kind that has any. */
  async listPrekeyCounts(tx: Tx, account: AccountKey): Promise<PrekeyCount[]> {
    const rows = (await tx('signal_prekeys')
      .where({ account_id: account.id })
      .groupBy('kind')
      .orderBy('kind')
      .select('kind')
      .count({ held: '*', uploaded: 'uploaded_at_ms' })
      .max({ newest: 'created_at_ms' })) as {
      kind: PrekeyKind;
      held: number;
      uploaded: number;
      newest: number;
    }[];
    return rows.map((row) => ({
      kind: row.kind,
      held: row.held,
      unconfirmed: row.held - row.uploaded,
      newestCreatedAtMs: row.newest,
    }));
  }

  /** Notes that the keys service holds these. Ids that are gone are passed over. */
  async saveUploaded(tx: Tx, account: AccountKey, kind: PrekeyKind, ids: readonly number[]): Promise<void> {
    await tx('signal_prekeys')
      .where({ account_id: account.id, kind })
      .whereIn('key_id', ids)
      .whereNull('uploaded_at_ms')
      .update({ uploaded_at_ms: this.#clock.nowMs() });
  }

  /** Notes from now on that the keys of this kind before `id` have a successor. */
  async saveReplaced(tx: Tx, account: AccountKey, kind: PrekeyKind, id: number): Promise<void> {
    await tx('signal_prekeys')
      .where({ account_id: account.id, kind })
      .where('key_id', '<', id)
      .whereNull('replaced_at_ms')
      .update({ replaced_at_ms: this.#clock.nowMs() });
  }

  /** @returns false when there was none. */
  async deletePrekey(tx: Tx, account: AccountKey, kind: PrekeyKind, id: number): Promise<boolean> {
    return (await tx('signal_prekeys').where({ account_id: account.id, kind, key_id: id }).delete()) > 0;
  }

  /** Deletes what was replaced before `beforeMs`, and the uses noted for last-resort keys that are gone. */
  async deleteReplaced(tx: Tx, account: AccountKey, beforeMs: number): Promise<void> {
    await tx('signal_prekeys')
      .where({ account_id: account.id })
      .where('replaced_at_ms', '<', beforeMs)
      .delete();
    const lastResort = tx('signal_prekeys')
      .where({ account_id: account.id, kind: 'last-resort' })
      .select('key_id');
    await tx('signal_kyber_uses')
      .where({ account_id: account.id })
      .whereNotIn('kyber_id', lastResort)
      .delete();
  }

  /** Deletes the oldest confirmed keys of a kind, so that at most `keep` of it are held. */
  async deleteOldestPrekeys(tx: Tx, account: AccountKey, kind: PrekeyKind, keep: number): Promise<void> {
    const kept = tx('signal_prekeys')
      .where({ account_id: account.id, kind })
      .orderBy('key_id', 'desc')
      .limit(keep)
      .select('key_id');
    await tx('signal_prekeys')
      .where({ account_id: account.id, kind })
      .whereNotNull('uploaded_at_ms')
      .whereNotIn('key_id', kept)
      .delete();
  }

  /** @returns false when the same use was noted before. */
  async insertKyberUse(
    tx: Tx,
    account: AccountKey,
    use: { kyberId: number; signedId: number; baseKeySha256: string },
  ): Promise<boolean> {
    const rows = await tx('signal_kyber_uses')
      .insert({
        account_id: account.id,
        kyber_id: use.kyberId,
        signed_id: use.signedId,
        base_key_sha256: use.baseKeySha256,
      })
      .onConflict(['account_id', 'kyber_id', 'signed_id', 'base_key_sha256'])
      .ignore()
      .returning('kyber_id');
    return rows.length > 0;
  }

  // Sessions

  async findSession(tx: Tx, account: AccountKey, remote: RemoteDevice): Promise<Buffer | undefined> {
    const row = await tx('signal_sessions')
      .where(remoteRow(account, remote))
      .first<{ sealed_record: Buffer } | undefined>();
    return (
      row && (await this.#sealer.open(tx, account.dataKey, sessionPlace(account, remote), row.sealed_record))
    );
  }

  async saveSession(tx: Tx, account: AccountKey, remote: RemoteDevice, record: Uint8Array): Promise<void> {
    const sealed = await this.#sealer.seal(tx, account.dataKey, sessionPlace(account, remote), record);
    await tx('signal_sessions')
      .insert({
        ...remoteRow(account, remote),
        sealed_record: sealed,
        updated_at_ms: this.#clock.nowMs(),
      })
      .onConflict(['account_id', 'contact_id', 'device_id'])
      .merge(['sealed_record', 'updated_at_ms']);
  }

  async deleteSession(tx: Tx, account: AccountKey, remote: RemoteDevice): Promise<void> {
    await tx('signal_sessions').where(remoteRow(account, remote)).delete();
  }

  /** The contact's devices with which there is a session, in the order of their numbers. */
  async listSessionDevices(tx: Tx, account: AccountKey, contact: ContactId): Promise<DeviceId[]> {
    const rows = await tx('signal_sessions')
      .where({ account_id: account.id, contact_id: contact })
      .orderBy('device_id')
      .select<{ device_id: number }[]>('device_id');
    return rows.map((row) => deviceId(row.device_id));
  }

  // Identities of contacts

  /** In the order in which they were first seen. */
  async listRemoteIdentities(tx: Tx, account: AccountKey, contact: ContactId): Promise<RemoteIdentity[]> {
    const rows = await tx('signal_remote_identities')
      .where({ account_id: account.id, contact_id: contact })
      .orderBy('first_seen_ms')
      .orderBy('device_id')
      .select<RemoteIdentityRow[]>();
    const identities: RemoteIdentity[] = [];
    for (const row of rows) identities.push(await this.#openRemote(tx, account, contact, row));
    return identities;
  }

  async insertRemoteIdentity(
    tx: Tx,
    account: AccountKey,
    remote: RemoteDevice,
    key: Uint8Array,
  ): Promise<void> {
    await tx('signal_remote_identities').insert({
      ...remoteRow(account, remote),
      sealed_key: await this.#sealRemote(tx, account, remote, 'sealed_key', key),
      first_seen_ms: this.#clock.nowMs(),
    });
  }

  /** Notes a changed key beside the one that is trusted. */
  async savePendingIdentity(
    tx: Tx,
    account: AccountKey,
    remote: RemoteDevice,
    pending: Uint8Array,
  ): Promise<void> {
    await tx('signal_remote_identities')
      .where(remoteRow(account, remote))
      .update({
        sealed_pending_key: await this.#sealRemote(tx, account, remote, 'sealed_pending_key', pending),
        changed_at_ms: this.#clock.nowMs(),
      });
  }

  /** Trusts `key` in place of the one before; nothing is pending afterwards. */
  async saveRemoteIdentity(
    tx: Tx,
    account: AccountKey,
    remote: RemoteDevice,
    key: Uint8Array,
  ): Promise<void> {
    await tx('signal_remote_identities')
      .where(remoteRow(account, remote))
      .update({
        sealed_key: await this.#sealRemote(tx, account, remote, 'sealed_key', key),
        sealed_pending_key: null,
      });
  }

  /** Everything of an account, whatever its key opens. Harmless when there is nothing. */
  async deleteOfAccount(tx: Tx, account: AccountKey): Promise<void> {
    for (const table of TABLES) await tx(table).where({ account_id: account.id }).delete();
  }

  async #openPrekey(tx: Tx, account: AccountKey, row: PrekeyRow): Promise<StoredPrekey> {
    const place = prekeyPlace(account, row.kind, row.key_id);
    return {
      id: row.key_id,
      record: await this.#sealer.open(tx, account.dataKey, place, row.sealed_record),
      createdAtMs: row.created_at_ms,
      ...(row.uploaded_at_ms !== null && { uploadedAtMs: row.uploaded_at_ms }),
    };
  }

  async #sealRemote(
    tx: Tx,
    account: AccountKey,
    remote: RemoteDevice,
    column: string,
    key: Uint8Array,
  ): Promise<Buffer> {
    return await this.#sealer.seal(tx, account.dataKey, remotePlace(account, remote, column), key);
  }

  async #openRemote(
    tx: Tx,
    account: AccountKey,
    contact: ContactId,
    row: RemoteIdentityRow,
  ): Promise<RemoteIdentity> {
    const remote = { contact, device: deviceId(row.device_id) };
    const open = async (column: 'sealed_key' | 'sealed_pending_key', sealed: Buffer) =>
      await this.#sealer.open(tx, account.dataKey, remotePlace(account, remote, column), sealed);
    return {
      device: remote.device,
      key: await open('sealed_key', row.sealed_key),
      ...(row.sealed_pending_key !== null && {
        pendingKey: await open('sealed_pending_key', row.sealed_pending_key),
      }),
      firstSeenMs: row.first_seen_ms,
      ...(row.changed_at_ms !== null && { changedAtMs: row.changed_at_ms }),
    };
  }
}

const TABLES = [
  'signal_sessions',
  'signal_remote_identities',
  'signal_kyber_uses',
  'signal_prekeys',
  'signal_identities',
] as const;

type PrekeyRow = {
  kind: PrekeyKind;
  key_id: number;
  sealed_record: Buffer;
  created_at_ms: number;
  uploaded_at_ms: number | null;
};

type RemoteIdentityRow = {
  device_id: number;
  sealed_key: Buffer;
  sealed_pending_key: Buffer | null;
  first_seen_ms: number;
  changed_at_ms: number | null;
};

function remoteRow(account: AccountKey, { contact, device }: RemoteDevice) {
  return { account_id: account.id, contact_id: contact, device_id: device };
}

function identityPlace(account: AccountKey): Place {
  return { table: 'signal_identities', column: 'sealed_key_pair', row: account.id };
}

function prekeyPlace(account: AccountKey, kind: PrekeyKind, id: number): Place {
  return { table: 'signal_prekeys', column: 'sealed_record', row: `${account.id}/${kind}/${id}` };
}

// A contact's id holds no slash, so no two rows give the same text.
function sessionPlace(account: AccountKey, { contact, device }: RemoteDevice): Place {
  return { table: 'signal_sessions', column: 'sealed_record', row: `${account.id}/${contact}/${device}` };
}

function remotePlace(account: AccountKey, { contact, device }: RemoteDevice, column: string): Place {
  return { table: 'signal_remote_identities', column, row: `${account.id}/${contact}/${device}` };
}
