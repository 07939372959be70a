/**
 * Conversion between Matrix events and the neutral content of `model/chat-event.ts`. Everything read here was written by
 * strangers: nothing throws.
 */
import type { ChatContent, FormattedText, LocationContent } from '../model/chat-event.ts';
import type { EventId } from '../model/ids.ts';
import { splitText } from '../model/split-text.ts';
import { readAttachment } from './attachment.ts';
import { contactCardText } from './contact-card.ts';
import type { JsonObject } from './json-object.ts';
import type { MatrixMessage, RoomEvent } from './matrix.ts';
import { reactionIn, redactionTarget, replacementIn, replyTarget } from './relations.ts';
import {
  fromMatrixText,
  type MatrixText,
  type ReadingOptions,
  toMatrixText,
  type WritingOptions,
} from './text/matrix-text.ts';

// Matrix specification, "Size limits": an event has at most 65,536 bytes, signatures and the homeserver's members included.
const MAX_EVENT_BYTES = 65_536;
const MAX_BODY_BYTES = 48_000;
// Of a body and the same in HTML; what the homeserver adds takes the rest.
const MAX_TEXT_BYTES = 56_000;
// A text that is mostly addresses of links: shorter ones are sent without formatting rather than cut again.
const MIN_CUT_BYTES = 1_000;

const UNSUPPORTED: Readonly<Record<string, string>> = {
  'm.key.verification.request': 'verification',
};

const OTHER_TYPES: Readonly<Record<string, string>> = {
  'm.room.encrypted': 'encrypted',
  'm.poll.start': 'poll',
  'org.matrix.msc3381.poll.start': 'poll',
  'm.call.invite': 'call',
};

/**
 * What an event says to the contact, with the formatting that its HTML has. A text without HTML is kept whole, as its client
 * wrote it, but for the quotation that older clients put before a reply; unpaired surrogates become U+FFFD. What can't be
 * carried is `unsupported` with one of the words above, `too-long`, `malformed` or `unknown`.
 * @returns `undefined` for what is no message to anybody: state, and the event types that clients send for themselves.
 */
export function fromRoomEvent(
  event: RoomEvent,
  options: Pick<ReadingOptions, 'contactOf'> = {},
): MatrixMessage | undefined {
  if (event.type === 'm.room.redaction') {
    const target = redactionTarget(event);
    return target === undefined ? undefined : { tone: 'plain', content: { kind: 'redaction', target } };
  }
  if (event.state_key !== undefined) return undefined;
  if (event.type === 'm.reaction') {
    const reaction = reactionIn(event.content);
    return reaction === undefined
      ? unsupported('malformed')
      : { tone: 'plain', content: { kind: 'annotation', ...reaction } };
  }
  if (event.type === 'm.room.message') return fromMessage(event.content, options);
  if (event.type === 'm.sticker')
    return fromFile(event.type, event.content, options) ?? unsupported('malformed');
  const what = own(OTHER_TYPES, event.type);
  return what === undefined ? undefined : unsupported(what);
}

function fromMessage(content: JsonObject, options: Pick<ReadingOptions, 'contactOf'>): MatrixMessage {
  const { msgtype, body } = content;
  // An event that was redacted before we saw it has no content left.
  if (Object.keys(content).length === 0) return unsupported('redacted');
  if (typeof msgtype !== 'string') return unsupported('malformed');
  const replacement = replacementIn(content);
  if (replacement === 'malformed') return unsupported('malformed');
  if (replacement !== undefined) return fromReplacement(replacement, options);
  const replyTo = replyTarget(content);
  const reply = replyTo === undefined ? {} : { replyTo };
  if (isTextType(msgtype)) {
    if (typeof body !== 'string' || body === '') return unsupported('malformed');
    if (body.length > MAX_EVENT_BYTES) return unsupported('too-long');
    const text = fromMatrixText(content, { ...options, isReply: replyTo !== undefined });
    return { tone: TONES[msgtype], content: { kind: 'text', ...text }, ...reply };
  }
  if (msgtype === 'm.location') {
    const location = readLocation(content);
    return location === undefined ? unsupported('malformed') : { tone: 'plain', content: location, ...reply };
  }
  if (FILES.has(msgtype)) {
    const file = fromFile('m.room.message', content, options);
    return file === undefined ? unsupported('malformed') : { ...file, ...reply };
  }
  return unsupported(own(UNSUPPORTED, msgtype) ?? 'unknown');
}

const FILES: ReadonlySet<string> = new Set(['m.image', 'm.video', 'm.audio', 'm.file']);

function fromFile(
  type: string,
  content: JsonObject,
  options: Pick<ReadingOptions, 'contactOf'>,
): MatrixMessage | undefined {
  const attachment = readAttachment(type, content, options);
  return attachment === undefined ? undefined : { tone: 'plain', content: attachment };
}

