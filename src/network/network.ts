/**
 * The port to a gatekeeper's network: what the core needs of any of them, and nothing of how one speaks. An adapter is a
 * folder beside this file (`interop/`); the core imports the types here and gets the adapters from `daemon.ts`.
 *
 * No method touches the database: whoever calls does, before or after. None may be called inside a transaction except
 * those of `codec`, `stanzas` and `inspectIdentifier`, which are pure.
 */
import type { Capabilities } from '../model/capabilities.ts';
import type { ChatEvent } from '../model/chat-event.ts';
import type {
  AccountId,
  ContactId,
  DeviceId,
  MatrixUserId,
  MessageId,
  NetworkId,
  StanzaId,
} from '../model/ids.ts';
import type {
  PrekeyBundle,
  PrekeyCounts,
  PublicDevice,
  PublicPrekey,
  SignalMessage,
  SignedPublicPrekey,
} from '../model/prekeys.ts';
import type { InboundStanza, StreamStatus, StreamStore } from './interop/stream/stream.ts';

/** A gatekeeper's network. One for each entry of `networks` in the configuration; it lives as long as the daemon. */
export interface NetworkAdapter {
  readonly id: NetworkId;
  /** For people: in room names and notices. */
  readonly displayName: string;
  readonly enlistment: EnlistmentPort;
  readonly codec: ContentCodec;
  readonly stanzas: StanzaCodec;
  /**
   * Makes the link of one account; nothing happens before its `start`. At most one at a time for one account, in all
   * processes: a second one throws the first one out.
   */
  openLink(account: EnlistedAccount, deps: LinkDeps): Link;
  /**
   * Checks a wake-up that came to our push endpoint. A token is good once.
   * @throws BridgeError `network/badPush`: forged, old, meant for others, or seen before. `network/unreachable` and the
   *   other codes of asking: the gatekeeper's keys could not be fetched, so nothing can be said about the token.
   */
  verifyPush(token: string): Promise<PushNotice>;
  /**
   * Checks a token with which the network's media proxy asks for a file that we host. Absent: the network has none.
   * @throws BridgeError `network/badMediaToken`: forged, old, meant for others or for something else; as `verifyPush` where
   *   nothing can be said about it.
   */
  verifyMediaToken?(token: string): Promise<void>;
  /**
   * What a person typed after `start-chat`, brought into the form that `lookup` takes. Pure.
   * @returns `undefined` when it has the form of no identifier.
   */
  inspectIdentifier(text: string): Identifier | undefined;
}

/** One Matrix user as a gatekeeper knows them. */
export interface EnlistedAccount {
  readonly accountId: AccountId;
  readonly user: MatrixUserId;
  /** The gatekeeper's name for the account, opaque. Unique within the network. */
  readonly interopId: string;
  /** Our own bare JID there. */
  readonly jid: ContactId;
  /** Our own Signal device. */
  readonly device: DeviceId;
  /** Where the stream speaks direct TLS; the certificate is checked against the network's domain, not this name. */
  readonly host: string;
  readonly port: number;
  /** Our public identity key, 33 bytes. */
  readonly signalIdentity: Uint8Array;
}

/**
 * The calls by which an account comes, is asked about, and goes. Every method is one request with a deadline, or rejects
 * with the signal's reason; none repeats itself: the caller's queue does, as the error's `retry` advises.
 *
 * All throw BridgeError `network/unreachable`, `untrusted`, `unanswered`, `badAnswer`, `unavailable`, `rateLimited` (facts:
 * `retryAfterMs` if the gatekeeper told), `refused`, `badToken`, `suspended`, `termsOutdated`; all but `enlist` also
 * `notEnlisted`. What the proof of identity throws passes through.
 */
