/** Typing and receipts that the homeserver pushes (Application Service API; MSC2409 before it was merged). */
import { BridgeError } from '../model/errors.ts';
import { eventId, type MatrixUserId, matrixUserId, roomId } from '../model/ids.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type { MatrixSign } from './matrix.ts';

/** People whose typing one room tells of, and receipts in one transaction: more than any homeserver pushes. */
const MOST_TYPING = 1_000;
const MOST_READS = 10_000;

/**
 * What people do besides writing, in the order told. Private receipts (`m.read.private`) are nobody's business and left
 * out, as is whatever is malformed. A homeserver tells a room's whole list of those who write at each change.
 */
export function readSigns(ephemeral: readonly JsonObject[]): MatrixSign[] {
  return ephemeral.flatMap((edu) => orNone(() => readEdu(edu))).slice(0, MOST_READS);
}

function readEdu(edu: JsonObject): MatrixSign[] {
  const { type, content } = edu;
  const room = roomId(typeof edu.room_id === 'string' ? edu.room_id : '');
  if (!isJsonObject(content)) return [];
  if (type === 'm.typing' && Array.isArray(content.user_ids)) {
    const users = content.user_ids
      .slice(0, MOST_TYPING)
      .flatMap((user) => orNone(() => [matrixUserId(typeof user === 'string' ? user : '')]));
    return [{ kind: 'typing', room, users }];
  }
  if (type !== 'm.receipt') return [];
  return Object.entries(content).flatMap(([event, receipts]) => {
    const read = isJsonObject(receipts) ? receipts['m.read'] : undefined;
    if (!isJsonObject(read)) return [];
    return Object.entries(read).flatMap(([user, receipt]) =>
      orNone(() => [readOf(room, event, user, receipt)]),
    );
  });
}

function readOf(room: MatrixSign['room'], event: string, user: string, receipt: unknown): MatrixSign {
  const ts = isJsonObject(receipt) ? receipt.ts : undefined;
  const atMs = typeof ts === 'number' && Number.isSafeInteger(ts) && ts > 0 ? ts : 0;
  const reader: MatrixUserId = matrixUserId(user);
  return { kind: 'read', room, event: eventId(event), user: reader, atMs };
}

/** An id that is none makes what names it meaningless, and nothing else. */
function orNone<T>(read: () => T[]): T[] {
  try {
    return read();
  } catch (failure) {
    if (failure instanceof BridgeError && failure.code === 'model/badId') return [];
    throw failure;
  }
}
