/**
 * The door of everything that speaks Matrix: what the homeserver pushes comes in through `appserviceListener` and is
 * handed to the sink before it is acknowledged; what the bridge wants of the homeserver goes out through the methods.
 *
 * No method retries: each failure is a `matrix/…` error whose traits tell the caller's queue what to do. Every method may
 * raise, besides what it names: `homeserverUnreachable`, `answerLost`, `homeserverFailed`, `badAnswer`, `rateLimited`,
 * `badToken`, `forbidden`, `notFound`, `refused`. All that are not sends are harmless when repeated.
 */
import type { RequestListener } from 'node:http';
import type { Clock, Log } from '../model/ambient.ts';
import type { ChatContent, FormattedText, MediaContent, MediaFile } from '../model/chat-event.ts';
import type { ContactId, EventId, MatrixUserId, NetworkId, RoomId } from '../model/ids.ts';
import { writeAttachment } from './attachment.ts';
import { type CommandLine, parseCommandLine } from './command-line.ts';
import { fromRoomEvent, toEventContents, toNoticeContents } from './content.ts';
import { createGhostIds } from './ghost-id.ts';
import { Homeserver } from './homeserver.ts';
import { createIntake } from './intake.ts';
import type { JsonObject } from './json-object.ts';
import { type MatrixDownload, MatrixMedia } from './media.ts';
import type { StreamBody } from './open-stream.ts';
import { asReplacement, asReply, redactionTarget, toReaction } from './relations.ts';
import { parseRoomEvent } from './room-event.ts';
import { Rooms } from './rooms.ts';
import { readSigns } from './signs.ts';
import type { ReadingOptions, WritingOptions } from './text/matrix-text.ts';
import { Transport } from './transport.ts';

export type { MatrixDownload } from './media.ts';
export type { StreamBody } from './open-stream.ts';

/** A room event as the homeserver sent it, checked; may be stored as JSON and read again with `parseRoomEvent`. */
export interface RoomEvent {
  readonly event_id: EventId;
  readonly room_id: RoomId;
  readonly sender: MatrixUserId;
  /** 1 to 255 bytes. */
  readonly type: string;
  /** Present on state events, '' included. */
  readonly state_key?: string;
  /** Epoch milliseconds by the sender's homeserver: any integer. Not to be trusted for order. */
  readonly origin_server_ts: number;
  /** Written by a stranger; at most 64 levels deep. */
  readonly content: JsonObject;
  /** What an `m.room.redaction` takes away, in rooms before version 11. */
  readonly redacts?: EventId;
  /** The homeserver's remarks, such as `invite_room_state`. */
  readonly unsigned?: JsonObject;
}

/** What the homeserver pushed at once (Application Service API, `PUT /_matrix/app/v1/transactions/{txnId}`). */
export interface AppserviceTransaction {
  /** Chosen by the homeserver, 1 to 255 characters. The same one again holds the same events. */
  readonly txnId: string;
  /** In the order of the homeserver; events that are not sound were left out and logged. */
  readonly events: readonly RoomEvent[];
  /** Typing, receipts, presence (MSC2409), unchecked but for being objects. */
  readonly ephemeral: readonly JsonObject[];
  /** Messages to our devices (MSC4203, not merged), unchecked but for being objects. */
  readonly toDevice: readonly JsonObject[];
}

/** What people do in a room besides writing. `typing`: all who write there now, nobody included. */
export type MatrixSign =
  | { readonly kind: 'typing'; readonly room: RoomId; readonly users: readonly MatrixUserId[] }
  /** `user` has read up to `event`, and lets others know. `atMs`: when, by the homeserver; 0 when not told. */
  | {
      readonly kind: 'read';
      readonly room: RoomId;
      readonly event: EventId;
      readonly user: MatrixUserId;
      readonly atMs: number;
    };

/** Implemented by the core over storage. */
export interface TransactionSink {
  /**
   * Called before the homeserver is answered, never twice at once for one txnId. Resolves once everything is durable; a
   * txnId or event id seen before is dropped inside. A rejection makes the homeserver send the transaction again.
   */
  store(transaction: AppserviceTransaction): Promise<void>;
}

/** What is done about an earlier event, which is named by its Matrix id: the core knows what it stands for. */
export type MatrixReference =
  /** New words in the place of the old. */
  | (FormattedText & { readonly kind: 'replacement'; readonly target: EventId })
  | { readonly kind: 'annotation'; readonly target: EventId; readonly emoji: string }
  | { readonly kind: 'redaction'; readonly target: EventId };

