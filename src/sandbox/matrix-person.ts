/** A person with a Matrix client: matrix-js-sdk, as Element uses it, and what its timeline shows. */
import loglevel from 'loglevel';
import {
  ClientEvent,
  createClient,
  EventType,
  KnownMembership,
  type MatrixClient,
  type MatrixEvent,
  Method,
  MsgType,
  type Room,
  RoomEvent,
  RoomMemberEvent,
  SyncState,
} from 'matrix-js-sdk';
import type { Clock } from '../model/ambient.ts';
import { EventLog } from './phone/event-log.ts';
import type { Synapse } from './synapse/synapse.ts';

/** What the person sees. `atMs`: when it came, by this machine's clock. */
export type PersonEvent =
  | {
      readonly kind: 'message';
      readonly room: string;
      readonly sender: string;
      readonly eventId: string;
      readonly msgtype: string;
      readonly body: string;
      /** The event that this one answers. */
      readonly replyTo: string | undefined;
      readonly atMs: number;
    }
  | { readonly kind: 'invited'; readonly room: string; readonly by: string; readonly isDirect: boolean };

/** An event as it comes from the homeserver. */
export type RawEvent = Readonly<{
  type: string;
  event_id: string;
  sender: string;
  content: Readonly<Record<string, unknown>>;
}>;

export type PersonMessage = Extract<PersonEvent, { kind: 'message' }>;

/** Events of a room in one sync: more than any test sends while a homeserver is away. */
const TIMELINE_LIMIT = 1_000;

export class MatrixPerson {
  readonly userId: string;
  /** Everything seen, and waiting for what will be. */
  readonly log: EventLog<PersonEvent>;
  readonly client: MatrixClient;
  readonly #clock: Clock;

  private constructor(client: MatrixClient, userId: string, clock: Clock) {
    this.client = client;
    this.userId = userId;
    this.#clock = clock;
    this.log = new EventLog(clock);
  }