export interface EnlistmentPort {
  /**
   * Makes the account, or gives the device new keys if it exists: the same user gets the same ids again, so a second
   * call after a doubtful answer is harmless.
   * @throws BridgeError also `network/regionNotAllowed`, `network/identityInUse`.
   */
  enlist(request: EnlistRequest, signal?: AbortSignal): Promise<Enlisted>;
  self(account: EnlistedAccount, signal?: AbortSignal): Promise<EnlistmentState>;
  /** Changes what is given and leaves the rest. A second call is harmless. */
  update(account: EnlistedAccount, change: ProfileChange, signal?: AbortSignal): Promise<EnlistmentState>;
  /** Ends the account there, with its keys, queue and archive. A second call tells `was-not-enlisted`. */
  unenlist(account: EnlistedAccount, signal?: AbortSignal): Promise<'done' | 'was-not-enlisted'>;
  /**
   * Who can be written to.
   * @param identifiers at most 256; none asks nobody.
   * @returns as many results, in the order asked.
   */
  lookup(
    account: EnlistedAccount,
    identifiers: readonly Identifier[],
    signal?: AbortSignal,
  ): Promise<readonly LookupResult[]>;
  /** Reports a contact to the gatekeeper. */
  report(account: EnlistedAccount, report: Report, signal?: AbortSignal): Promise<void>;
}

export interface EnlistRequest {
  readonly user: MatrixUserId;
  readonly displayName?: string;
  /** Of the gatekeeper's terms, that the person agreed to. */
  readonly termsVersion: string;
  readonly device: PublicDevice;
}

/** What the gatekeeper answered: with the request it makes an `EnlistedAccount`. */
export interface Enlisted {
  readonly interopId: string;
  readonly jid: ContactId;
  readonly device: DeviceId;
  readonly host: string;
  readonly port: number;
  readonly capabilities: Capabilities;
}

export interface EnlistmentState {
  readonly state: 'active' | 'suspended';
  /** The gatekeeper's words for people, at most 255 characters. */
  readonly reason?: string;
  readonly displayName?: string;
  /** Whether others can find and write to this account. */
  readonly reachable: boolean;
  /** Absent: as they were told before. */
  readonly capabilities?: Capabilities;
}

export interface ProfileChange {
  readonly displayName?: string;
  readonly reachable?: boolean;
}

/** How a person is found. `phone`: `+` and 7 to 15 digits (E.164). */
export interface Identifier {
  readonly kind: 'phone' | 'username' | 'interop_id';
  readonly value: string;
}

/** `not-opted-in`: exists, but does not take part in third-party chats. `unknown`: nobody there, or not told. */
export type LookupResult =
  | (Identifier & {
      readonly status: 'reachable';
      readonly contact: ContactId;
      readonly interopId?: string;
      /** As the contact chose it: not safe to show without escaping; at most 256 characters. */
      readonly displayName?: string;
    })
  | (Identifier & { readonly status: 'not-opted-in' | 'unknown' });

export interface Report {
  readonly contact: ContactId;
  /** A word or a sentence of the person who reports. */
  readonly reason: string;
  /** The messages it is about; may be empty. */
  readonly messages: readonly MessageId[];
}

/** Plaintext for Signal and back. Pure. */
export interface ContentCodec {
  /**
   * @returns the padded plaintext, ready to be encrypted; the caller wipes it.
   * @throws BridgeError `network/badContent` when the event breaks a bound of the schema or is `unsupported`;
   *   `network/tooLarge` when it can fit in no stanza.
   */
  encode(event: ChatEvent): Uint8Array;
  /**
   * A body of a kind that the schema does not know comes out as `unsupported`. Keeps no view of `padded`.
   * @throws BridgeError `network/badContent` for anything malformed; nothing else, whatever the bytes.
   */
  decode(padded: Uint8Array): ChatEvent;
}

