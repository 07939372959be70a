/** What the stream needs and offers: its settings, its store, and its shape. */
import type { Element } from '@xmpp/client';
import type { Clock, Log, Random } from '../../../model/ambient.ts';
import type { BridgeError } from '../../../model/errors.ts';
import type { ContactId } from '../../../model/ids.ts';
import type { ConnectPace } from './connect-pace.ts';
import type { ReaderLimits } from './limits.ts';

export interface StreamTimeouts {
  /** From the first packet to the end of negotiation. Default 15 s. */
  readonly negotiationMs: number;
  /** Quiet time after which the server is pinged (XEP-0199). Default 60 s. */
  readonly pingIntervalMs: number;
  /** Until the answer to a ping. Default 30 s. */
  readonly pingMs: number;
  /** Until the answer to a query, unless the query says otherwise. Default 30 s. */
  readonly queryMs: number;
  /** How long the archive may bring nothing of a page that was asked for. Default 60 s. */
  readonly archivePageMs: number;
  /** For `stop()`: storing what has arrived, the last acknowledgement, closing. Default 5 s. */
  readonly stopMs: number;
}

export interface StreamSettings {
  /** Our own bare JID. Its domain is the XMPP domain: SNI and certificate are checked against it. */
  readonly jid: ContactId;
  /** Where to connect; not trusted for anything. */
  readonly host: string;
  readonly port: number;
  readonly resource: string;
  /** PEM. Certificate authorities trusted beside the system's. */
  readonly extraCa?: string;
  /** Base64 SHA-256 of the SubjectPublicKeyInfo of the server's own certificate; one has to fit. Empty: not pinned. */
  readonly spkiPins?: readonly string[];
  readonly limits?: Partial<ReaderLimits>;
  readonly timeouts?: Partial<StreamTimeouts>;
}

/** A message as it came. */
export interface InboundStanza {
  /** Full or bare JID as stamped by the server; empty for our own account on the server (RFC 6120 §8.1.2.1). */
  readonly from: string;
  readonly id: string | undefined;
  /** SHA-256 in hexadecimal of what its sender wrote into it: one who uses an id again does not write the same again. */
  readonly digest: string;
  /** XEP-0359, by our own account; at most 255 characters. `undefined` where the server doesn't vouch for it. */
  readonly archiveId: string | undefined;
  /** XEP-0203, epoch milliseconds. A hint, unless it came from the archive: a contact can forge it through some servers. */
  readonly delayedAtMs: number | undefined;
  /** `<message xmlns="jabber:client" …/>`, namespaces written out, at most `limits.stanzaBytes`. */
  readonly xml: string;
}

/** A message to send. `xml`: one `<message/>`; the same `rowId` always has the same `xml`. */
export interface OutboundStanza {
  readonly rowId: string;
  readonly xml: string;
}

/** An outbound row with its number in this session: from 1, never wrapping (the wire's count is modulo 2^32). */
export interface NumberedStanza extends OutboundStanza {
  readonly number: number;
}

export interface StoredSession {
  readonly smId: string;
  /** The full JID that the server gave. */
  readonly boundJid: string;
  /** Inbound stanzas stored in this session. */
  readonly handled: number;
  /** The highest number that a row has had in this session; 0 if none. */
  readonly sent: number;
  /** Whether `markCaughtUp` was called in this session. */
  readonly isCaughtUp: boolean;
}

/**
 * What survives a restart. Implemented by storage; every method resolves once its effect is durable. One stream calls
 * it for one account; `storeInbound` calls never overlap one another, nor do those of the outbound methods, but the
 * two groups may. A rejection ends the connection; nothing is acknowledged that wasn't stored.
 */
