import { createHash } from 'node:crypto';
import type { Clock, Log } from '../model/ambient.ts';
import { type BridgeError, hasCode } from '../model/errors.ts';
import { type MatrixUserId, type RoomId, roomId } from '../model/ids.ts';
import { type Homeserver, parseAnswer } from './homeserver.ts';
import type { JsonObject } from './json-object.ts';
import type { BridgeInfo, MatrixSettings, MatrixSide, PortalRoomWish, StateEvent } from './matrix.ts';
import { toProfileName } from './profile-name.ts';

// Enough to invite; the room's state stays with the bot, who made the room and so stands above all.
const GHOST_POWER = 50;
const POWER_LEVELS = { users_default: 0, events_default: 0, state_default: 50, invite: GHOST_POWER };

// A creation that we lost the answer of may be under way still; Synapse gives the alias away before it makes the room.
const CREATION_CHECKS = 5;
const CREATION_CHECK_MS = 2000;

const PINNED = 'm.room.pinned_events';

/** Rooms: made idempotently by their alias, and who is in them. */
export class Rooms {
  readonly #settings: MatrixSettings;
  readonly #homeserver: Homeserver;
  readonly #clock: Pick<Clock, 'sleep'>;
  readonly #log: Log;

  constructor(deps: {
    settings: MatrixSettings;
    homeserver: Homeserver;
    clock: Pick<Clock, 'sleep'>;
    log: Log;
  }) {
    this.#settings = deps.settings;
    this.#homeserver = deps.homeserver;
    this.#clock = deps.clock;
    this.#log = deps.log;
  }

  async createPortalRoom(wish: PortalRoomWish): Promise<RoomId> {
    const bot = this.#homeserver.botUserId;
    const state: StateEvent[] = [
      { type: 'm.room.topic', stateKey: '', content: { topic: wish.topic } },
      // Not counted when clients name the room after its members (MSC4171, not merged).
      { type: 'io.element.functional_members', stateKey: '', content: { service_members: [bot] } },
      ...toBridgeState(wish.bridgeInfo, bot),
      ...(wish.extraState ?? []),
    ];
    if (wish.name !== undefined) {
      state.push({ type: 'm.room.name', stateKey: '', content: { name: toProfileName(wish.name) } });
    }
    const room = await this.#findOrCreate(wish.aliasLocalpart, state);
    // Not part of the creation, because from room version 12 on the power levels must not name the creator, and before it must.
    await this.#setPower(room, wish.ghost, GHOST_POWER);
    await this.join({ room, as: wish.ghost });
    if (wish.invite !== undefined) {
      await this.invite({ room, as: wish.ghost, user: wish.invite, isDirect: true });
    }
    return room;
  }

  async createManagementRoom(user: MatrixUserId): Promise<RoomId> {
    // A user id may be as long as an alias may be altogether.
    const tag = createHash('sha256').update(user).digest('hex').slice(0, 32);
    const room = await this.#findOrCreate(`${this.#settings.ghostPrefix}management_${tag}`, []);
    await this.invite({ room, as: this.#homeserver.botUserId, user, isDirect: true });
    return room;
  }

  async invite({ room, as, user, isDirect }: Parameters<MatrixSide['invite']>[0]): Promise<void> {
    const membership = await this.#findMembership(room, as, user);
    if (membership === 'invite' || membership === 'join' || membership === 'ban') return;
    const content = { membership: 'invite', ...(isDirect ? { is_direct: true } : {}) };
    // As state and not by /invite, which has no word for a direct chat.
    await this.#homeserver.sendState({ room, as, type: 'm.room.member', stateKey: user, content });
  }

  async join({ room, as }: Parameters<MatrixSide['join']>[0]): Promise<void> {
    const bot = this.#homeserver.botUserId;
    try {
      await this.#join(room, as);
    } catch (failure) {
      if (as === bot || !hasCode(failure, 'matrix/forbidden')) throw failure;
      await this.invite({ room, as: bot, user: as });
      await this.#join(room, as);
    }
  }

  async leave({ room, as, reason }: Parameters<MatrixSide['leave']>[0]): Promise<void> {
    const client = await this.#homeserver.client(as);
    try {
      await client.leaveRoom(room, reason);
    } catch (failure) {
      if (!hasCode(failure, 'matrix/forbidden') && !hasCode(failure, 'matrix/notFound')) throw failure;
      // Refused, because there is nothing to leave? Then all is as wished.
      const membership = await this.#findMembership(room, as, as);
      if (membership === 'join' || membership === 'invite') throw failure;
    }
  }

  async pin({ room, as, eventId }: Parameters<MatrixSide['pin']>[0]): Promise<void> {
    const content = await this.#findState(room, as, PINNED, '');
    const told = content?.pinned;
    const pinned = Array.isArray(told) ? told.filter((id) => typeof id === 'string') : [];
    if (pinned.includes(eventId)) return;
    await this.#homeserver.sendState({
      room,
      as,
      type: PINNED,
      stateKey: '',
      content: { pinned: [...pinned, eventId] },
    });
  }

