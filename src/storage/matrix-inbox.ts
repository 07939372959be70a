/**
 * What the homeserver pushed and the bridge has not dealt with yet. A transaction is answered with 200 only after its
 * events stand here; a room is a lane, worked strictly in the order of arrival.
 */
import type { Clock } from '../model/ambient.ts';
import { hasCode } from '../model/errors.ts';
import { type EventId, eventId, type MatrixUserId, type RoomId, roomId } from '../model/ids.ts';
import type { Tx } from './database.ts';
import { storageErrors } from './errors.ts';
import { type DataKeyId, DEPLOYMENT_KEY, type Sealer } from './sealer.ts';

/** An event as it is put in. `json` is the whole event. */
export type ArrivedEvent = Readonly<{
  event: EventId;
  room: RoomId;
  sender: MatrixUserId;
  type: string;
  json: string;
}>;

/** A room with work, and the network of its portal; `undefined` for rooms that are none. */
export type RoomLane = Readonly<{ room: RoomId; network: string | undefined }>;

/** The oldest waiting event of a room. */
export type WaitingEvent = Readonly<{
  seq: number;
  event: EventId;
  json: string;
  attempts: number;
  notBeforeMs: number;
  receivedAtMs: number;
}>;

export class MatrixInbox {
  readonly #sealer: Sealer;
  readonly #clock: Clock;

  constructor(deps: { sealer: Sealer; clock: Clock }) {
    this.#sealer = deps.sealer;
    this.#clock = deps.clock;
  }

  /**
   * Stores a transaction's events. An event id seen before adds nothing (Synapse has been seen pushing one event in two
   * transactions). The id of the transaction decides nothing.
   * COMPAT Synapse 1.163 on SQLite counts its transactions from 1 again after each restart: new events under old ids.
   * @returns the rooms that have new work.
   */
  async insert(tx: Tx, events: readonly ArrivedEvent[]): Promise<RoomLane[]> {
    const receivedAtMs = this.#clock.nowMs();
    const lanes = new Map<RoomId, RoomLane>();
    for (const arrived of events) {
      const { dataKey, network } = await this.#portalOf(tx, arrived.room);
      if (await this.#insertEvent(tx, arrived, dataKey, receivedAtMs)) {
        lanes.set(arrived.room, { room: arrived.room, network });
      }
    }
    return [...lanes.values()];
  }

  /** The rooms in which events wait. */
  async listLanes(tx: Tx): Promise<RoomLane[]> {
    const rows = await tx('matrix_inbox')
      .leftJoin('portals', 'portals.room_id', 'matrix_inbox.room_id')
      .leftJoin('accounts', 'accounts.id', 'portals.account_id')
      .where('matrix_inbox.state', 'waiting')
      .distinct<{ room_id: string; network: string | null }[]>('matrix_inbox.room_id', 'accounts.network');
    return rows.map((row) => ({ room: roomId(row.room_id), network: row.network ?? undefined }));
  }

  /** @returns the oldest waiting event of the room, due or not; `undefined` when none waits. */
  async findNext(tx: Tx, room: RoomId): Promise<WaitingEvent | undefined> {
    const row = await tx('matrix_inbox')
      .where({ state: 'waiting', room_id: room })
      .orderBy('seq')
      .first<InboxRow | undefined>();
    return row === undefined ? undefined : await this.#open(tx, row);
  }

