import type { Clock } from '../model/ambient.ts';
import {
  type AccountId,
  accountId,
  type EventId,
  eventId,
  type MatrixUserId,
  matrixUserId,
  type RoomId,
  roomId,
} from '../model/ids.ts';
import type { Tx } from './database.ts';

/**
 * What became of a message from Matrix. `waiting`: it could not go at once and is tried again. `sent`: the network's
 * server has it. `delivered`: the contact's app has it. `failed`: certainly not sent. `maybe-failed`: no one can tell.
 */
export type FateState = 'waiting' | 'sent' | 'delivered' | 'failed' | 'maybe-failed';

/** The fate of one Matrix event, of which its room has not been told yet. */
export type UntoldFate = Readonly<{
  event: EventId;
  room: RoomId;
  account: AccountId;
  state: FateState;
  /** Why it failed: the code, and the id of the text for people. */
  errorCode: string | undefined;
  reason: string | undefined;
  reasonArgs: FateArguments;
  /** How often it was put back into the way after it had failed. */
  requeues: number;
}>;

/** A message that failed, for whoever decides about putting it back into the way. */
export type FailedFate = Omit<UntoldFate, 'state' | 'requeues'> &
  Readonly<{ state: 'failed' | 'maybe-failed'; user: MatrixUserId; failedAtMs: number }>;

/** Which failed messages; an empty one means all. */
export type FailedFilter = Readonly<{ user?: MatrixUserId; room?: RoomId; event?: EventId }>;

/** What the text of a reason names: numbers, kinds, conditions. Never content. */
export type FateArguments = Readonly<Record<string, string | number>>;

/** Which states may follow which: what has arrived does not become doubtful by a late word. */
const MAY_FOLLOW: Readonly<Record<FateState, readonly FateState[]>> = {
  waiting: [],
  sent: ['waiting', 'maybe-failed'],
  delivered: ['waiting', 'sent', 'maybe-failed', 'failed'],
  failed: ['waiting', 'sent', 'maybe-failed'],
  'maybe-failed': ['waiting'],
};

export class Fates {
  readonly #clock: Clock;

  constructor(deps: { clock: Clock }) {
    this.#clock = deps.clock;
  }

  /**
   * Notes a new state. One that cannot follow what is noted (sent after delivered) changes nothing.
   * @returns whether it changed.
   */
  async save(
    tx: Tx,
    fate: {
      event: EventId;
      room: RoomId;
      account: AccountId;
      state: FateState;
      errorCode?: string;
      reason?: string;
      reasonArgs?: FateArguments;
    },
  ): Promise<boolean> {
    const change = {
      state: fate.state,
      error_code: fate.errorCode?.slice(0, 64) ?? null,
      reason: fate.reason ?? null,
      reason_args: JSON.stringify(fate.reasonArgs ?? {}).slice(0, 255),
      changed_at_ms: this.#clock.nowMs(),
    };
    const inserted = await tx('fates')
      .insert({ event_id: fate.event, room_id: fate.room, account_id: fate.account, ...change })
      .onConflict('event_id')
      .ignore()
      .returning('event_id');
    if (inserted.length > 0) return true;
    const changed = await tx('fates')
      .where({ event_id: fate.event })
      .whereIn('state', [...MAY_FOLLOW[fate.state]])
      .update(change);
    return changed > 0;
  }

  /** The rooms that have something to be told. */
  async listUntoldRooms(tx: Tx): Promise<RoomId[]> {
    const rows = await untold(tx).distinct().pluck('room_id');
    return rows.map((row: string) => roomId(row));
  }

  /** What a room has not been told, oldest first. */
  async listUntold(tx: Tx, room: RoomId, limit: number): Promise<UntoldFate[]> {
    const rows = await untold(tx)
      .where({ room_id: room })
      .orderBy('changed_at_ms')
      .limit(limit)
      .select<FateRow[]>();
    return rows.map((row) => ({ ...fromRow(row), state: row.state, requeues: row.requeues }));
  }

