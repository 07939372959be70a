/**
 * How one event refers to another (Matrix specification, "Forming relationships between events"). Reading: written by
 * strangers, so nothing throws, and what is malformed refers to nothing.
 */
import { BridgeError } from '../model/errors.ts';
import { type EventId, eventId } from '../model/ids.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type { RoomEvent } from './matrix.ts';

/** Longer than any emoji with all its modifiers; clients may put any text there. */
const MOST_KEY_LENGTH = 64;

/** The event that this one answers ("Rich replies"); `undefined` for none, and for a thread's fallback. */
export function replyTarget(content: JsonObject): EventId | undefined {
  const relation = content['m.relates_to'];
  if (!isJsonObject(relation) || !isJsonObject(relation['m.in_reply_to'])) return undefined;
  // Clients without threads would show it as a reply to the newest message of the thread, which nobody meant.
  if (relation.rel_type === 'm.thread' && relation.is_falling_back === true) return undefined;
  return idOf(relation['m.in_reply_to'].event_id);
}

/** What an event puts in the place of another ("Event replacements", MSC2676). `malformed`: it means to, and does not say what. */
export function replacementIn(
  content: JsonObject,
): Readonly<{ target: EventId; content: JsonObject }> | 'malformed' | undefined {
  const relation = content['m.relates_to'];
  const isReplacement = isJsonObject(relation) && relation.rel_type === 'm.replace';
  if (!isReplacement) return content['m.new_content'] === undefined ? undefined : 'malformed';
  const target = idOf(relation.event_id);
  const replacement = content['m.new_content'];
  return target === undefined || !isJsonObject(replacement) ? 'malformed' : { target, content: replacement };
}

/** `m.reaction` ("Event annotations and reactions"). */
export function reactionIn(content: JsonObject): Readonly<{ target: EventId; emoji: string }> | undefined {
  const relation = content['m.relates_to'];
  if (!isJsonObject(relation) || relation.rel_type !== 'm.annotation') return undefined;
  const { key } = relation;
  const target = idOf(relation.event_id);
  if (target === undefined || typeof key !== 'string' || key === '' || key.length > MOST_KEY_LENGTH)
    return undefined;
  return { target, emoji: key.toWellFormed() };
}

/** What `m.room.redaction` takes away: named in its content from room version 11 on, beside it before. */
export function redactionTarget(event: Pick<RoomEvent, 'content' | 'redacts'>): EventId | undefined {
  return idOf(event.content.redacts) ?? event.redacts;
}

/** The content as an answer to `target`. */
export function asReply(target: EventId, content: JsonObject): JsonObject {
  return { ...content, 'm.relates_to': { 'm.in_reply_to': { event_id: target } } };
}

/** The content as what takes the place of `target`, an event of the same sender. */
export function asReplacement(target: EventId, content: JsonObject): JsonObject {
  const { formatted_body: html } = content;
  return {
    ...content,
    body: `* ${String(content.body)}`,
    ...(typeof html === 'string' ? { formatted_body: `* ${html}` } : {}),
    'm.new_content': content,
    'm.relates_to': { rel_type: 'm.replace', event_id: target },
  };
}

/** Content of an `m.reaction`. */
export function toReaction(target: EventId, emoji: string): JsonObject {
  return { 'm.relates_to': { rel_type: 'm.annotation', event_id: target, key: emoji } };
}

function idOf(value: unknown): EventId | undefined {
  try {
    return typeof value === 'string' ? eventId(value) : undefined;
  } catch (failure) {
    if (failure instanceof BridgeError && failure.code === 'model/badId') return undefined;
    throw failure;
  }
}