/** The stanzas of a conversation, to text and back. Pure but for the clock. */
export interface StanzaCodec {
  /**
   * Says what a stored stanza means to us. Whatever was forged or is not for us is `ignored`. Never throws on input.
   * @param own the account that the stanza was stored for.
   */
  read(stored: Pick<InboundStanza, 'from' | 'xml' | 'delayedAtMs'>, own: EnlistedAccount): InboundSignal;
  /**
   * One encrypted message. `id` names the stanza: the same text must go again under the same id.
   * @throws BridgeError `network/tooLarge` over what any server takes (256 KiB).
   */
  writeMessage(message: OutboundMessage): string;
  /** Tells the sender that their stanza has arrived (XEP-0184). */
  writeReceipt(receipt: OutboundReceipt): string;
  /** Tells the sender that all up to their stanza was read (XEP-0333 `displayed`). */
  writeMarker(marker: OutboundReceipt): string;
  /** Tells whether our user is writing (XEP-0085); kept nowhere. */
  writeChatState(state: { readonly to: ContactId; readonly state: 'composing' | 'paused' }): string;
  /** Tells the sender that their stanza could not be decrypted, and asks for it again. */
  writeRetry(retry: OutboundRetry): string;
}

/**
 * What a stanza says. `sender` and `contact` are the bare JID that the server stamped, within the network's domain and
 * not our own; who wrote an envelope is proved by its session only. That ids belong to this conversation is the caller's
 * to check.
 */
export type InboundSignal =
  | {
      readonly kind: 'envelope';
      readonly sender: ContactId;
      readonly senderDevice: DeviceId;
      readonly stanzaId: StanzaId;
      /** The copy for our device. */
      readonly enc: SignalMessage;
      readonly wantsReceipt: boolean;
      /** When the server says it took the stanza; epoch milliseconds, never in the future. Absent: just now. */
      readonly delayedAtMs?: number;
    }
  /**
   * The contact sent something that has no message for us to decrypt: to be shown as such. `version`: of a later
   * profile. `not-for-this-device`: encrypted for other devices of ours only. `not-encrypted`: plain text, which is not
   * shown. `too-large`: over a limit of the stream, and discarded. `malformed`: anything else.
   */
  | {
      readonly kind: 'unreadable';
      readonly sender: ContactId;
      readonly stanzaId?: StanzaId;
      readonly why: 'version' | 'not-for-this-device' | 'not-encrypted' | 'too-large' | 'malformed';
    }
  /** The contact's device has `stanzaId`, which we sent. */
  | { readonly kind: 'receipt'; readonly sender: ContactId; readonly stanzaId: StanzaId }
  /** The contact could not decrypt `stanzaId` and asks for the `count`th time (1 to 5); `bundle`: for a new session. */
  | {
      readonly kind: 'retry-request';
      readonly sender: ContactId;
      readonly stanzaId: StanzaId;
      readonly count: number;
      readonly bundle?: PrekeyBundle;
    }
  /** The contact has read up to `stanzaId` (XEP-0333). */
  | { readonly kind: 'marker'; readonly sender: ContactId; readonly stanzaId: StanzaId }
  /** XEP-0085. */
  | { readonly kind: 'chat-state'; readonly sender: ContactId; readonly state: ChatState }
  /** The keys service runs short of our one-time keys; the numbers are what is left. */
  | ({ readonly kind: 'keys-low' } & PrekeyCounts)
  /** The keys service tells that a contact has a new identity key. */
  | { readonly kind: 'identity-changed'; readonly contact: ContactId }
  /** `stanzaId` of ours came back. `contact`: who sent it back; absent when it was the server. */
  | {
      readonly kind: 'bounce';
      readonly contact?: ContactId;
      readonly stanzaId: StanzaId;
      /** RFC 6120 §8.3.3; `undefined-condition` for one that is not in it. */
      readonly condition: string;
      /** Of whoever sent it back, unchecked, at most 255 characters; '' when there is none. */
      readonly text: string;
    }
  /** Nothing to do. `why` is a constant of ours, for logs and metrics. */
  | { readonly kind: 'ignored'; readonly why: string };

