/** What `drawbridge phone` prints. Pure; whatever comes from others is made harmless for a terminal. */
import type { BoundaryNotice } from './content.ts';
import type { PhoneEvent, ReceivedMessage } from './phone.ts';

const frameWidth = 76;

/**
 * Control characters, bidirectional overrides and zero-width characters as `<U+XXXX>`; a newline stays.
 * @example
 * visible('a\u001b[2J') // 'a<U+001B>[2J'
 */
export function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu, (character) =>
    character === '\n'
      ? character
      : `<U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}>`,
  );
}

/** `HH:MM:SS`, local time. */
export function timeOf(atMs: number): string {
  return new Date(atMs).toTimeString().slice(0, 8);
}

/** One line of the conversation; further lines of a text are indented. */
export function line(atMs: number, who: string, text: string): string {
  const margin = ' '.repeat(10);
  return `${timeOf(atMs)}  ${visible(who)}: ${visible(text).replaceAll('\n', `\n${margin}`)}`;
}

/** A received message: its text, the framed notice, or the kind of what this app cannot show. */
export function messageLines(message: ReceivedMessage, who: string): string {
  const { content, atMs } = message;
  if (content.boundaryNotice !== undefined) return noticeFrame(content.boundaryNotice, who);
  if (content.text !== undefined) return line(atMs, who, content.text.body);
  return line(atMs, who, `(${content.body ?? 'something'} that this app cannot show)`);
}

/** The notice that a bridge sends first, in a frame of its own, so that it is not taken for a message. */
export function noticeFrame(notice: BoundaryNotice, who: string): string {
  const facts = `Operator: ${notice.operatorName}, ${notice.operatorContact} (${notice.mode})`;
  const lines = [`Notice about ${who}`, '', ...wrap(notice.text), '', ...wrap(facts)].map(visible);
  const rule = '─'.repeat(frameWidth);
  return [`┌${rule}`, ...lines.map((text) => `│ ${text}`.trimEnd()), `└${rule}`].join('\n');
}

/**
 * What is printed for an event.
 * @param nameOf a name for a JID.
 * @returns `undefined` for what is not worth a line.
 */
export function eventLines(
  event: PhoneEvent,
  nowMs: number,
  nameOf: (jid: string) => string,
): string | undefined {
  const aside = (text: string) => `${timeOf(nowMs)}  * ${visible(text)}`;
  switch (event.kind) {
    case 'message':
      return messageLines(event.message, nameOf(event.message.from));
    case 'receipt':
      return aside(`delivered to ${nameOf(event.from)}`);
    case 'displayed':
      return aside(`read by ${nameOf(event.from)}`);
    case 'typing':
      return event.state === 'composing' ? aside(`${nameOf(event.from)} is typing…`) : undefined;
    case 'undecryptable':
      return aside(`a message of ${nameOf(event.from)} cannot be read yet; asking for it again`);
    case 'refused':
      return aside(`not delivered to ${nameOf(event.from)}: ${event.condition}`);
    case 'identity-changed':
      return aside(`${nameOf(event.jid)} has a new identity key`);
    case 'status':
      return aside(event.online ? 'connected' : 'connection lost, connecting again…');
    case 'repeat':
    case 'retry-asked':
      return undefined;
    default:
      return event satisfies never;
  }
}

function wrap(text: string): string[] {
  return text.split('\n').flatMap((paragraph) => {
    const lines = [''];
    for (const word of paragraph.split(' ')) {
      const current = lines.at(-1) ?? '';
      if (current !== '' && current.length + word.length + 1 > frameWidth - 2) lines.push(word);
      else lines[lines.length - 1] = current === '' ? word : `${current} ${word}`;
    }
    return lines;
  });
}