/** The new words of an earlier message; what was sent with it stays. */
function fromReplacement(
  { target, content }: Readonly<{ target: EventId; content: JsonObject }>,
  options: Pick<ReadingOptions, 'contactOf'>,
): MatrixMessage {
  const { msgtype, body } = content;
  if (typeof body !== 'string' || body === '') return unsupported('malformed');
  if (body.length > MAX_EVENT_BYTES) return unsupported('too-long');
  const text = fromMatrixText(content, options);
  const tone = isTextType(msgtype) ? TONES[msgtype] : 'plain';
  return { tone, content: { kind: 'replacement', target, ...text } };
}

function isTextType(msgtype: unknown): msgtype is keyof typeof TONES {
  return typeof msgtype === 'string' && Object.hasOwn(TONES, msgtype);
}

/** `m.location` with a `geo:` URI (RFC 5870 §3.3); its body is what the client calls the place. */
function readLocation({ geo_uri, body }: JsonObject): LocationContent | undefined {
  const found = typeof geo_uri === 'string' ? GEO_URI.exec(geo_uri) : null;
  const [latitude, longitude] = [Number(found?.[1]), Number(found?.[2])];
  if (!(Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180)) return undefined;
  const name = typeof body === 'string' ? body.slice(0, MAX_PLACE_LENGTH).toWellFormed() : '';
  return { kind: 'location', latitude, longitude, name };
}

function writeLocation({ latitude, longitude, name }: LocationContent): JsonObject {
  const uri = `geo:${latitude},${longitude}`;
  const body = name === '' ? `📍 ${latitude}, ${longitude}` : `📍 ${name.toWellFormed()}`;
  return { msgtype: 'm.location', body, geo_uri: uri };
}

const GEO_URI = /^geo:(-?\d{1,3}(?:\.\d{1,15})?),(-?\d{1,3}(?:\.\d{1,15})?)(?:[,;].{0,255})?$/;
const MAX_PLACE_LENGTH = 1_024;

const TONES = { 'm.text': 'plain', 'm.notice': 'notice', 'm.emote': 'emote' } as const;

/**
 * The contents of the `m.room.message` events that say `content`, in order; nearly always one. A text that is too long for
 * an event comes in several, cut between words where there are any: send each with its number in the transaction id.
 * @param note the core's words for a kind that is not carried yet.
 */
export function toEventContents(
  content: ChatContent,
  note: string,
  options: WritingOptions = {},
): readonly JsonObject[] {
  switch (content.kind) {
    case 'text':
      return toTexts(content, options).map((text) => ({ msgtype: 'm.text', ...text }));
    case 'boundary-notice':
      return toNoticeContents(content.text);
    case 'location':
      return [writeLocation(content)];
    case 'contact-card':
      return toTexts({ body: contactCardText(content), ranges: [] }, options).map((text) => ({
        msgtype: 'm.text',
        ...text,
      }));
    case 'media':
    case 'reaction':
    case 'edit':
    case 'revoke':
    case 'unsupported':
      return toNoticeContents(note);
    default:
      return content satisfies never;
  }
}

/** As `toEventContents`, for words of the bridge itself: clients show them quietly and bots do not answer. */
export function toNoticeContents(text: string): readonly JsonObject[] {
  return toTexts({ body: text, ranges: [] }, {}).map((part) => ({ msgtype: 'm.notice', ...part }));
}

function unsupported(what: string): MatrixMessage {
  return { tone: 'plain', content: { kind: 'unsupported', what } };
}

function own(table: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

/** The text in as many parts as it takes, so that each fits an event with its HTML. */
function toTexts({ body, ranges }: FormattedText, options: WritingOptions): MatrixText[] {
  const parts = cut({ body: body.toWellFormed(), ranges }, MAX_BODY_BYTES);
  return parts.flatMap((part) => toFitting(part, MAX_BODY_BYTES / 2, options));
}

function toFitting(part: FormattedText, cutBytes: number, options: WritingOptions): MatrixText[] {
  const text = toMatrixText(part, options);
  if (text.formatted_body === undefined || Buffer.byteLength(JSON.stringify(text)) <= MAX_TEXT_BYTES)
    return [text];
  if (cutBytes < MIN_CUT_BYTES) return [{ body: part.body }];
  return cut(part, cutBytes).flatMap((smaller) => toFitting(smaller, cutBytes / 2, options));
}

function cut(text: FormattedText, maxBytes: number): readonly FormattedText[] {
  // No character takes more than six bytes.
  return text.body.length * 6 <= maxBytes ? [text] : splitText(text, maxBytes, jsonBytes);
}

// A control character takes six bytes in JSON, a quotation mark two.
function jsonBytes(character: string): number {
  return Buffer.byteLength(JSON.stringify(character)) - 2;
}
