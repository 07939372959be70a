import type { Clock } from '../model/ambient.ts';
import { type AccountId, accountId, type EventId, eventId, type RoomId, roomId } from '../model/ids.ts';
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
}>;

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
      .select<FateRow[]>('event_id', 'room_id', 'account_id', 'state', 'error_code', 'reason', 'reason_args');
    return rows.map((row) => ({
      event: eventId(row.event_id),
      room: roomId(row.room_id),
      account: accountId(row.account_id),
      state: row.state,
      errorCode: row.error_code ?? undefined,
      reason: row.reason ?? undefined,
      reasonArgs: row.reason_args === null ? {} : (JSON.parse(row.reason_args) as FateArguments),
    }));
  }

  /** The room was told of this state; a newer one stays untold. */
  async saveTold(tx: Tx, event: EventId, state: FateState): Promise<void> {
    await tx('fates').where({ event_id: event }).update({ told: state });
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
};

function untold(tx: Tx) {
  return tx('fates').where((row) => row.whereNull('told').orWhereNot('told', tx.ref('state')));
}
