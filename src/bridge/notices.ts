import type { EventId, MatrixUserId, RoomId } from '../model/ids.ts';
import { matrixTxnId } from './derived-ids.ts';
import type { BridgeParts } from './parts.ts';

/**
 * What the bot says. Each saying has a key: the same key in the same room is said once, however often a crash makes the
 * bridge say it again.
 */
export class Notices {
  readonly #parts: BridgeParts;

  constructor(parts: BridgeParts) {
    this.#parts = parts;
  }

  /** @param key what makes this saying the same one when it is repeated, such as the event it answers. */
  async say(
    room: RoomId,
    key: string,
    text: string,
    options: { replyTo?: EventId; mention?: MatrixUserId } = {},
  ) {
    const { storage, matrix } = this.#parts;
    const secret = await storage.database.transaction(async (tx) => await storage.idSecret(tx));
    return await matrix.send({
      room,
      as: matrix.botUserId,
      type: 'm.room.message',
      content: {
        msgtype: 'm.notice',
        body: text,
        ...(options.replyTo === undefined
          ? {}
          : { 'm.relates_to': { 'm.in_reply_to': { event_id: options.replyTo } } }),
        ...(options.mention === undefined ? {} : { 'm.mentions': { user_ids: [options.mention] } }),
      },
      txnId: matrixTxnId(secret, matrix.botUserId, 'notice', room, key),
    });
  }
}
