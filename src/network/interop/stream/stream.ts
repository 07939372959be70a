/**
 * The XMPP stream of one account: direct TLS, OAUTHBEARER, stream management with counts that survive a restart
 * (interop profile §4). This is the folder's door.
 *
 * Only `<message/>` reaches the store. Presence is dropped; iq is answered or matched in memory. Nothing is enabled on
 * the server but stream management.
 */
import type { Element } from '@xmpp/client';
import type { Clock } from '../../../model/ambient.ts';
import { ConnectPace } from './connect-pace.ts';
import type { ReaderLimits } from './limits.ts';
import { NS_DISCARDED } from './namespaces.ts';
import type { StreamDeps, XmppStream } from './ports.ts';
import { readStanza, writeStanza } from './stanza-xml.ts';
import { StreamSupervisor } from './supervisor.ts';

export type { Element } from '@xmpp/client';
export type { ConnectPace } from './connect-pace.ts';
export type { ReaderLimits } from './limits.ts';
export type {
  InboundStanza,
  NumberedStanza,
  OutboundStanza,
  Query,
  StoredSession,
  StreamDeps,
  StreamSettings,
  StreamStatus,
  StreamStore,
  StreamTimeouts,
  XmppStream,
} from './ports.ts';

/** Whether a stored message stands for one that was over a limit and discarded: see `toDiscardedStanza`. */
export function isDiscarded(stanza: Element): boolean {
  return stanza.getChild('discarded', NS_DISCARDED) !== undefined;
}

/** Makes a stream that is stopped; `start()` connects it. Several accounts have one each. */
export function createXmppStream(deps: StreamDeps): XmppStream {
  return new StreamSupervisor(deps);
}

/** A turn for each attempt to connect, for all streams to one server. @param everyMs between two attempts. */
export function createConnectPace(clock: Clock, everyMs: number): ConnectPace {
  return new ConnectPace({ clock, everyMs });
}

/**
 * Reads one stored stanza, strictly and within the limits of the stream; without `xmlns` it is of `jabber:client`. Names
 * come without prefixes, `xmlns` stands on the stanza and wherever the namespace changes.
 * @throws BridgeError `stream/badStanza`.
 */
export function parseStanza(text: string, limits: Partial<ReaderLimits> = {}): Element {
  return readStanza(text, limits);
}

/**
 * Writes an element as text, without recursion.
 * @throws BridgeError `stream/badStanza`: over `maxBytes` (default 256 KiB), or a character that XML can't carry.
 */
export function serialiseStanza(stanza: Element, maxBytes?: number): string {
  return writeStanza(stanza, maxBytes);
}
