import type { ContactCardContent } from '../model/chat-event.ts';

/** What people look for in a card, by property (RFC 6350 §6). */
const SHOWN: Readonly<Record<string, string>> = { TEL: '📞', EMAIL: '✉️', URL: '🔗', ORG: '🏢' };
const MOST_LINES = 20;
const MOST_LENGTH = 256;
const PROPERTY = /^(?:[A-Za-z0-9-]{1,32}\.)?([A-Za-z]{1,16})(?:;[^:\n]{0,256})?:(.{1,1024})$/;

/** A contact card in words: the name, then how to reach the person. Matrix has no event for it. */
export function contactCardText({ displayName, vcard }: ContactCardContent): string {
  const lines = vcard.split(/\r?\n/).flatMap((line) => {
    const [, property = '', value = ''] = PROPERTY.exec(line) ?? [];
    const sign = SHOWN[property.toUpperCase()];
    // RFC 6350 §3.4 escapes these; `tel:` is the scheme of a number in version 4.
    const shown = value
      .replace(/\\([,;\\])/g, '$1')
      .replace(/^(?:tel|mailto):/i, '')
      .trim();
    return sign === undefined || shown === '' ? [] : [`${sign} ${shown.slice(0, MOST_LENGTH)}`];
  });
  const name = displayName.trim() === '' ? '?' : displayName.trim();
  return [`👤 ${name}`, ...lines.slice(0, MOST_LINES)].join('\n');
}
