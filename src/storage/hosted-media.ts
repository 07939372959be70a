import type { Clock } from '../model/ambient.ts';
import { type AccountId, accountId, type NetworkId, networkId } from '../model/ids.ts';
import type { AccountKey } from './accounts.ts';
import type { Tx } from './database.ts';
import { storageErrors } from './errors.ts';
import type { Sealer } from './sealer.ts';

/** What the message has to say of a hosted file. `key`: 64 bytes; wipe it after use. `digest`: 32 bytes. */
export type HostedFacts = Readonly<{ key: Buffer; digest: Buffer; sizeBytes: number }>;

/** A file that is hosted for an account. `storedBytes`: of the ciphertext. */
export type HostedMedium = Readonly<{
  id: string;
  account: AccountId;
  network: NetworkId;
  storedBytes: number;
  expiresAtMs: number;
}>;

const KEY_BYTES = 64;
const DIGEST_BYTES = 32;
const SIZE_BYTES = 8;

/**
 * `writing`: the file is being put where it is served from. `hosted`: it is there. `leaving`: it is served no more, and the
 * row stays until the file is gone.
 */
export class HostedMedia {
  readonly #sealer: Sealer;
  readonly #clock: Clock;

  constructor(deps: { sealer: Sealer; clock: Clock }) {
    this.#sealer = deps.sealer;
    this.#clock = deps.clock;
  }

  /** Notes that a file will be written. To be committed before it is. */
  async insert(
    tx: Tx,
    account: AccountKey,
    medium: { id: string; reference: string; storedBytes: number; expiresAtMs: number; facts: HostedFacts },
  ): Promise<void> {
    const { id, reference, storedBytes, expiresAtMs, facts } = medium;
    const size = Buffer.alloc(SIZE_BYTES);
    size.writeBigUInt64BE(BigInt(facts.sizeBytes));
    const plain = Buffer.concat([facts.key, facts.digest, size]);
    const sealed = await this.#sealer.seal(tx, account.dataKey, place(id), plain);
    plain.fill(0);
    await tx('hosted_media').insert({
      id,
      account_id: account.id,
      reference,
      state: 'writing',
      size_bytes: storedBytes,
      sealed_facts: sealed,
      created_at_ms: this.#clock.nowMs(),
      expires_at_ms: expiresAtMs,
    });
  }

  /**
   * The file is where it is served from.
   * @throws BridgeError `storage/rowMissing` when it has been told to leave meanwhile.
   */
  async markHosted(tx: Tx, id: string): Promise<void> {
    const changed = await tx('hosted_media').where({ id, state: 'writing' }).update({ state: 'hosted' });
    if (changed === 0) throw storageErrors.rowMissing({ table: 'hosted_media' });
  }

  /** What was hosted under this reference and can still be named in a message; `undefined` when nothing was. */
  async findFacts(
    tx: Tx,
    account: AccountKey,
    reference: string,
  ): Promise<Readonly<{ id: string; facts: HostedFacts }> | undefined> {
    const row = await tx('hosted_media')
      .where({ account_id: account.id, reference, state: 'hosted' })
      .where('expires_at_ms', '>', this.#clock.nowMs())
      .whereNotNull('sealed_facts')
      .first<{ id: string; sealed_facts: Buffer } | undefined>('id', 'sealed_facts');
    if (row === undefined) return undefined;
    const plain = await this.#sealer.open(tx, account.dataKey, place(row.id), row.sealed_facts);
    const digestEnd = KEY_BYTES + DIGEST_BYTES;
    const facts = {
      key: Buffer.from(plain.subarray(0, KEY_BYTES)),
      digest: Buffer.from(plain.subarray(KEY_BYTES, digestEnd)),
      sizeBytes: Number(plain.readBigUInt64BE(digestEnd)),
    };
    plain.fill(0);
    return { id: row.id, facts };
  }

  /** What may be served now; `undefined` for what is unknown, not complete, expired or leaving. */
  async findServed(tx: Tx, id: string): Promise<HostedMedium | undefined> {
    const row = await tx('hosted_media as m')
      .join('accounts as a', 'a.id', 'm.account_id')
      .where({ 'm.id': id, 'm.state': 'hosted' })
      .where('m.expires_at_ms', '>', this.#clock.nowMs())
      .first<Row | undefined>('m.id', 'm.account_id', 'a.network', 'm.size_bytes', 'm.expires_at_ms');
    if (row === undefined) return undefined;
    return {
      id: row.id,
      account: accountId(row.account_id),
      network: networkId(row.network),
      storedBytes: Number(row.size_bytes),
      expiresAtMs: Number(row.expires_at_ms),
    };
  }

  /** Bytes that lie there or are being written, those that leave included; of one account, or of all. */
  async sumBytes(tx: Tx, account?: AccountId): Promise<number> {
    const rows = tx('hosted_media');
    if (account !== undefined) rows.where({ account_id: account });
    const [found] = await rows.sum<{ bytes: number | string | null }[]>('size_bytes as bytes');
    return Number(found?.bytes ?? 0);
  }

  /** The message went out and is remembered elsewhere: its key is forgotten here. Repeated or unknown: nothing happens. */
  async forgetFacts(tx: Tx, account: AccountId, reference: string): Promise<void> {
    await tx('hosted_media').where({ account_id: account, reference }).update({ sealed_facts: null });
  }

  /** The message will not go out. */
  async leave(tx: Tx, account: AccountId, reference: string): Promise<void> {
    await tx('hosted_media').where({ account_id: account, reference }).update(LEAVING);
  }

  async leaveOfAccount(tx: Tx, account: AccountId): Promise<void> {
    await tx('hosted_media').where({ account_id: account }).update(LEAVING);
  }

  /** Of what a process wrote that is no more: to be called before anything is written. */
  async leaveUnfinished(tx: Tx): Promise<void> {
    await tx('hosted_media').where({ state: 'writing' }).update(LEAVING);
  }

  async leaveExpired(tx: Tx): Promise<void> {
    await tx('hosted_media')
      .where({ state: 'hosted' })
      .where('expires_at_ms', '<=', this.#clock.nowMs())
      .update(LEAVING);
  }

  /** Files that have to be deleted; their rows after them. Those after `afterId`, in order, so that one that fails is passed. */
  async listLeaving(tx: Tx, limit: number, afterId = ''): Promise<string[]> {
    return await tx('hosted_media')
      .where({ state: 'leaving' })
      .where('id', '>', afterId)
      .orderBy('id')
      .limit(limit)
      .pluck('id');
  }

  /** The file is gone. */
  async delete(tx: Tx, id: string): Promise<void> {
    await tx('hosted_media').where({ id, state: 'leaving' }).delete();
  }
}

type Row = {
  id: string;
  account_id: string;
  network: string;
  size_bytes: number | string;
  expires_at_ms: number | string;
};

const LEAVING = { state: 'leaving', reference: null, sealed_facts: null };

function place(id: string) {
  return { table: 'hosted_media', column: 'sealed_facts', row: id };
}