export interface StreamStore {
  /** The session to resume; `undefined` if there is none or it can't be resumed. */
  load(): Promise<StoredSession | undefined>;
  /**
   * A new session: `handled` becomes 0, all rows lose their numbers, and it has not caught up. Without `smId` it can't
   * be resumed.
   */
  begin(session: { readonly smId: string | undefined; readonly boundJid: string }): Promise<void>;
  /**
   * Stanzas, the new count and the archive id in ONE transaction. Called with no stanzas when only the others have moved.
   * A stanza that was stored before, which is told by sender, id and digest and without an id by `archiveId`, adds nothing.
   * @param archiveId takes the place of the one before; `undefined` leaves it.
   */
  storeInbound(stanzas: readonly InboundStanza[], handled: number, archiveId?: string): Promise<void>;
  /**
   * Resolves when the store takes more: at once, unless too much waits there that the bridge could not bring on yet. Asked
   * before each `storeInbound`; meanwhile the server is not read from.
   * @throws the signal's reason, if it would have to wait.
   */
  whenRoom(signal: AbortSignal): Promise<void>;
  /** The archive id kept last, over all sessions: all that the server archived up to it is durable. */
  findArchiveId(): Promise<string | undefined>;
  /** What the server archived before this session is durable. */
  markCaughtUp(): Promise<void>;
  /** The oldest rows without a number in this session, in order. Asked again, it answers the same. */
  nextOutbound(limit: number): Promise<readonly OutboundStanza[]>;
  /** Before they are written to the socket. After a resumption rows may get new numbers: the last call holds. */
  markSent(rows: readonly { readonly rowId: string; readonly number: number }[]): Promise<void>;
  /** Rows numbered `upTo` or less in this session are done. */
  markAcked(upTo: number): Promise<void>;
  /** Rows with a number in this session that aren't done, in order: sent again after a resumption. */
  listUnacked(): Promise<readonly NumberedStanza[]>;
  /** The row can't be sent and leaves the outbox for good; its sender is to be told. `reason.code` says why. */
  reject(rowId: string, reason: BridgeError): Promise<void>;
}

/**
 * `waiting`: will try again at `retryAtMs` (epoch milliseconds), `reason` is the last failure. `stopped` with a
 * `reason`: given up (`stream/conflict`) until `start()` is called; without: stopped by `stop()` or never started.
 */
export type StreamStatus =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'online'; readonly boundJid: string; readonly resumed: boolean }
  | { readonly kind: 'waiting'; readonly reason: BridgeError; readonly retryAtMs: number }
  | { readonly kind: 'stopped'; readonly reason?: BridgeError };

export interface Query {
  /** Bare, full or domain JID, in the server's spelling. Our own bare JID asks our account. */
  readonly to: string;
  readonly type: 'get' | 'set';
  readonly payload: Element;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface XmppStream {
  /** Starts connecting; harmless if it runs already. */
  start(): void;
  /**
   * Stores what has arrived, acknowledges it and closes within `timeouts.stopMs`. The session is left resumable, so
   * the server keeps what comes meanwhile. May be called again.
   */
  stop(): Promise<void>;
  /** The outbox has rows. */
  wake(): void;
  /** Sends a stanza that is worth nothing later: it is not repeated after a loss. @returns false while not online. */
  sendNow(xml: string): boolean;
  readonly status: StreamStatus;
  /**
   * Asks and waits for the answer of exactly that entity.
   * @returns the payload of the result; `undefined` if it is empty.
   * @throws BridgeError `stream/offline`, `stream/timeout`, `stream/lost`, `stream/tooManyQueries`,
   *   `stream/queryRefused`, `stream/queryDeferred`, `stream/badStanza`; the signal's reason.
   */
  query(request: Query): Promise<Element | undefined>;
}

export interface StreamDeps {
  readonly settings: StreamSettings;
  readonly store: StreamStore;
  /** A fresh token, at each attempt to log in. */
  readonly token: () => Promise<string>;
  /** Shared by all streams to one server; absent: nobody waits for another. */
  readonly pace?: ConnectPace;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onStatus: (status: StreamStatus) => void;
}
