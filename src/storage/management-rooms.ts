import type { Clock } from '../model/ambient.ts';
import { type MatrixUserId, matrixUserId, type RoomId, roomId } from '../model/ids.ts';
import type { Tx } from './database.ts';

/** A direct chat of a user with the bot. `dialogue` is JSON of the core's: what the bot asked and awaits an answer to. */
export type ManagementRoom = Readonly<{ room: RoomId; user: MatrixUserId; dialogue: string | undefined }>;

export class ManagementRooms {
  readonly #clock: Clock;

  constructor(deps: { clock: Clock }) {
    this.#clock = deps.clock;
  }

  /** A room that is one already keeps its dialogue. */
  async insert(tx: Tx, room: RoomId, user: MatrixUserId): Promise<void> {
    await tx('management_rooms')
      .insert({ room_id: room, matrix_user_id: user, created_at_ms: this.#clock.nowMs() })
      .onConflict('room_id')
      .ignore();
  }

  async find(tx: Tx, room: RoomId): Promise<ManagementRoom | undefined> {
    const row = await tx('management_rooms').where({ room_id: room }).first<ManagementRow | undefined>();
    return row === undefined ? undefined : fromRow(row);
  }

  /** The user's newest management room; `undefined` when there is none. */
  async findOfUser(tx: Tx, user: MatrixUserId): Promise<ManagementRoom | undefined> {
    const row = await tx('management_rooms')
      .where({ matrix_user_id: user })
      .orderBy('created_at_ms', 'desc')
      .first<ManagementRow | undefined>();
    return row === undefined ? undefined : fromRow(row);
  }

  async saveDialogue(tx: Tx, room: RoomId, dialogue: string | undefined): Promise<void> {
    await tx('management_rooms')
      .where({ room_id: room })
      .update({ dialogue: dialogue ?? null });
  }

  async delete(tx: Tx, room: RoomId): Promise<void> {
    await tx('management_rooms').where({ room_id: room }).delete();
  }
}

type ManagementRow = { room_id: string; matrix_user_id: string; dialogue: string | null };

function fromRow(row: ManagementRow): ManagementRoom {
  return {
    room: roomId(row.room_id),
    user: matrixUserId(row.matrix_user_id),
    dialogue: row.dialogue ?? undefined,
  };
}
