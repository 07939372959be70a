import { BridgeError } from '../model/errors.ts';
import { eventId, matrixUserId, roomId } from '../model/ids.ts';
import { matrixErrors } from './errors.ts';
import { isJsonObject, type JsonObject, nestsDeeperThan } from './json-object.ts';
import type { RoomEvent } from './matrix.ts';

// Matrix specification, "Size limits": type and state_key are at most 255 bytes.
const MAX_NAME_BYTES = 255;
// No client nests content like this; what sits deeper is made to break those who walk it.
const MAX_DEPTH = 64;

/**
 * Checks one event of a transaction, or one that was stored as JSON. Members that the bridge does not know are dropped.
 * @throws BridgeError `matrix/badEvent` with `member` (the first that is wrong) and `event` (its id, when that is sound).
 */
export function parseRoomEvent(value: unknown): RoomEvent {
  if (!isJsonObject(value)) throw matrixErrors.badEvent({ member: '(event)' });
  const told = typeof value.event_id === 'string' ? value.event_id : '';
  const event_id = checked('event_id', undefined, () => eventId(told));
  const bad = (member: string) => matrixErrors.badEvent({ member, event: event_id });
  const room_id = checked('room_id', event_id, () => roomId(text(value.room_id)));
  const sender = checked('sender', event_id, () => matrixUserId(text(value.sender)));
  const { type, state_key, origin_server_ts, content, unsigned } = value;
  if (!isName(type) || type === '') throw bad('type');
  if (state_key !== undefined && !isName(state_key)) throw bad('state_key');
  if (!Number.isSafeInteger(origin_server_ts)) throw bad('origin_server_ts');
  if (!isJsonObject(content) || nestsDeeperThan(content, MAX_DEPTH)) throw bad('content');
  const redacts =
    typeof value.redacts === 'string'
      ? checked('redacts', event_id, () => eventId(text(value.redacts)))
      : undefined;
  return {
    event_id,
    room_id,
    sender,
    type,
    origin_server_ts: origin_server_ts as number,
    content,
    ...(state_key === undefined ? {} : { state_key }),
    ...(redacts === undefined ? {} : { redacts }),
    ...(isSound(unsigned) ? { unsigned } : {}),
  };
}

function isName(value: unknown): value is string {
  // PostgreSQL holds no U+0000, and no type that anybody uses has a control character.
  return typeof value === 'string' && Buffer.byteLength(value) <= MAX_NAME_BYTES && !/\p{Cc}/u.test(value);
}

// `unsigned` is the homeserver's own remark: an event is not lost for what stands there.
function isSound(unsigned: unknown): unsigned is JsonObject {
  return isJsonObject(unsigned) && !nestsDeeperThan(unsigned, MAX_DEPTH);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function checked<T>(member: string, event: string | undefined, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (cause instanceof BridgeError) throw matrixErrors.badEvent({ member, event }, cause);
    throw cause;
  }
}