  /** The room was told of this state; a newer one stays untold, and so does the same one after a requeue. */
  async saveTold(tx: Tx, fate: Pick<UntoldFate, 'event' | 'state' | 'requeues'>): Promise<void> {
    await tx('fates').where({ event_id: fate.event, requeues: fate.requeues }).update({ told: fate.state });
  }

  /** Why a message waits; `undefined` when it does not, or nobody was to be told of it yet. */
  async findWaiting(tx: Tx, event: EventId): Promise<Pick<UntoldFate, 'errorCode' | 'reason'> | undefined> {
    const row = await tx('fates').where({ event_id: event, state: 'waiting' }).first<FateRow | undefined>();
    return row === undefined ? undefined : fromRow(row);
  }

  /** Whether the room was told of another message that it waits, and that one still does. */
  async isWaitKnown(tx: Tx, room: RoomId, except: EventId): Promise<boolean> {
    const row = await tx('fates')
      .where({ room_id: room, state: 'waiting', told: 'waiting' })
      .whereNot({ event_id: except })
      .first('event_id');
    return row !== undefined;
  }

  /** Messages that failed, in the order in which they were written. */
  async listFailed(tx: Tx, filter: FailedFilter, limit: number): Promise<FailedFate[]> {
    const rows = await tx('fates')
      .join('accounts', 'accounts.id', 'fates.account_id')
      .leftJoin('matrix_inbox', 'matrix_inbox.event_id', 'fates.event_id')
      .whereIn('fates.state', ['failed', 'maybe-failed'])
      .where({
        ...(filter.user === undefined ? {} : { 'accounts.matrix_user_id': filter.user }),
        ...(filter.room === undefined ? {} : { 'fates.room_id': filter.room }),
        ...(filter.event === undefined ? {} : { 'fates.event_id': filter.event }),
      })
      .orderBy(['matrix_inbox.seq', 'fates.changed_at_ms'])
      .limit(limit)
      .select<FailedRow[]>('fates.*', 'accounts.matrix_user_id');
    return rows.map((row) => ({
      ...fromRow(row),
      state: row.state,
      user: matrixUserId(row.matrix_user_id),
      failedAtMs: row.changed_at_ms,
    }));
  }

  /**
   * A failed message is on its way again: it waits, and whatever becomes of it now is told as if nothing had been.
   * @returns false when it has not failed: another was faster, or it has arrived after all.
   */
  async requeue(tx: Tx, event: EventId): Promise<boolean> {
    const changed = await tx('fates')
      .where({ event_id: event })
      .whereIn('state', ['failed', 'maybe-failed'])
      .update({
        state: 'waiting',
        told: null,
        error_code: null,
        reason: 'reason-requeued',
        reason_args: null,
        requeues: tx.raw('requeues + 1'),
        changed_at_ms: this.#clock.nowMs(),
      });
    return changed > 0;
  }

  async deleteOlder(tx: Tx, beforeMs: number): Promise<void> {
    await tx('fates').where('changed_at_ms', '<', beforeMs).delete();
  }

  async deleteOfAccount(tx: Tx, account: AccountId): Promise<void> {
    await tx('fates').where({ account_id: account }).delete();
  }
}

type FateRow = {
  event_id: string;
  room_id: string;
  account_id: string;
  state: FateState;
  error_code: string | null;
  reason: string | null;
  reason_args: string | null;
  requeues: number;
  changed_at_ms: number;
};
type FailedRow = FateRow & { state: FailedFate['state']; matrix_user_id: string };

function fromRow(row: FateRow) {
  return {
    event: eventId(row.event_id),
    room: roomId(row.room_id),
    account: accountId(row.account_id),
    errorCode: row.error_code ?? undefined,
    reason: row.reason ?? undefined,
    reasonArgs: row.reason_args === null ? {} : (JSON.parse(row.reason_args) as FateArguments),
  };
}

function untold(tx: Tx) {
  return tx('fates').where((row) => row.whereNull('told').orWhereNot('told', tx.ref('state')));
}
