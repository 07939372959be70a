/** A received `<message/>` as the store takes it. Pure. */
import { createHash } from 'node:crypto';
import { type Element, xml } from '@xmpp/client';
import { type ArchivedMessage, isArchiveId } from './archive-xml.ts';
import { bareOf, hostOf, isJid, isSameJid } from './jid.ts';
import { NS_CLIENT, NS_DELAY, NS_DISCARDED, NS_HINTS, NS_STANZA_IDS } from './namespaces.ts';
import type { InboundStanza } from './ports.ts';
import { parseStamp } from './stamp.ts';
import { writeStanza } from './stanza-xml.ts';

export interface InboundContext {
  readonly ownBareJid: string;
  /** Whether our account announces XEP-0359, and so strips or follows the stanza ids that others forge. */
  readonly trustsStanzaIds: boolean;
  readonly maxBytes: number;
}

const maxIdLength = 1024;
const ofServers: ReadonlySet<string> = new Set([NS_DELAY, NS_HINTS, NS_STANZA_IDS]);

/**
 * @returns `undefined` for a stanza whose `from` is no JID.
 * @throws BridgeError `stream/badStanza` if it is too large once namespaces are written out.
 */
export function toInboundStanza(message: Element, context: InboundContext): InboundStanza | undefined {
  const from = message.attrs.from ?? '';
  if (from !== '' && !isJid(from)) return undefined;
  const id = message.attrs.id;
  return {
    from,
    id: id !== undefined && id.length <= maxIdLength ? id : undefined,
    digest: digestOf(message),
    archiveId: context.trustsStanzaIds ? archiveIdIn(message, context.ownBareJid) : undefined,
    delayedAtMs: delayIn(message, context.ownBareJid),
    xml: writeStanza(message, context.maxBytes),
  };
}

/**
 * The same for a message out of our archive: its id there and the time come from the archive, whatever the message says.
 * @returns and throws as above.
 */
export function toArchivedStanza(
  archived: ArchivedMessage,
  context: InboundContext,
): InboundStanza | undefined {
  const stanza = toInboundStanza(archived.message, context);
  if (stanza === undefined) return undefined;
  return { ...stanza, archiveId: archived.archiveId, delayedAtMs: archived.archivedAtMs };
}

/** Leaves out what servers add and archives leave away, so that the live copy and the archived one are the same. */
function digestOf(message: Element): string {
  const hash = createHash('sha256');
  for (const child of message.getChildElements()) {
    if (!ofServers.has(child.getNS() ?? '')) hash.update(`${writeStanza(child)}\0`);
  }
  return hash.digest('hex');
}

/**
 * What is kept of a message that was over a limit and discarded, so that its receiver learns of it: who sent it, and under
 * which id. A contact can write the same; it says no more about them than if the message had been too large.
 * @returns `undefined` unless it is known to be somebody else's: our own account's are results of the archive, too.
 */
export function toDiscardedStanza(
  discarded: { readonly from: string | undefined; readonly id: string | undefined },
  context: InboundContext,
): InboundStanza | undefined {
  const { from = '', id } = discarded;
  if (isSameJid(bareOf(from), context.ownBareJid)) return undefined;
  const attributes = {
    xmlns: NS_CLIENT,
    from,
    id: id !== undefined && id.length <= maxIdLength ? id : undefined,
  };
  return from === ''
    ? undefined
    : toInboundStanza(xml('message', attributes, xml('discarded', { xmlns: NS_DISCARDED })), context);
}

/** COMPAT Prosody 13.0.1 lets a contact's forged `stanza-id` by us pass, in front of its own: the last one counts. */
function archiveIdIn(message: Element, ownBareJid: string): string | undefined {
  const ours = message
    .getChildren('stanza-id', NS_STANZA_IDS)
    .filter((child) => isSameJid(child.attrs.by ?? '', ownBareJid));
  const id = ours.at(-1)?.attrs.id;
  return id !== undefined && isArchiveId(id) ? id : undefined;
}

function delayIn(message: Element, ownBareJid: string): number | undefined {
  const ours = message.getChildren('delay', NS_DELAY).filter((child) => {
    const from = child.attrs.from ?? '';
    return isSameJid(from, hostOf(ownBareJid)) || isSameJid(bareOf(from), ownBareJid);
  });
  return parseStamp(ours.at(-1)?.attrs.stamp);
}