/** A file that somebody put into a room. Numbers of 0, '' and no bytes: not told. All of it is the sender's word. */
export interface MatrixAttachment extends Omit<MediaFile, 'url' | 'key' | 'digest'> {
  readonly kind: 'attachment';
  /** Where it lies; `encryptedFile` is the description of an encrypted one, unchecked. */
  readonly source: Readonly<{ mxc: string }> | Readonly<{ encryptedFile: JsonObject }>;
  readonly caption?: FormattedText;
}

/** A file that was uploaded; encrypted ones with their description. */
export type UploadedFile = Readonly<{ mxc: string }> | Readonly<{ encryptedFile: object }>;

/** A small copy of a picture, uploaded. Pixels and bytes. */
export type UploadedThumbnail = Readonly<{
  mxc: string;
  mime: string;
  width: number;
  height: number;
  sizeBytes: number;
}>;

/** A message event, in neutral words. */
export interface MatrixMessage {
  readonly content: ChatContent | MatrixReference | MatrixAttachment;
  /** The event that it answers. */
  readonly replyTo?: EventId;
  /** `emote`: the core puts the sender's name before it. `notice`: written by a program, as a rule. */
  readonly tone: 'plain' | 'emote' | 'notice';
}

/** What `m.bridge` says (MSC2346, not merged); the bot is added here. */
export interface BridgeInfo {
  readonly protocol: { readonly id: string; readonly displayname: string };
  readonly network: { readonly id: string; readonly displayname: string };
  readonly channel: { readonly id: string; readonly displayname?: string };
  readonly creator?: MatrixUserId;
}

export interface StateEvent {
  readonly type: string;
  readonly stateKey: string;
  readonly content: JsonObject;
}

export interface PortalRoomWish {
  /** Localpart of the room's alias, of our namespace and for this portal only: it makes the creation idempotent. */
  readonly aliasLocalpart: string;
  /** Registered by `ensureGhost` before. It invites the user, so that clients show the room as a chat with it. */
  readonly ghost: MatrixUserId;
  /** Absent: the caller invites, as the ghost, when all that must come first stands in the room. */
  readonly invite?: MatrixUserId;
  /** Absent: clients show the ghost's name, which is what people know from direct chats. */
  readonly name?: string;
  readonly topic: string;
  readonly bridgeInfo: BridgeInfo;
  /** State that must stand in the room before the user is invited. */
  readonly extraState?: readonly StateEvent[];
}

export interface SendWish {
  readonly room: RoomId;
  /** The bot or a ghost that has joined. */
  readonly as: MatrixUserId;
  readonly type: string;
  readonly content: JsonObject;
  /** Deterministic, any text. Unique among the sends of `as` in `room`: the user is worked in here, so ghosts may share one. */
  readonly txnId: string;
}

export interface Member {
  readonly user: MatrixUserId;
  readonly displayName?: string;
}

export interface MatrixSide {
  readonly botUserId: MatrixUserId;
  readonly domain: string;
  /**
   * Answers `/_matrix/app/v1/{transactions,users,rooms,ping,thirdparty}` and the old paths without that prefix. Reads the
   * body itself: nothing before it may.
   */
  readonly appserviceListener: RequestListener;

  /**
   * Makes sure of the homeserver, the token, the bot and its name. The caller repeats it after an error with `later`.
   * @throws BridgeError `matrix/badToken`; `matrix/wrongUser`: the token is another appservice's.
   */
  start(signal: AbortSignal): Promise<void>;
  /**
   * Asks the homeserver to call us at the registration's address (MSC2659); the listener must be open.
   * @returns `unsupported` by a homeserver that does not know the endpoint.
   * @throws BridgeError `matrix/pingFailed`: it does not reach us; `errcode` says how.
   */
  ping(): Promise<'reached' | 'unsupported'>;
  /** Ends all requests under way with `matrix/answerLost`; none is made after it. */
  stop(): Promise<void>;

  /** @throws BridgeError `matrix/contactTooLong`. */
  ghostUserId(network: NetworkId, contact: ContactId): MatrixUserId;
  /** @returns `undefined` for a user that is not one of our ghosts. */
  parseGhost(user: string): { network: NetworkId; contact: ContactId } | undefined;
  /**
   * Registers the ghost and its device, if there is need. The name is made fit for a profile.
   * @param displayName `undefined`: leave the name. The caller keeps a hash and tells the name only when it changed.
   */
  ensureGhost(ghost: { userId: MatrixUserId; displayName: string | undefined }): Promise<void>;
  setDisplayName(user: MatrixUserId, name: string): Promise<void>;
  /** @returns `undefined` where none is set, or the user is not known. */
  getDisplayName(user: MatrixUserId): Promise<string | undefined>;

