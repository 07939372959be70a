import type { RoomEvent } from '../matrix/matrix.ts';

const YES = new Set(['yes', 'y', 'ok', 'agree', 'ja', 'oui', 'sí', 'si', 'sì', 'tak']);
const NO = new Set(['no', 'n', 'cancel', 'nein', 'non', 'nie', 'nee']);
/** Skin tones and variation selectors do not change what a thumb says. */
const MODIFIERS = /[\u{1f3fb}-\u{1f3ff}\ufe0e\ufe0f]/gu;
const YES_SIGNS = new Set(['👍', '✅', '✔', '👌']);
const NO_SIGNS = new Set(['👎', '❌', '✖']);

/**
 * Whether an event answers the bot's open question.
 * @param question the event that a reaction must be on.
 * @returns `undefined` when it is no answer.
 */
export function answerOf(event: RoomEvent, question: string): boolean | undefined {
  if (event.type === 'm.reaction') {
    const relation = event.content['m.relates_to'] as
      | { event_id?: unknown; key?: unknown }
      | null
      | undefined;
    if (relation?.event_id !== question || typeof relation.key !== 'string') return undefined;
    return either(relation.key.replace(MODIFIERS, ''), YES_SIGNS, NO_SIGNS);
  }
  const { msgtype, body } = event.content;
  if (event.type !== 'm.room.message' || msgtype !== 'm.text' || typeof body !== 'string') return undefined;
  const word = body.trim().toLowerCase().replace(/[.!]$/, '');
  return either(word, YES, NO) ?? either(word.replace(MODIFIERS, ''), YES_SIGNS, NO_SIGNS);
}

function either(word: string, yes: ReadonlySet<string>, no: ReadonlySet<string>): boolean | undefined {
  if (yes.has(word)) return true;
  return no.has(word) ? false : undefined;
}
