/** Interop profile §6: a copy that was encrypted anew has the first stanza's id with `.` and the retry's count behind it. */
import { type MessageId, type StanzaId, stanzaId } from '../model/ids.ts';

/** A message is asked for, and sent, again at most so often. */
export const MOST_RETRIES = 5;

const COPY = /^(.+)\.([1-9])$/;

/** The id under which the message was first sent; the same for all its copies. */
export function firstStanzaOf(stanza: string): string {
  return COPY.exec(stanza)?.[1] ?? stanza;
}

/** The stanza of the copy that answers the retry request of this count. */
export function copyStanzaOf(message: MessageId, count: number): StanzaId {
  return stanzaId(`${message}.${count}`);
}