  /**
   * The portal's room: made, or found by its alias and brought to the wished state. In the end the bot (alone in power)
   * and the ghost are in it and the user is invited, unless invited, joined or banned before.
   */
  createPortalRoom(wish: PortalRoomWish): Promise<RoomId>;
  /** The bot's own direct chat with `user`, likewise idempotent. */
  createManagementRoom(user: MatrixUserId): Promise<RoomId>;

  /**
   * Sends once: a repeat with the same room, sender and txnId gives back the first one's event id and adds nothing. The
   * homeserver remembers for a day, over its restarts, where `start` found that it lets us act through a device; elsewhere
   * for half an hour and until it restarts, and `start` has warned.
   * @throws BridgeError `matrix/tooLarge`.
   */
  send(wish: SendWish): Promise<EventId>;
  /** The same content as stands there adds no second event on Synapse. */
  sendState(wish: { room: RoomId; as: MatrixUserId } & StateEvent): Promise<EventId>;
  /** Once, as `send`. */
  redact(wish: {
    room: RoomId;
    as: MatrixUserId;
    eventId: EventId;
    txnId: string;
    reason?: string;
  }): Promise<EventId>;
  /** Shows that `as` has read up to the event. */
  sendReadReceipt(wish: { room: RoomId; as: MatrixUserId; eventId: EventId }): Promise<void>;
  /** Shows that `as` is writing, for `forMs`; 0 ends it. */
  sendTyping(wish: { room: RoomId; as: MatrixUserId; forMs: number }): Promise<void>;
  /** @returns `undefined` for an event that is not there, or that the bot may not see. */
  findEvent(wish: { room: RoomId; eventId: EventId }): Promise<RoomEvent | undefined>;

  /** Nothing happens to one who is invited, joined or banned. */
  invite(wish: { room: RoomId; as: MatrixUserId; user: MatrixUserId; isDirect?: boolean }): Promise<void>;
  /** A ghost that the room does not let in is invited by the bot first. */
  join(wish: { room: RoomId; as: MatrixUserId }): Promise<void>;
  /** Also when `as` is not in the room: then there is nothing to leave. */
  leave(wish: { room: RoomId; as: MatrixUserId; reason?: string }): Promise<void>;
  /** Adds to what is pinned, at its end. */
  pin(wish: { room: RoomId; as: MatrixUserId; eventId: EventId }): Promise<void>;
  /**
   * Who has joined, as the bot sees it. A direct chat has two.
   * @throws BridgeError `matrix/badAnswer` for a room of more than some fifty thousand.
   */
  getMembers(room: RoomId): Promise<readonly Member[]>;

  /** Never throws; see `MatrixSign`. */
  readSigns(ephemeral: readonly JsonObject[]): readonly MatrixSign[];
  /**
   * Opens a file, with our token where the homeserver knows that (MSC3916).
   * @param wish `maxBytes`: more is refused, when it is told or when it comes. `signal` ends the body too.
   * @throws BridgeError `matrix/fileTooLarge`; `matrix/badEvent`: `mxc` is no such URI.
   */
  downloadMedia(wish: { mxc: string; maxBytes: number; signal: AbortSignal }): Promise<MatrixDownload>;
  /**
   * Uploads a file under the name of a ghost, or of the bot where `as` is `undefined`. A repeated upload is another file.
   * @returns its `mxc:` URI.
   * @throws BridgeError `matrix/fileTooLarge`: over the homeserver's limit; `matrix/badUpload`; what `file.source` throws.
   */
  uploadMedia(wish: { as: MatrixUserId | undefined; file: StreamBody; signal: AbortSignal }): Promise<string>;

