/**
 * What the network's server delivered and the bridge has not brought into a room yet. A stanza counts as handled for
 * XEP-0198 only once it stands here. Sender by sender it is worked in the order of arrival: decrypted once, the content
 * journalled in the same transaction, then sent to Matrix.
 */
import { createHash } from 'node:crypto';
import type { Clock, Random } from '../model/ambient.ts';
import { type AccountId, accountId, type NetworkId, networkId } from '../model/ids.ts';
import type { AccountKey } from './accounts.ts';
import type { Tx } from './database.ts';
import { storageErrors } from './errors.ts';
import type { Sealer } from './sealer.ts';

export type ArrivedStanza = Readonly<{
  /** Bare JID of the sender. */
  lane: string;
  id: string | undefined;
  /** Of what the sender wrote: an id alone can be used for two messages. */
  digest: string;
  /** Of the server's archive (XEP-0313): tells a stanza without an id when it comes again. */
  archiveId?: string | undefined;
  /** Type `error`: a bounce carries the id of what it answers and must not pass for it. */
  isError: boolean;
  stanza: StoredStanza;
}>;

/** A stanza as the link stored it. `from`: as the server stamped it; `delayedAtMs`: epoch milliseconds (XEP-0203). */
export type StoredStanza = Readonly<{ from: string; xml: string; delayedAtMs: number | undefined }>;

/** The oldest unsettled stanza of a lane: as it came, or already decrypted and journalled. */
export type WaitingStanza = Readonly<{
  seq: number;
  rowId: string;
  attempts: number;
  notBeforeMs: number;
  receivedAtMs: number;
  /** Of the sealed stanza as it came. */
  bytes: number;
  /** Why it waits; `undefined` until it had to. */
  errorCode: string | undefined;
}> &
  Readonly<{ state: 'waiting'; stanza: StoredStanza } | { state: 'decrypted'; journal: Buffer }>;

/** The rows of one sender to one account that are not settled. */
export type UnsettledLane = Readonly<{
  account: AccountId;
  network: NetworkId;
  lane: string;
  rows: number;
  bytes: number;
}>;

