/**
 * Stanzas that must reach the network's server, in order, each under an id that never changes. A row is done when the
 * server has acknowledged it (XEP-0198); until then the same bytes go again after every loss.
 */
import type { Clock, Random } from '../model/ambient.ts';
import {
  type AccountId,
  type EventId,
  eventId,
  type RoomId,
  roomId,
  type StanzaId,
  stanzaId,
} from '../model/ids.ts';
import type { AccountKey } from './accounts.ts';
import type { Tx } from './database.ts';
import type { Sealer } from './sealer.ts';

export type QueuedStanza = Readonly<{
  stanza: StanzaId;
  xml: string;
  /** The Matrix event it carries; absent for receipts and notices. */
  event?: EventId;
  room?: RoomId;
}>;

/** A Matrix event that a stanza carried, and that stanza. */
export type CarriedEvent = Readonly<{ event: EventId; room: RoomId; stanza: StanzaId }>;

export type OutboxStanza = Readonly<{ rowId: string; xml: string }>;
export type NumberedStanza = OutboxStanza & Readonly<{ number: number }>;

export class Outbox {
  readonly #sealer: Sealer;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(deps: { sealer: Sealer; clock: Clock; random: Random }) {
    this.#sealer = deps.sealer;
    this.#clock = deps.clock;
    this.#random = deps.random;
  }

  /** Queues a stanza. @returns false when this account queued one with the same id before: nothing is added. */
  async insert(tx: Tx, account: AccountKey, queued: QueuedStanza): Promise<boolean> {
    const rowId = this.#random.uuid();
    const rows = await tx('outbox')
      .insert({
        id: rowId,
        account_id: account.id,
        stanza_id: queued.stanza,
        event_id: queued.event ?? null,
        room_id: queued.room ?? null,
        sealed_stanza: await this.#sealer.seal(tx, account.dataKey, place(rowId), Buffer.from(queued.xml)),
        state: 'waiting',
        created_at_ms: this.#clock.nowMs(),
      })
      .onConflict(['account_id', 'stanza_id'])
      .ignore()
      .returning('id');
    return rows.length > 0;
  }

  /**
   * Queues a stanza in the place of a settled one with the same id: it is sent anew, before all that waits.
   * @returns false when there is none, or it is not settled.
   */
  async replaceSettled(tx: Tx, account: AccountKey, queued: QueuedStanza): Promise<boolean> {
    const row = await tx('outbox')
      .where({ account_id: account.id, stanza_id: queued.stanza })
      .whereNot({ state: 'waiting' })
      .first<{ id: string } | undefined>('id');
    if (row === undefined) return false;
    const changed = await tx('outbox')
      .where({ id: row.id })
      .whereNot({ state: 'waiting' })
      .update({
        sealed_stanza: await this.#sealer.seal(tx, account.dataKey, place(row.id), Buffer.from(queued.xml)),
        state: 'waiting',
        created_at_ms: this.#clock.nowMs(),
        settled_at_ms: null,
      });
    return changed > 0;
  }

  /** The oldest rows not yet handed to the socket in this session of the stream, in order. */
  async listUnnumbered(tx: Tx, account: AccountKey, limit: number): Promise<OutboxStanza[]> {
    const rows = await tx('outbox')
      .where({ account_id: account.id, state: 'waiting' })
      .whereNull('number')
      .orderBy('seq')
      .limit(limit)
      .select<OutboxRow[]>();
    const stanzas: OutboxStanza[] = [];
    for (const row of rows) stanzas.push({ rowId: row.id, xml: await this.#open(tx, account, row) });
    return stanzas;
  }

  /** Handed to the socket in this session and not acknowledged, in order. */
  async listNumbered(tx: Tx, account: AccountKey): Promise<NumberedStanza[]> {
    const rows = await tx('outbox')
      .where({ account_id: account.id, state: 'waiting' })
      .whereNotNull('number')
      .orderBy('number')
      .select<(OutboxRow & { number: number })[]>();
    const stanzas: NumberedStanza[] = [];
    for (const row of rows) {
      stanzas.push({ rowId: row.id, number: row.number, xml: await this.#open(tx, account, row) });
    }
    return stanzas;
  }

  async saveNumbers(tx: Tx, rows: readonly { rowId: string; number: number }[]): Promise<void> {
    for (const row of rows) await tx('outbox').where({ id: row.rowId }).update({ number: row.number });
  }

  /** A new session counts from zero: what the old one left unacknowledged goes again, in order. */
  async forgetNumbers(tx: Tx, account: AccountId): Promise<void> {
    await tx('outbox')
      .where({ account_id: account, state: 'waiting' })
      .whereNotNull('number')
      .update({ number: null });
  }

  /** Settles and wipes what the server acknowledged. @returns the Matrix events among it. */
  async settleUpTo(tx: Tx, account: AccountId, number: number): Promise<{ event: EventId; room: RoomId }[]> {
    const rows = await tx('outbox')
      .where({ account_id: account, state: 'waiting' })
      .where('number', '<=', number)
      .update({ state: 'done', sealed_stanza: null, number: null, settled_at_ms: this.#clock.nowMs() })
      .returning<{ event_id: string | null; room_id: string | null }[]>(['event_id', 'room_id']);
    return rows.flatMap(({ event_id, room_id }) =>
      event_id === null || room_id === null ? [] : [{ event: eventId(event_id), room: roomId(room_id) }],
    );
  }

  /**
   * Gives up on one stanza: it is wiped, and these bytes are never sent again.
   * @returns the Matrix event that it carried; `undefined` when it carried none or is settled.
   */
  async fail(tx: Tx, rowId: string): Promise<CarriedEvent | undefined> {
    const [row] = await tx('outbox')
      .where({ id: rowId, state: 'waiting' })
      .update({ state: 'failed', sealed_stanza: null, number: null, settled_at_ms: this.#clock.nowMs() })
      .returning<CarriedRow[]>(['event_id', 'room_id', 'stanza_id']);
    if (!row?.event_id || !row.room_id) return undefined;
    return { event: eventId(row.event_id), room: roomId(row.room_id), stanza: stanzaId(row.stanza_id) };
  }

  /**
   * The Matrix events that have waited here for a while and have no fate yet, oldest first.
   * @param limits.beforeMs epoch milliseconds: only what was queued by then.
   * @returns them, and when the oldest of the younger ones was queued.
   */
  async listUntold(
    tx: Tx,
    account: AccountId,
    limits: { beforeMs: number; most: number },
  ): Promise<{ late: { event: EventId; room: RoomId }[]; nextMs: number | undefined }> {
    const rows = await tx('outbox')
      .leftJoin('fates', 'fates.event_id', 'outbox.event_id')
      .where({ 'outbox.account_id': account, 'outbox.state': 'waiting' })
      .whereNotNull('outbox.event_id')
      .whereNull('fates.event_id')
      .orderBy('outbox.seq')
      .limit(limits.most)
      .select<(CarriedRow & { created_at_ms: number })[]>('outbox.*');
    const late = rows.flatMap(({ event_id, room_id, created_at_ms }) =>
      event_id === null || room_id === null || created_at_ms > limits.beforeMs
        ? []
        : [{ event: eventId(event_id), room: roomId(room_id) }],
    );
    const young = rows.map((row) => row.created_at_ms).filter((queuedMs) => queuedMs > limits.beforeMs);
    return { late, nextMs: young.length === 0 ? undefined : Math.min(...young) };
  }

  /** Rows that carry a Matrix event, were never handed to a socket in this session, and are older than this. */
  async listTooOld(tx: Tx, account: AccountId, beforeMs: number): Promise<string[]> {
    return await tx('outbox')
      .where({ account_id: account, state: 'waiting' })
      .whereNull('number')
      .whereNotNull('event_id')
      .where('created_at_ms', '<', beforeMs)
      .orderBy('seq')
      .limit(200)
      .pluck('id');
  }

  async countWaiting(tx: Tx): Promise<number> {
    const row = await tx('outbox').where({ state: 'waiting' }).count({ n: '*' }).first<{ n: number }>();
    return Number(row.n);
  }

  async deleteSettled(tx: Tx, beforeMs: number): Promise<void> {
    await tx('outbox').whereNot({ state: 'waiting' }).where('settled_at_ms', '<', beforeMs).delete();
  }

  async deleteOfAccount(tx: Tx, account: AccountId): Promise<void> {
    await tx('outbox').where({ account_id: account }).delete();
  }

  async #open(tx: Tx, account: AccountKey, row: OutboxRow): Promise<string> {
    const opened = await this.#sealer.open(
      tx,
      account.dataKey,
      place(row.id),
      row.sealed_stanza ?? Buffer.alloc(0),
    );
    return opened.toString('utf8');
  }
}

type CarriedRow = { event_id: string | null; room_id: string | null; stanza_id: string };
type OutboxRow = { id: string; sealed_stanza: Buffer | null };

function place(rowId: string) {
  return { table: 'outbox', column: 'sealed_stanza', row: rowId };
}