export type ChatState = 'active' | 'composing' | 'paused' | 'inactive' | 'gone';

export interface OutboundMessage {
  readonly id: StanzaId;
  readonly to: ContactId;
  readonly fromDevice: DeviceId;
  /** At least one; a device once. */
  readonly recipients: readonly (SignalMessage & { readonly device: DeviceId })[];
  /** Asks the receiver for `receipt`. */
  readonly wantsReceipt: boolean;
}

export interface OutboundReceipt {
  readonly id: StanzaId;
  readonly to: ContactId;
  /** Of the contact's stanza. */
  readonly stanzaId: StanzaId;
}

export interface OutboundRetry {
  readonly id: StanzaId;
  readonly to: ContactId;
  /** Of the contact's stanza. */
  readonly stanzaId: StanzaId;
  /** 1 to 5. */
  readonly count: number;
  /** Ours, fresh; from the second try on. */
  readonly bundle?: PrekeyBundle;
}

/** What the queues of one account offer to its link. */
export type LinkStore = StreamStore;
export type LinkStatus = StreamStatus;

export interface LinkDeps {
  readonly store: LinkStore;
  /** Called at each change, synchronously; must not throw. */
  readonly onStatus: (status: LinkStatus) => void;
}

/** The connection of one account: takes stanzas to the store and from it, in order, over every break. */
export interface Link {
  readonly status: LinkStatus;
  readonly keys: KeysPort;
  /** Harmless when it runs already. */
  start(): void;
  /** Resolves once the connection is closed, within seconds. Harmless when it is stopped. */
  stop(): Promise<void>;
  /** The store has something to send. */
  wake(): void;
  /** Sends what is worth nothing later. @returns false when the link is not online: it is gone then. */
  sendNow(xml: string): boolean;
}

/**
 * The directory of public keys, asked over the link. All throw what the link throws while it is not online (`stream/…`),
 * and BridgeError `network/badAnswer`, `rateLimited`, `refused`.
 */
export interface KeysPort {
  /**
   * A bundle for each device of the contact, at least one. Each call uses up one-time keys of the contact: call it only
   * to begin a session. The signatures are not checked here.
   * @throws BridgeError also `network/noKeys`, `network/forbidden`.
   */
  bundles(contact: ContactId, signal?: AbortSignal): Promise<readonly PrekeyBundle[]>;
  /**
   * Uploads one-time keys, in as many stanzas as their size needs.
   * @param confirm awaited after each batch that the service has taken. What was confirmed must not be uploaded again:
   *   it could be handed out twice.
   * @returns how many the service holds now.
   */
  uploadPrekeys(
    keys: OneTimeKeys,
    confirm: (taken: OneTimeKeys) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<PrekeyCounts>;
  /** Replaces the signed and the last-resort key. A second call is harmless. */
  uploadSigned(
    keys: { readonly signedPrekey: SignedPublicPrekey; readonly kyberLastResort: SignedPublicPrekey },
    signal?: AbortSignal,
  ): Promise<void>;
  count(signal?: AbortSignal): Promise<PrekeyCounts>;
}

export interface OneTimeKeys {
  readonly prekeys: readonly PublicPrekey[];
  readonly kyberPrekeys: readonly SignedPublicPrekey[];
}

/** `unknown`: an event of a later profile; the token is good. */
export interface PushNotice {
  readonly interopId: string;
  readonly event: 'message-waiting' | 'suspended' | 'terms-changed' | 'unknown';
}

/** Makes the proof of identity that a gatekeeper asks for at each call (docs/interop-profile.md §1). Handed in. */
export type ProofOfIdentity = (claims: {
  readonly audience: string;
  readonly subject: MatrixUserId;
  readonly scope: 'enlist' | 'connect' | 'api';
  /** The public identity key, 33 bytes: the token names its hash. */
  readonly signalIdentity: Uint8Array;
  /** From enlistment on. */
  readonly interopId?: string;
}) => Promise<string>;