export class NetworkInbox {
  readonly #sealer: Sealer;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(deps: { sealer: Sealer; clock: Clock; random: Random }) {
    this.#sealer = deps.sealer;
    this.#clock = deps.clock;
    this.#random = deps.random;
  }

  /**
   * Stores stanzas in order; one that came before (same sender, id and digest, or archive id) adds nothing.
   * @returns lane and size of each row that was added.
   */
  async insert(
    tx: Tx,
    account: AccountKey,
    stanzas: readonly ArrivedStanza[],
  ): Promise<{ lane: string; bytes: number }[]> {
    const added: { lane: string; bytes: number }[] = [];
    for (const arrived of stanzas) {
      const rowId = this.#random.uuid();
      const place = { table: 'network_inbox', column: 'sealed_stanza', row: rowId };
      const sealed = await this.#sealer.seal(tx, account.dataKey, place, toJson(arrived.stanza));
      const rows = await tx('network_inbox')
        .insert({
          id: rowId,
          account_id: account.id,
          lane: arrived.lane,
          dedupe: dedupeKey(arrived, rowId),
          stanza_id: arrived.id?.slice(0, 256) ?? null,
          sealed_stanza: sealed,
          bytes: sealed.length,
          state: 'waiting',
          attempts: 0,
          not_before_ms: 0,
          received_at_ms: this.#clock.nowMs(),
        })
        .onConflict(['account_id', 'dedupe'])
        .ignore()
        .returning('seq');
      if (rows.length > 0) added.push({ lane: arrived.lane, bytes: sealed.length });
    }
    return added;
  }

  /** Account, network and sender of everything that is not settled: how many rows, and how large they came. */
  async listLanes(tx: Tx): Promise<UnsettledLane[]> {
    const rows = await tx('network_inbox')
      .join('accounts', 'accounts.id', 'network_inbox.account_id')
      .whereNull('network_inbox.settled_at_ms')
      .groupBy('network_inbox.account_id', 'accounts.network', 'network_inbox.lane')
      .select<{ account_id: string; network: string; lane: string; rows: number; bytes: number }[]>(
        'network_inbox.account_id',
        'accounts.network',
        'network_inbox.lane',
        tx.raw('count(*) as ??', ['rows']),
        tx.raw('sum(??) as ??', ['network_inbox.bytes', 'bytes']),
      );
    return rows.map(({ account_id, network, lane, rows: count, bytes }) => ({
      account: accountId(account_id),
      network: networkId(network),
      lane,
      rows: Number(count),
      bytes: Number(bytes),
    }));
  }

  /** @returns the oldest unsettled stanza of the lane, due or not; `undefined` when there is none. */
  async findNext(tx: Tx, account: AccountKey, lane: string): Promise<WaitingStanza | undefined> {
    const row = await tx('network_inbox')
      .where({ account_id: account.id, lane })
      .whereNull('settled_at_ms')
      .orderBy('seq')
      .first<InboxRow | undefined>();
    if (row === undefined) return undefined;
    const column = row.state === 'waiting' ? 'sealed_stanza' : 'sealed_content';
    const place = { table: 'network_inbox', column, row: row.id };
    const opened = await this.#sealer.open(tx, account.dataKey, place, row[column] ?? Buffer.alloc(0));
    const common = {
      seq: row.seq,
      rowId: row.id,
      attempts: row.attempts,
      notBeforeMs: row.not_before_ms,
      receivedAtMs: row.received_at_ms,
      bytes: row.bytes,
      errorCode: row.error_code ?? undefined,
    };
    return row.state === 'waiting'
      ? { ...common, state: 'waiting', stanza: fromJson(opened) }
      : { ...common, state: 'decrypted', journal: opened };
  }

  /**
   * Puts the decrypted content in the stanza's place. Runs in the transaction of the ratchet step.
   * @throws BridgeError `storage/rowMissing` when another worker was faster.
   */
  async journal(tx: Tx, account: AccountKey, row: WaitingStanza, content: Uint8Array): Promise<void> {
    const place = { table: 'network_inbox', column: 'sealed_content', row: row.rowId };
    const changed = await tx('network_inbox')
      .where({ seq: row.seq, state: 'waiting' })
      .update({
        state: 'decrypted',
        sealed_stanza: null,
        sealed_content: await this.#sealer.seal(tx, account.dataKey, place, content),
        attempts: 0,
        not_before_ms: 0,
      });
    if (changed !== 1) throw storageErrors.rowMissing({ table: 'network_inbox', seq: row.seq });
  }

  /**
   * Settles a row and wipes stanza and journal.
   * @throws BridgeError `storage/rowMissing` when it is settled already.
   */
  async settle(tx: Tx, seq: number, errorCode?: string): Promise<void> {
    const changed = await tx('network_inbox')
      .where({ seq })
      .whereIn('state', ['waiting', 'decrypted'])
      .update({
        state: errorCode === undefined ? 'done' : 'failed',
        sealed_stanza: null,
        sealed_content: null,
        error_code: errorCode?.slice(0, 64) ?? null,
        settled_at_ms: this.#clock.nowMs(),
      });
    if (changed !== 1) throw storageErrors.rowMissing({ table: 'network_inbox', seq });
  }

  /** Settles the lane's oldest stanza unread: its seal is broken, and it would block all that follows. */
  async settleUnreadable(tx: Tx, account: AccountId, lane: string, errorCode: string): Promise<void> {
    const row = await tx('network_inbox')
      .where({ account_id: account, lane })
      .whereNull('settled_at_ms')
      .orderBy('seq')
      .first<{ seq: number } | undefined>('seq');
    if (row !== undefined) await this.settle(tx, row.seq, errorCode);
  }

  async delay(tx: Tx, seq: number, notBeforeMs: number, errorCode: string): Promise<void> {
    await tx('network_inbox')
      .where({ seq })
      .whereIn('state', ['waiting', 'decrypted'])
      .update({
        not_before_ms: notBeforeMs,
        error_code: errorCode.slice(0, 64),
        attempts: tx.raw('attempts + 1'),
      });
  }

  /** What was delayed in this lane is due now: what it waited for has happened. */
  async makeDue(tx: Tx, account: AccountId, lane: string): Promise<void> {
    await tx('network_inbox')
      .where({ account_id: account, lane })
      .whereNull('settled_at_ms')
      .update({ not_before_ms: 0 });
  }

  async countWaiting(tx: Tx): Promise<number> {
    const row = await tx('network_inbox').whereNull('settled_at_ms').count({ n: '*' }).first<{ n: number }>();
    return Number(row.n);
  }

  async deleteSettled(tx: Tx, beforeMs: number): Promise<void> {
    await tx('network_inbox').where('settled_at_ms', '<', beforeMs).delete();
  }

  async deleteOfAccount(tx: Tx, account: AccountId): Promise<void> {
    await tx('network_inbox').where({ account_id: account }).delete();
  }
}

type InboxRow = {
  seq: number;
  id: string;
  sealed_stanza: Buffer | null;
  sealed_content: Buffer | null;
  state: 'waiting' | 'decrypted';
  attempts: number;
  not_before_ms: number;
  received_at_ms: number;
  bytes: number;
  error_code: string | null;
};

/** A stanza without any id cannot be recognised when it comes again: its own row stands for it. */
function dedupeKey(arrived: ArrivedStanza, rowId: string): string {
  const hash = createHash('sha256').update(`${arrived.lane}\0${arrived.isError ? 'error' : 'message'}\0`);
  if (arrived.id !== undefined) hash.update(`${arrived.id}\0${arrived.digest}`);
  else if (arrived.archiveId !== undefined) hash.update(`\0archive\0${arrived.archiveId}`);
  else hash.update(`\0${rowId}`);
  return hash.digest('hex');
}

function toJson(stanza: StoredStanza): Buffer {
  return Buffer.from(JSON.stringify(stanza));
}

function fromJson(json: Buffer): StoredStanza {
  const { from, xml, delayedAtMs } = JSON.parse(json.toString('utf8')) as StoredStanza;
  return { from, xml, delayedAtMs };
}
