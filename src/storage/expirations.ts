import { type AccountId, accountId, type EventId, eventId, type RoomId, roomId } from '../model/ids.ts';
import type { Tx } from './database.ts';

/** An event of a portal that disappears. */
export type Expiration = Readonly<{
  event: EventId;
  account: AccountId;
  room: RoomId;
  /** Epoch milliseconds. */
  expiresAtMs: number;
}>;

/** Events to be redacted when their time is over: the timer of disappearing messages, over restarts. */
export class Expirations {
  /** One that is there already keeps its time. */
  async insert(tx: Tx, expiration: Expiration): Promise<void> {
    const { event, account, room, expiresAtMs } = expiration;
    await tx('expirations')
      .insert({ event_id: event, account_id: account, room_id: room, expires_at_ms: expiresAtMs })
      .onConflict('event_id')
      .ignore();
  }

  /** Those whose time is over, the oldest first. */
  async listDue(tx: Tx, nowMs: number, limit: number): Promise<Expiration[]> {
    const rows = await tx('expirations')
      .where('expires_at_ms', '<=', nowMs)
      .orderBy('expires_at_ms')
      .limit(limit)
      .select<ExpirationRow[]>();
    return rows.map((row) => ({
      event: eventId(row.event_id),
      account: accountId(row.account_id),
      room: roomId(row.room_id),
      expiresAtMs: row.expires_at_ms,
    }));
  }

  /** @returns when the next one is due; `undefined` when none waits. */
  async findNextMs(tx: Tx): Promise<number | undefined> {
    const row = await tx('expirations').min({ at: 'expires_at_ms' }).first<{ at: number | null }>();
    return row.at ?? undefined;
  }

  /** Harmless when it is gone. */
  async delete(tx: Tx, event: EventId): Promise<void> {
    await tx('expirations').where({ event_id: event }).delete();
  }

  /** Tried again later: the homeserver did not take the redaction now. */
  async delay(tx: Tx, event: EventId, untilMs: number): Promise<void> {
    await tx('expirations').where({ event_id: event }).update({ expires_at_ms: untilMs });
  }

  async deleteOfAccount(tx: Tx, account: AccountId): Promise<void> {
    await tx('expirations').where({ account_id: account }).delete();
  }
}

type ExpirationRow = { event_id: string; account_id: string; room_id: string; expires_at_ms: number };