  async #join(room: RoomId, as: MatrixUserId): Promise<void> {
    // Not the client's joinRoom, which has the bot invite after any failure whatever.
    const client = await this.#homeserver.client(as);
    await client.doRequest('POST', `/_matrix/client/v3/join/${encodeURIComponent(room)}`, null, {});
  }

  /** The room of that alias, in which the bot is and `state` stands. */
  async #findOrCreate(aliasLocalpart: string, state: readonly StateEvent[]): Promise<RoomId> {
    try {
      return await this.#create(aliasLocalpart, state);
    } catch (failure) {
      if (!hasCode(failure, 'matrix/roomInUse')) throw failure;
      return await this.#reuse(aliasLocalpart, state, failure);
    }
  }

  async #create(aliasLocalpart: string, state: readonly StateEvent[]): Promise<RoomId> {
    const client = await this.#homeserver.client(this.#homeserver.botUserId);
    const wish = {
      preset: 'private_chat',
      visibility: 'private',
      room_alias_name: aliasLocalpart,
      power_level_content_override: POWER_LEVELS,
      initial_state: state.map(({ type, stateKey, content }) => ({ type, state_key: stateKey, content })),
    } as const;
    return await parseAnswer('room_id', () => client.createRoom(wish), roomId);
  }

  /** Takes over what an earlier attempt left behind, or clears away an alias that leads nowhere. */
  async #reuse(aliasLocalpart: string, state: readonly StateEvent[], taken: BridgeError): Promise<RoomId> {
    const bot = this.#homeserver.botUserId;
    const client = await this.#homeserver.client(bot);
    const alias = `#${aliasLocalpart}:${this.#settings.domain}`;
    for (let check = 0; check < CREATION_CHECKS; check += 1) {
      if (check > 0) await this.#clock.sleep(CREATION_CHECK_MS);
      const room = await this.#findByAlias(alias);
      if (room === undefined) return await this.#create(aliasLocalpart, state);
      if ((await this.#findMembership(room, bot, bot)) !== 'join') continue;
      for (const event of state) await this.#homeserver.sendState({ room, as: bot, ...event });
      return room;
    }
    // The homeserver died while it made the room, or the bot has left it: nobody can get in, so a new one takes its alias.
    this.#log.warn('alias of a room that the bot is not in: a new room is made', { code: taken.code });
    await client.deleteRoomAlias(alias);
    return await this.#create(aliasLocalpart, state);
  }

  async #findByAlias(alias: string): Promise<RoomId | undefined> {
    const client = await this.#homeserver.client(this.#homeserver.botUserId);
    try {
      return await parseAnswer('room_id', async () => (await client.lookupRoomAlias(alias)).roomId, roomId);
    } catch (failure) {
      if (hasCode(failure, 'matrix/notFound')) return undefined;
      throw failure;
    }
  }

  async #setPower(room: RoomId, user: MatrixUserId, power: number): Promise<void> {
    const bot = this.#homeserver.botUserId;
    const content = (await this.#findState(room, bot, 'm.room.power_levels', '')) ?? {
      ...POWER_LEVELS,
      users: { [bot]: 100 },
    };
    const users = content.users as JsonObject | undefined;
    if (users?.[user] === power) return;
    await this.#homeserver.sendState({
      room,
      as: bot,
      type: 'm.room.power_levels',
      stateKey: '',
      content: { ...content, users: { ...users, [user]: power } },
    });
  }

  /** @returns `undefined` when the user never had to do with the room, or `as` may not know. */
  async #findMembership(room: RoomId, as: MatrixUserId, user: MatrixUserId): Promise<unknown> {
    return (await this.#findState(room, as, 'm.room.member', user))?.membership;
  }

  async #findState(
    room: RoomId,
    as: MatrixUserId,
    type: string,
    key: string,
  ): Promise<JsonObject | undefined> {
    const client = await this.#homeserver.client(as);
    try {
      return await client.getRoomStateEvent(room, type, key);
    } catch (failure) {
      if (hasCode(failure, 'matrix/notFound') || hasCode(failure, 'matrix/forbidden')) return undefined;
      throw failure;
    }
  }
}

function toBridgeState(info: BridgeInfo, bot: MatrixUserId): StateEvent[] {
  const content = { bridgebot: bot, ...info };
  const stateKey = `org.drawbridge://${info.network.id}/${encodeURIComponent(info.channel.id)}`;
  // MSC2346 under the name of its text and under the one that clients of today read.
  return ['m.bridge', 'uk.half-shot.bridge'].map((type) => ({
    type,
    stateKey: stateKey.slice(0, 255),
    content,
  }));
}