  /** The events that wait behind this one, oldest first. One that cannot be opened is left out: its turn settles it. */
  async listBehind(tx: Tx, room: RoomId, seq: number, limit: number): Promise<WaitingEvent[]> {
    const rows = await tx('matrix_inbox')
      .where({ state: 'waiting', room_id: room })
      .where('seq', '>', seq)
      .orderBy('seq')
      .limit(limit)
      .select<InboxRow[]>();
    const events: WaitingEvent[] = [];
    for (const row of rows) {
      try {
        events.push(await this.#open(tx, row));
      } catch (failure) {
        if (!hasCode(failure, 'storage/sealBroken') && !hasCode(failure, 'storage/dataKeyDestroyed'))
          throw failure;
      }
    }
    return events;
  }

  /**
   * Settles a row and wipes its content.
   * @param errorCode why it failed; `undefined` when it is done.
   * @throws BridgeError `storage/rowMissing` when it is settled already: another worker was faster, and what this
   * transaction did must not happen twice.
   */
  async settle(tx: Tx, seq: number, errorCode?: string): Promise<void> {
    await this.#settle(tx, seq, errorCode, { sealed_event: null });
  }

  /** Settles a row that failed, and keeps its content, sealed, for `requeue`, until `wipeFailed`. Throws as `settle`. */
  async settleKept(tx: Tx, seq: number, errorCode: string): Promise<void> {
    await this.#settle(tx, seq, errorCode, {});
  }

  /** An event was taken back by who had sent it: if it waits, or has failed and is kept, its content is wiped. */
  async settleRedacted(tx: Tx, event: EventId, sender: MatrixUserId): Promise<void> {
    await tx('matrix_inbox').where({ event_id: event, sender }).whereNotNull('sealed_event').update({
      state: 'failed',
      sealed_event: null,
      error_code: 'bridge/redacted',
      settled_at_ms: this.#clock.nowMs(),
    });
  }

  /** The event of a failed row, whole; `undefined` when it is not kept. */
  async findKept(tx: Tx, event: EventId): Promise<string | undefined> {
    const row = await tx('matrix_inbox')
      .where({ event_id: event, state: 'failed' })
      .whereNotNull('sealed_event')
      .first<InboxRow | undefined>();
    return row === undefined ? undefined : (await this.#open(tx, row)).json;
  }

  /** A failed event that is kept waits again, from now on. @returns false when there is none. */
  async requeue(tx: Tx, event: EventId): Promise<boolean> {
    const changed = await tx('matrix_inbox')
      .where({ event_id: event, state: 'failed' })
      .whereNotNull('sealed_event')
      .update({
        state: 'waiting',
        attempts: 0,
        not_before_ms: 0,
        error_code: null,
        received_at_ms: this.#clock.nowMs(),
        settled_at_ms: null,
      });
    return changed > 0;
  }

  /** Wipes the content of what failed before this. */
  async wipeFailed(tx: Tx, beforeMs: number): Promise<void> {
    await tx('matrix_inbox')
      .where({ state: 'failed' })
      .whereNotNull('sealed_event')
      .where('settled_at_ms', '<=', beforeMs)
      .update({ sealed_event: null });
  }

  /**
   * Settles the room's oldest event unread: its key is gone, or its seal is broken, and it would block all that follows.
   * @returns the event; `undefined` when none waits.
   */
  async settleUnreadable(tx: Tx, room: RoomId, errorCode: string): Promise<EventId | undefined> {
    const row = await tx('matrix_inbox')
      .where({ state: 'waiting', room_id: room })
      .orderBy('seq')
      .first<{ seq: number; event_id: string } | undefined>('seq', 'event_id');
    if (row === undefined) return undefined;
    await this.settle(tx, row.seq, errorCode);
    return eventId(row.event_id);
  }

  /** Settles all that waits under this data key, which is about to be destroyed, and wipes what is kept under it. */
  async settleSealedWith(tx: Tx, dataKey: DataKeyId, errorCode: string): Promise<void> {
    await tx('matrix_inbox').where({ state: 'failed', data_key_id: dataKey }).update({ sealed_event: null });
    await tx('matrix_inbox').where({ state: 'waiting', data_key_id: dataKey }).update({
      state: 'failed',
      sealed_event: null,
      error_code: errorCode,
      settled_at_ms: this.#clock.nowMs(),
    });
  }

  /** Leaves the row waiting, not to be tried before `notBeforeMs`. */
  async delay(tx: Tx, seq: number, notBeforeMs: number, errorCode: string): Promise<void> {
    await tx('matrix_inbox')
      .where({ seq, state: 'waiting' })
      .update({
        not_before_ms: notBeforeMs,
        error_code: errorCode.slice(0, 64),
        attempts: tx.raw('attempts + 1'),
      });
  }

  async countWaiting(tx: Tx): Promise<number> {
    const row = await tx('matrix_inbox').where({ state: 'waiting' }).count({ n: '*' }).first<{ n: number }>();
    return Number(row.n);
  }

  /** Forgets rows settled before this: nobody repeats them any more. */
  async deleteSettled(tx: Tx, beforeMs: number): Promise<void> {
    await tx('matrix_inbox').whereNot({ state: 'waiting' }).where('settled_at_ms', '<', beforeMs).delete();
  }

  async #settle(tx: Tx, seq: number, errorCode: string | undefined, wiped: object): Promise<void> {
    const changed = await tx('matrix_inbox')
      .where({ seq, state: 'waiting' })
      .update({
        state: errorCode === undefined ? 'done' : 'failed',
        error_code: errorCode?.slice(0, 64) ?? null,
        settled_at_ms: this.#clock.nowMs(),
        ...wiped,
      });
    if (changed !== 1) throw storageErrors.rowMissing({ table: 'matrix_inbox', seq });
  }

  async #open(tx: Tx, row: InboxRow): Promise<WaitingEvent> {
    const json = await this.#sealer.open(
      tx,
      row.data_key_id as DataKeyId,
      place(row.event_id),
      row.sealed_event ?? Buffer.alloc(0),
    );
    return {
      seq: row.seq,
      event: eventId(row.event_id),
      json: json.toString('utf8'),
      attempts: row.attempts,
      notBeforeMs: row.not_before_ms,
      receivedAtMs: row.received_at_ms,
    };
  }

  async #insertEvent(
    tx: Tx,
    arrived: ArrivedEvent,
    dataKey: DataKeyId,
    receivedAtMs: number,
  ): Promise<boolean> {
    const rows = await tx('matrix_inbox')
      .insert({
        event_id: arrived.event,
        room_id: arrived.room,
        sender: arrived.sender,
        type: arrived.type,
        data_key_id: dataKey,
        sealed_event: await this.#sealer.seal(tx, dataKey, place(arrived.event), Buffer.from(arrived.json)),
        state: 'waiting',
        attempts: 0,
        not_before_ms: 0,
        received_at_ms: receivedAtMs,
      })
      .onConflict('event_id')
      .ignore()
      .returning('event_id');
    return rows.length > 0;
  }

  /** The account's key if the room is a portal: opting out then takes what still waits with it. */
  async #portalOf(tx: Tx, room: RoomId): Promise<{ dataKey: DataKeyId; network: string | undefined }> {
    const row = await tx('portals')
      .join('accounts', 'accounts.id', 'portals.account_id')
      .where('portals.room_id', room)
      .first<{ data_key_id: string; network: string } | undefined>(
        'accounts.data_key_id',
        'accounts.network',
      );
    return { dataKey: (row?.data_key_id ?? DEPLOYMENT_KEY) as DataKeyId, network: row?.network };
  }
}

type InboxRow = {
  seq: number;
  event_id: string;
  data_key_id: string;
  sealed_event: Buffer | null;
  attempts: number;
  not_before_ms: number;
  received_at_ms: number;
};

function place(event: string) {
  return { table: 'matrix_inbox', column: 'sealed_event', row: event };
}