  /** @throws BridgeError `matrix/badEvent`. */
  parseRoomEvent(json: unknown): RoomEvent;
  /**
   * @param options `contactOf`: the JID of a Matrix user who can be mentioned; other mentions are links.
   * @returns `undefined` for what is no message to the contact. Never throws.
   */
  fromRoomEvent(event: RoomEvent, options?: Pick<ReadingOptions, 'contactOf'>): MatrixMessage | undefined;
  /**
   * Contents of `m.room.message`, in order, to be sent with the part in the txnId; `note` is shown for kinds not carried.
   * @param options `userOf`: the Matrix user for a JID that is mentioned; without it a mention is plain text.
   */
  toEventContents(content: ChatContent, note: string, options?: WritingOptions): readonly JsonObject[];
  /** The content that shows an uploaded file. `media.sizeBytes` is what was uploaded. */
  toFileContent(
    media: MediaContent,
    uploaded: UploadedFile,
    options?: WritingOptions & Readonly<{ thumbnail?: UploadedThumbnail }>,
  ): JsonObject;
  /** The same for words of the bridge itself. */
  toNoticeContents(text: string): readonly JsonObject[];
  /** @returns what an `m.room.redaction` takes away; `undefined` for any other event. */
  redactionTarget(event: RoomEvent): EventId | undefined;
  /** Content that answers `target`. */
  asReply(target: EventId, content: JsonObject): JsonObject;
  /** Content that takes the place of `target`, an event of the same sender. */
  asReplacement(target: EventId, content: JsonObject): JsonObject;
  /** Content of an `m.reaction`. */
  toReaction(target: EventId, emoji: string): JsonObject;
  /** @returns `undefined` when the text is not addressed to the bot. */
  parseCommandLine(
    body: string,
    options: Readonly<{ prefix: string; prefixNeeded: boolean }>,
  ): CommandLine | undefined;
}

export interface MatrixSettings {
  /** Base of the client-server API. */
  readonly homeserverUrl: string;
  /** The homeserver's name: the end of our user ids. */
  readonly domain: string;
  readonly appserviceId: string;
  readonly botLocalpart: string;
  readonly botDisplayName: string;
  /** Beginning of a ghost's localpart, such as `_interop_`. */
  readonly ghostPrefix: string;
  readonly asToken: string;
  readonly hsToken: string;
  readonly maxBodyBytes: number;
  /** For a request from its start to the last byte of the answer. */
  readonly requestTimeoutMs: number;
}

export interface MatrixMetrics {
  /** @param request method and path template. @param outcome `ok`, or the code of the error. */
  request(request: string, outcome: string, seconds: number): void;
  /** An event of a transaction that was left out. */
  badEvent?(): void;
}

export interface MatrixDeps {
  readonly settings: MatrixSettings;
  readonly sink: TransactionSink;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: MatrixMetrics;
}

export function createMatrixSide(deps: MatrixDeps): MatrixSide {
  const { settings, log } = deps;
  const ghosts = createGhostIds({ prefix: settings.ghostPrefix, domain: settings.domain });
  const transport = new Transport(deps);
  const homeserver = new Homeserver({ settings, transport, log });
  const rooms = new Rooms({ settings, homeserver, clock: deps.clock, log });
  const media = new MatrixMedia({ transport, clock: deps.clock });
  const isOurs = (user: string) => user === homeserver.botUserId || ghosts.parse(user) !== undefined;
  return {
    botUserId: homeserver.botUserId,
    domain: settings.domain,
    appserviceListener: createIntake({ ...deps, isOurs, onPing: () => homeserver.hearPing() }),
    start: (signal) => homeserver.start(signal),
    ping: () => homeserver.ping(),
    stop: () => homeserver.stop(),
    ghostUserId: ghosts.toUserId,
    parseGhost: ghosts.parse,
    ensureGhost: (ghost) => homeserver.ensureGhost(ghost),
    setDisplayName: (user, name) => homeserver.setDisplayName(user, name),
    getDisplayName: (user) => homeserver.getDisplayName(user),
    createPortalRoom: (wish) => rooms.createPortalRoom(wish),
    createManagementRoom: (user) => rooms.createManagementRoom(user),
    send: (wish) => homeserver.send(wish),
    sendState: (wish) => homeserver.sendState(wish),
    redact: (wish) => homeserver.redact(wish),
    sendReadReceipt: (wish) => homeserver.sendReadReceipt(wish),
    sendTyping: (wish) => homeserver.sendTyping(wish),
    findEvent: (wish) => homeserver.findEvent(wish),
    invite: (wish) => rooms.invite(wish),
    join: (wish) => rooms.join(wish),
    leave: (wish) => rooms.leave(wish),
    pin: (wish) => rooms.pin(wish),
    getMembers: (room) => homeserver.getMembers(room),
    readSigns,
    downloadMedia: (wish) => media.download(wish),
    uploadMedia: (wish) => media.upload(wish),
    parseRoomEvent,
    fromRoomEvent,
    toEventContents,
    toFileContent: (media, uploaded, options = {}) => writeAttachment(media, uploaded, options),
    toNoticeContents,
    redactionTarget: (event) => (event.type === 'm.room.redaction' ? redactionTarget(event) : undefined),
    asReply,
    asReplacement,
    toReaction,
    parseCommandLine,
  };
}
