/**
 * A Matrix side whose pure methods are the real ones, and whose homeserver is a few maps: it keeps the promises that
 * `MatrixSide` makes (a repeat adds nothing) and remembers every attempt.
 */
import assert from 'node:assert/strict';
import {
  createMatrixSide,
  type MatrixSide,
  type PortalRoomWish,
  type RoomEvent,
  type SendWish,
} from '../../../../src/matrix/matrix.ts';
import type { Clock, Log } from '../../../../src/model/ambient.ts';
import { type EventId, eventId, type MatrixUserId, type RoomId, roomId } from '../../../../src/model/ids.ts';
import type { FaultPoints } from './fault-points.ts';

export const DOMAIN = 'example.org';

/** One event that stands in a room. */
export type Said = Readonly<{
  event: EventId;
  room: RoomId;
  as: MatrixUserId;
  body: string;
  content: SendWish['content'];
}>;

export class HomeserverDouble {
  readonly side: MatrixSide;
  /** What stands in the rooms, in order. */
  readonly said: Said[] = [];
  /** How often `send` was called, by transaction id. */
  readonly attempts = new Map<string, number>();
  readonly portalWishes = new Map<string, PortalRoomWish>();
  readonly left: Readonly<{ room: RoomId; as: MatrixUserId; reason: string | undefined }>[] = [];
  readonly joined: Readonly<{ room: RoomId; as: MatrixUserId }>[] = [];
  readonly invited: Readonly<{ room: RoomId; as: MatrixUserId; user: MatrixUserId }>[] = [];
  readonly pinned: EventId[] = [];
  readonly reads: Readonly<{ room: RoomId; as: MatrixUserId; event: EventId }>[] = [];
  /** What people sent and can be asked for again. */
  readonly events = new Map<EventId, RoomEvent>();
  readonly states: Readonly<{ room: RoomId; type: string; content: SendWish['content'] }>[] = [];
  /** Events that were taken away, each once, by whom. */
  readonly redacted: Readonly<{ room: RoomId; as: MatrixUserId; event: EventId }>[] = [];
  readonly typing: Readonly<{ room: RoomId; as: MatrixUserId; forMs: number }>[] = [];
  readonly ghostNames = new Map<MatrixUserId, string | undefined>();
  /** How many have joined a room that is not named here: two. */
  readonly memberCounts = new Map<RoomId, number>();
  /** Asked before each send: what it returns is thrown. */
  failSend: ((wish: SendWish) => Error | undefined) | undefined;
  readonly #sent = new Map<string, Said>();
  readonly #redactions = new Map<string, EventId>();
  readonly #rooms = new Map<string, RoomId>();

  constructor(deps: { clock: Clock; log: Log; faults: FaultPoints }) {
    const { faults } = deps;
    const real = createMatrixSide({
      settings: {
        homeserverUrl: 'http://127.0.0.1:9',
        domain: DOMAIN,
        appserviceId: 'drawbridge',
        botLocalpart: 'bridge',
        botDisplayName: 'Bridge',
        ghostPrefix: '_interop_',
        asToken: 'a'.repeat(32),
        hsToken: 'h'.repeat(32),
        maxBodyBytes: 1_000_000,
        requestTimeoutMs: 1_000,
      },
      sink: { store: async () => undefined },
      clock: deps.clock,
      log: deps.log,
    });
    this.side = {
      ...real,
      send: async (wish) => await faults.around('send', () => this.#send(wish)),
      ensureGhost: async (ghost) =>
        await faults.around('ensure ghost', () => void this.ghostNames.set(ghost.userId, ghost.displayName)),
      createPortalRoom: async (wish) => await faults.around('create room', () => this.#createRoom(wish)),
      pin: async ({ eventId: event }) =>
        await faults.around('pin', () => {
          if (!this.pinned.includes(event)) this.pinned.push(event);
        }),
      join: async ({ room, as }) => await faults.around('join', () => void this.joined.push({ room, as })),
      leave: async ({ room, as, reason }) =>
        await faults.around('leave', () => void this.left.push({ room, as, reason })),
      invite: async ({ room, as, user }) =>
        await faults.around('invite', () => void this.invited.push({ room, as, user })),
      createManagementRoom: async (user) =>
        await faults.around('create chat', () => roomId(`!chat-with-${user.slice(1)}`)),
      sendReadReceipt: async ({ room, as, eventId: event }) =>
        await faults.around('read receipt', () => void this.reads.push({ room, as, event })),
      sendTyping: async ({ room, as, forMs }) =>
        await faults.around('typing', () => void this.typing.push({ room, as, forMs })),
      findEvent: async ({ eventId: event }) =>
        await faults.around('find event', () => this.events.get(event)),
      sendState: async ({ room, type, content }) =>
        await faults.around('state', () => {
          this.states.push({ room, type, content });
          return eventId(`$state-${this.states.length}`);
        }),
      redact: async (wish) => await faults.around('redact', () => this.#redact(wish)),
      setDisplayName: notDoubled,
      getDisplayName: notDoubled,
      getMembers: async (room) => {
        const count = this.memberCounts.get(room) ?? 2;
        return Array.from({ length: count }, () => ({ user: real.botUserId }));
      },
    };
  }

  /** What `as` said in `room`, in order; by everybody without `as`. */
  bodies(room: RoomId, as?: MatrixUserId): string[] {
    return this.said
      .filter((it) => it.room === room && (as === undefined || it.as === as))
      .map(({ body }) => body);
  }

  #send(wish: SendWish): EventId {
    const failure = this.failSend?.(wish);
    if (failure !== undefined) throw failure;
    const key = `${wish.room} ${wish.as} ${wish.txnId}`;
    this.attempts.set(wish.txnId, (this.attempts.get(wish.txnId) ?? 0) + 1);
    const before = this.#sent.get(key);
    if (before !== undefined) {
      // The homeserver would not notice; a test has to.
      assert.deepEqual(wish.content, before.content, 'the same transaction id with other content');
      return before.event;
    }
    const { room, as, content } = wish;
    const said = {
      event: eventId(`$said-${this.said.length}`),
      room,
      as,
      body: String(content.body),
      content,
    };
    this.said.push(said);
    this.#sent.set(key, said);
    return said.event;
  }

  #redact({ room, as, eventId: event, txnId }: Parameters<MatrixSide['redact']>[0]): EventId {
    const key = `${room} ${as} ${txnId}`;
    const before = this.#redactions.get(key);
    if (before !== undefined) return before;
    this.redacted.push({ room, as, event });
    const redaction = eventId(`$redaction-${this.redacted.length}`);
    this.#redactions.set(key, redaction);
    return redaction;
  }

  #createRoom(wish: PortalRoomWish): RoomId {
    const found = this.#rooms.get(wish.aliasLocalpart);
    if (found !== undefined) return found;
    const room = roomId(`!portal-${this.#rooms.size}`);
    this.#rooms.set(wish.aliasLocalpart, room);
    this.portalWishes.set(room, wish);
    return room;
  }
}

/** What the core does not ask of a homeserver in these tests: it must not reach a real one. */
async function notDoubled(): Promise<never> {
  assert.fail('the homeserver double does not do this');
}
