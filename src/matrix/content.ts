/**
 * Conversion between Matrix events and the neutral content of `model/chat-event.ts`. Formatting, edits, reactions and
 * media are told by name and not yet carried. Everything read here was written by strangers: nothing throws.
 */
import type { ChatContent } from '../model/chat-event.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type { MatrixMessage, RoomEvent } from './matrix.ts';

// Matrix specification, "Size limits": an event has at most 65,536 bytes, signatures and the homeserver's members included.
const MAX_EVENT_BYTES = 65_536;
const MAX_BODY_BYTES = 48_000;

const MEDIA: Readonly<Record<string, string>> = {
  'm.image': 'image',
  'm.video': 'video',
  'm.audio': 'audio',
  'm.file': 'file',
  'm.location': 'location',
  'm.key.verification.request': 'verification',
};

const OTHER_TYPES: Readonly<Record<string, string>> = {
  'm.room.encrypted': 'encrypted',
  'm.sticker': 'sticker',
  'm.reaction': 'reaction',
  'm.room.redaction': 'redaction',
  'm.poll.start': 'poll',
  'org.matrix.msc3381.poll.start': 'poll',
  'm.call.invite': 'call',
};

/**
 * What an event says to the contact. The body of a text is kept whole, as its client wrote it; unpaired surrogates become
 * U+FFFD. What can't be carried is `unsupported` with one of the words above, `edit`, `voice`, `too-long`, `malformed` or
 * `unknown`.
 * @returns `undefined` for what is no message to anybody: state, and the event types that clients send for themselves.
 */
export function fromRoomEvent(event: RoomEvent): MatrixMessage | undefined {
  if (event.type === 'm.room.redaction') return unsupported('redaction');
  if (event.state_key !== undefined) return undefined;
  if (event.type === 'm.room.message') return fromMessage(event.content);
  const what = own(OTHER_TYPES, event.type);
  return what === undefined ? undefined : unsupported(what);
}

function fromMessage(content: JsonObject): MatrixMessage {
  const { msgtype, body } = content;
  // An event that was redacted before we saw it has no content left.
  if (Object.keys(content).length === 0) return unsupported('redacted');
  if (typeof msgtype !== 'string') return unsupported('malformed');
  const relation = content['m.relates_to'];
  if (
    content['m.new_content'] !== undefined ||
    (isJsonObject(relation) && relation.rel_type === 'm.replace')
  ) {
    return unsupported('edit');
  }
  if (msgtype === 'm.text' || msgtype === 'm.notice' || msgtype === 'm.emote') {
    if (typeof body !== 'string' || body === '') return unsupported('malformed');
    if (body.length > MAX_EVENT_BYTES) return unsupported('too-long');
    return { tone: TONES[msgtype], content: { kind: 'text', body: wellFormed(body), ranges: [] } };
  }
  if (msgtype === 'm.audio' && content['org.matrix.msc3245.voice'] !== undefined) return unsupported('voice');
  return unsupported(own(MEDIA, msgtype) ?? 'unknown');
}

const TONES = { 'm.text': 'plain', 'm.notice': 'notice', 'm.emote': 'emote' } as const;

/**
 * The contents of the `m.room.message` events that say `content`, in order; nearly always one. A text that is too long for
 * an event comes in several, cut between words where there are any: send each with its number in the transaction id.
 * @param note the core's words for a kind that is not carried yet.
 */
export function toEventContents(content: ChatContent, note: string): readonly JsonObject[] {
  switch (content.kind) {
    case 'text':
      return cut(content.body).map((body) => ({ msgtype: 'm.text', body }));
    case 'boundary-notice':
      return toNoticeContents(content.text);
    case 'media':
    case 'reaction':
    case 'edit':
    case 'revoke':
    case 'location':
    case 'contact-card':
    case 'unsupported':
      return toNoticeContents(note);
    default:
      return content satisfies never;
  }
}

/** As `toEventContents`, for words of the bridge itself: clients show them quietly and bots do not answer. */
export function toNoticeContents(text: string): readonly JsonObject[] {
  return cut(text).map((body) => ({ msgtype: 'm.notice', body }));
}

function unsupported(what: string): MatrixMessage {
  return { tone: 'plain', content: { kind: 'unsupported', what } };
}

function own(table: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

// A homeserver refuses an unpaired surrogate, and no UTF-8 can hold one.
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

function cut(text: string): string[] {
  const parts: string[] = [];
  let rest = wellFormed(text);
  for (let end = partEnd(rest); end < rest.length; end = partEnd(rest)) {
    parts.push(rest.slice(0, end));
    rest = rest.slice(end);
  }
  return [...parts, rest];
}

// Index where a part must end at the latest: after the last space in the part's last eighth, or between two characters.
function partEnd(text: string): number {
  if (text.length * 6 <= MAX_BODY_BYTES) return text.length;
  let bytes = 0;
  let index = 0;
  let afterSpace = 0;
  for (const character of text) {
    bytes += jsonBytes(character);
    if (bytes > MAX_BODY_BYTES) return afterSpace > 0 ? afterSpace : index;
    index += character.length;
    if (bytes > (MAX_BODY_BYTES / 8) * 7 && /\s/.test(character)) afterSpace = index;
  }
  return index;
}

// A control character takes six bytes in JSON, a quotation mark two.
function jsonBytes(character: string): number {
  return Buffer.byteLength(JSON.stringify(character)) - 2;
}