  /** Registers the account if it is new, logs in and syncs. Invitations are accepted as they come. */
  static async arrive(
    synapse: Synapse,
    localpart: string,
    password: string,
    clock: Clock,
  ): Promise<MatrixPerson> {
    silenceLibrary();
    await synapse.registerUser(localpart, password).catch((failure: { facts?: { errcode?: unknown } }) => {
      if (failure.facts?.errcode !== 'M_USER_IN_USE') throw failure;
    });
    const anonymous = createClient({ baseUrl: synapse.baseUrl });
    const login = await anonymous.loginRequest({
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: localpart },
      password,
    });
    const client = createClient({
      baseUrl: synapse.baseUrl,
      userId: login.user_id,
      accessToken: login.access_token,
      deviceId: login.device_id,
    });
    const person = new MatrixPerson(client, login.user_id, clock);
    await person.#start();
    return person;
  }

  /** A direct chat with `user`; resolves once they are invited. @returns its room. */
  async startDirectChat(user: string): Promise<string> {
    const { room_id: room } = await this.client.createRoom({
      invite: [user],
      is_direct: true,
      preset: 'trusted_private_chat' as never,
    });
    return room;
  }

  /** Sends a text. @returns its event id. */
  async say(room: string, body: string): Promise<string> {
    const sent = await this.client.sendMessage(room, { msgtype: MsgType.Text, body });
    return sent.event_id;
  }

  /** As `say`, under a transaction id: what was sent before under the same one is not sent again. */
  async sayOnce(room: string, body: string, txnId: string): Promise<void> {
    // Past the library, which keeps sent messages in mind and refuses to send one twice.
    const path = `/rooms/${encodeURIComponent(room)}/send/${EventType.RoomMessage}/${encodeURIComponent(txnId)}`;
    await this.client.http.authedRequest(Method.Put, path, undefined, { msgtype: MsgType.Text, body });
  }

  async react(room: string, eventId: string, key: string): Promise<void> {
    await this.client.sendEvent(room, EventType.Reaction, {
      'm.relates_to': { rel_type: 'm.annotation' as never, event_id: eventId, key },
    });
  }

  /** Sends an event of any type. @returns its event id. */
  async send(room: string, type: string, content: Readonly<Record<string, unknown>>): Promise<string> {
    return (await this.client.sendEvent(room, type as never, content as never)).event_id;
  }

  /** The newest hundred events of a room, as the homeserver gives them, oldest first. */
  async timeline(room: string): Promise<RawEvent[]> {
    const { chunk } = await this.client.createMessagesRequest(room, null, 100, 'b' as never);
    return (chunk as unknown as RawEvent[]).toReversed();
  }

  /** @returns the `mxc:` URI. */
  async upload(bytes: Uint8Array, mime: string): Promise<string> {
    const sent = await this.client.uploadContent(bytes as never, { type: mime, includeFilename: false });
    return sent.content_uri;
  }

  async download(mxc: string): Promise<Buffer> {
    const url = this.client.mxcUrlToHttp(mxc, undefined, undefined, undefined, false, true, true);
    const headers = { authorization: `Bearer ${this.client.getAccessToken()}` };
    const response = await fetch(String(url), { headers });
    if (!response.ok) throw new Error(`download: ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  }

  /** The first message, past or future, that satisfies `wanted`. */
  async seeMessage(wanted: (message: PersonMessage) => boolean, timeoutMs = 30_000): Promise<PersonMessage> {
    return await this.log.waitFor(
      (event): event is PersonMessage => event.kind === 'message' && wanted(event),
      timeoutMs,
    );
  }

  /** The messages of one room, in the order in which the timeline shows them. */
  messagesIn(room: string): PersonMessage[] {
    return this.log.of('message').filter((message) => message.room === room);
  }

  room(room: string): Room | undefined {
    return this.client.getRoom(room) ?? undefined;
  }

  /** The library leaves timers of up to two minutes behind: whoever wants to end before must exit. */
  async leave(): Promise<void> {
    this.client.stopClient();
    await this.client.logout(true).catch(() => {
      /* the homeserver is gone already */
    });
  }

  async #start(): Promise<void> {
    this.client.on(RoomMemberEvent.Membership, (_event, member) => {
      if (member.userId !== this.userId || member.membership !== KnownMembership.Invite) return;
      const by = member.events.member?.getSender() ?? '';
      const isDirect = member.events.member?.getContent().is_direct === true;
      this.log.push({ kind: 'invited', room: member.roomId, by, isDirect });
      this.client.joinRoom(member.roomId).catch(() => {
        /* withdrawn meanwhile: whoever waits for the room sees nothing come */
      });
    });
    this.client.on(RoomEvent.Timeline, (event, room, toStartOfTimeline) => {
      if (room === undefined || toStartOfTimeline === true) return;
      this.#see(event, room.roomId);
    });
    const synced = new Promise<void>((resolve) => {
      this.client.on(ClientEvent.Sync, (state) => {
        if (state === SyncState.Prepared) resolve();
      });
    });
    // A homeserver gives ten events of what a client missed; a person's client would fetch the rest when they scroll.
    const filter = await this.client.createFilter({ room: { timeline: { limit: TIMELINE_LIMIT } } });
    await this.client.startClient({ initialSyncLimit: TIMELINE_LIMIT, filter });
    await synced;
  }

  #see(event: MatrixEvent, room: string): void {
    if (event.getType() !== EventType.RoomMessage) return;
    const content = event.getContent();
    this.log.push({
      kind: 'message',
      room,
      sender: event.getSender() ?? '',
      eventId: event.getId() ?? '',
      msgtype: String(content.msgtype),
      body: String(content.body),
      replyTo: event.replyEventId,
      atMs: this.#clock.nowMs(),
    });
  }
}

/** A client logs at length what it does, whatever level is asked for; here only what the person sees counts. */
function silenceLibrary(): void {
  for (const logger of [loglevel, loglevel.getLogger('matrix')]) {
    logger.methodFactory = () => () => undefined;
    logger.rebuild();
  }
}
