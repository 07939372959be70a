import { createHash } from 'node:crypto';
import { AppServiceRegistration, Bridge, type Intent, Logger } from 'matrix-appservice-bridge';
import type { Log } from '../model/ambient.ts';
import { BridgeError, hasCode } from '../model/errors.ts';
import { type EventId, eventId, type MatrixUserId, matrixUserId, type RoomId } from '../model/ids.ts';
import { matrixErrors } from './errors.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type { MatrixSettings, MatrixSide, Member, RoomEvent, SendWish } from './matrix.ts';
import { toProfileName } from './profile-name.ts';
import { parseRoomEvent } from './room-event.ts';
import type { HomeserverRequest, Method, Transport } from './transport.ts';

/** The bot-sdk's client; its requests go through our transport. */
export type Client = Intent['matrixClient'];

const CLIENT = '/_matrix/client/v3';

// One name for all: a device belongs to its user. It makes the homeserver's memory of transaction ids durable, and later
// holds the keys of the user that it belongs to.
const DEVICE = 'DRAWBRIDGE';
const DEVICE_NAME = 'Drawbridge';
// The name since specification 1.17, all that Synapse knows today, and the one of before (MSC3202).
const THROUGH_DEVICE = { device_id: DEVICE, 'org.matrix.msc3202.device_id': DEVICE };

// MSC2659: what the homeserver answers when it could not reach us.
const PING_FAILURE = /(URL_NOT_SET|BAD_STATUS|CONNECTION_FAILED|CONNECTION_TIMEOUT)$/;

/** The homeserver as the bot and its ghosts see it: users, devices, and what is sent. Rooms are in `rooms.ts`. */
export class Homeserver {
  readonly botUserId: MatrixUserId;
  readonly #settings: MatrixSettings;
  readonly #transport: Transport;
  readonly #log: Log;
  readonly #bridge: Bridge;
  #initialised: Promise<void> | undefined;
  /** Whether the homeserver lets us act through a device; `start` finds out. */
  #hasDevices = false;
  /** Pings of the homeserver that came to us. */
  #pingsHeard = 0;

  constructor(deps: { settings: MatrixSettings; transport: Transport; log: Log }) {
    this.#settings = deps.settings;
    this.#transport = deps.transport;
    this.#log = deps.log;
    this.botUserId = matrixUserId(`@${deps.settings.botLocalpart}:${deps.settings.domain}`);
    // The library's log is one for the process. It is turned off: it would print bodies, and everything worth telling is
    // told by the transport.
    Logger.configure({ console: 'off' });
    this.#bridge = toBridge(deps.settings);
  }

  /** @throws BridgeError `matrix/badToken`, `matrix/wrongUser`. */
  async start(signal: AbortSignal): Promise<void> {
    const request = (wish: HomeserverRequest) => this.#transport.request(wish, signal);
    await request({ method: 'GET', path: '/_matrix/client/versions' });
    const found = await this.#whoAmI(request);
    await this.#register(this.botUserId);
    if (found === undefined) await this.#whoAmI(request);
    this.#hasDevices = await this.#findDevices();
    if (!this.#hasDevices) {
      this.#log.warn(
        'homeserver has no device masquerading: a message may be doubled if it restarts at the wrong time',
      );
    }
    const name = toProfileName(this.#settings.botDisplayName);
    if ((await this.getDisplayName(this.botUserId)) !== name) await this.setDisplayName(this.botUserId, name);
  }

  /** A ping of the homeserver has come to us, who holds its token. */
  hearPing(): void {
    this.#pingsHeard += 1;
  }

  async ping(): Promise<'reached' | 'unsupported'> {
    const heardBefore = this.#pingsHeard;
    const path = `/_matrix/client/v1/appservice/${encodeURIComponent(this.#settings.appserviceId)}/ping`;
    try {
      await this.#transport.request({ method: 'POST', path, body: {} });
      return 'reached';
    } catch (failure) {
      if (hasCode(failure, 'matrix/unrecognized') || hasCode(failure, 'matrix/notFound'))
        return 'unsupported';
      const errcode = failure instanceof BridgeError ? failure.facts.errcode : undefined;
      if (typeof errcode === 'string' && PING_FAILURE.test(errcode)) {
        // COMPAT Synapse 1.163 answers CONNECTION_FAILED to a ping that reached us while it repeats transactions: it stops a
        // timer that has run out (synapse/appservice/scheduler.py, force_retry). What came, came.
        if (this.#pingsHeard > heardBefore) return 'reached';
        throw matrixErrors.pingFailed({ errcode }, failure);
      }
      throw failure;
    }
  }

  async stop(): Promise<void> {
    this.#transport.stop();
    await this.#bridge.close();
  }

  /** A client that speaks for the bot or a ghost. Its `sendEvent` and `redactEvent` make up transaction ids: not for use. */
  async client(user: MatrixUserId): Promise<Client> {
    // Contacts no server: it only wires the library's parts together.
    this.#initialised ??= this.#bridge.initialise();
    await this.#initialised;
    const client = this.#bridge.getIntent(user).matrixClient;
    client.doRequest = (
      method: Method,
      path: string,
      query?: Record<string, string> | null,
      body?: JsonObject | null,
    ) =>
      this.#transport.request({
        method,
        path,
        ...this.#as(user),
        ...(query && { query }),
        ...(body && { body }),
      });
    return client;
  }

  async ensureGhost({ userId, displayName }: Parameters<MatrixSide['ensureGhost']>[0]): Promise<void> {
    await this.#register(userId);
    if (this.#hasDevices) await this.#putDevice(userId);
    if (displayName !== undefined) await this.setDisplayName(userId, displayName);
  }

  async setDisplayName(user: MatrixUserId, name: string): Promise<void> {
    const path = `${CLIENT}/profile/${encodeURIComponent(user)}/displayname`;
    await this.#transport.request({
      method: 'PUT',
      path,
      ...this.#as(user),
      body: { displayname: toProfileName(name) },
    });
  }

  async getDisplayName(user: MatrixUserId): Promise<string | undefined> {
    const path = `${CLIENT}/profile/${encodeURIComponent(user)}/displayname`;
    try {
      const { displayname } = await this.#transport.request({ method: 'GET', path });
      return typeof displayname === 'string' ? displayname : undefined;
    } catch (failure) {
      // A homeserver may keep a profile to itself: for us that is a user without a name.
      if (hasCode(failure, 'matrix/notFound') || hasCode(failure, 'matrix/forbidden')) return undefined;
      throw failure;
    }
  }

  async send({ room, as, type, content, txnId }: SendWish): Promise<EventId> {
    const path = `/send/${encodeURIComponent(type)}/${toWireTxnId(as, txnId)}`;
    return await this.#once(room, as, path, content);
  }

  async redact(wish: Parameters<MatrixSide['redact']>[0]): Promise<EventId> {
    const { room, as, reason } = wish;
    const path = `/redact/${encodeURIComponent(wish.eventId)}/${toWireTxnId(as, wish.txnId)}`;
    return await this.#once(room, as, path, reason === undefined ? {} : { reason });
  }

  async sendState({
    room,
    as,
    type,
    stateKey,
    content,
  }: Parameters<MatrixSide['sendState']>[0]): Promise<EventId> {
    const client = await this.client(as);
    return parseAnswer('event_id', () => client.sendStateEvent(room, type, stateKey, content), eventId);
  }

  async getMembers(room: RoomId): Promise<readonly Member[]> {
    const path = `${CLIENT}/rooms/${encodeURIComponent(room)}/joined_members`;
    const { joined } = await this.#transport.request({ method: 'GET', path });
    if (!isJsonObject(joined)) throw matrixErrors.badAnswer({ member: 'joined' });
    return Object.entries(joined).map(([user, profile]) => {
      const name = isJsonObject(profile) ? profile.display_name : undefined;
      return { user: memberId(user), ...(typeof name === 'string' ? { displayName: name } : {}) };
    });
  }

  async sendReadReceipt({
    room,
    as,
    eventId: event,
  }: Parameters<MatrixSide['sendReadReceipt']>[0]): Promise<void> {
    const path = `${CLIENT}/rooms/${encodeURIComponent(room)}/receipt/m.read/${encodeURIComponent(event)}`;
    await this.#transport.request({ method: 'POST', path, ...this.#as(as), body: {} });
  }

  async sendTyping({ room, as, forMs }: Parameters<MatrixSide['sendTyping']>[0]): Promise<void> {
    const path = `${CLIENT}/rooms/${encodeURIComponent(room)}/typing/${encodeURIComponent(as)}`;
    const body = forMs > 0 ? { typing: true, timeout: forMs } : { typing: false };
    await this.#transport.request({ method: 'PUT', path, ...this.#as(as), body });
  }

  async findEvent({
    room,
    eventId: event,
  }: Parameters<MatrixSide['findEvent']>[0]): Promise<RoomEvent | undefined> {
    const path = `${CLIENT}/rooms/${encodeURIComponent(room)}/event/${encodeURIComponent(event)}`;
    try {
      return parseRoomEvent({ ...(await this.#transport.request({ method: 'GET', path })), room_id: room });
    } catch (failure) {
      const isNotThere = ['matrix/notFound', 'matrix/forbidden', 'matrix/badEvent'].some((code) =>
        hasCode(failure, code),
      );
      if (isNotThere) return undefined;
      throw failure;
    }
  }

  #as(user: MatrixUserId): { as?: MatrixUserId } {
    return user === this.botUserId ? {} : { as: user };
  }

  async #once(room: RoomId, as: MatrixUserId, path: string, body: JsonObject): Promise<EventId> {
    // Synapse keeps (user, device, txnId) in its database for a day, but without a device only (path, appservice) in memory
    // (handlers/message.py, rest/client/transactions.py).
    const request: HomeserverRequest = {
      method: 'PUT',
      path: `${CLIENT}/rooms/${encodeURIComponent(room)}${path}`,
      // COMPAT Synapse 1.163: a device without user_id is an internal error, for the bot too.
      as,
      ...(this.#hasDevices ? { query: THROUGH_DEVICE } : {}),
      body,
    };
    const send = () =>
      parseAnswer('event_id', async () => (await this.#transport.request(request)).event_id, eventId);
    try {
      return await send();
    } catch (failure) {
      if (!hasCode(failure, 'matrix/unknownDevice')) throw failure;
      // Made before devices were in use, or taken away by the homeserver's admin.
      await this.#putDevice(as);
      return await send();
    }
  }

  async #whoAmI(
    request: (wish: HomeserverRequest) => Promise<JsonObject>,
  ): Promise<MatrixUserId | undefined> {
    let found: unknown;
    try {
      found = (await request({ method: 'GET', path: `${CLIENT}/account/whoami` })).user_id;
    } catch (failure) {
      // Some homeservers want the bot to be registered first.
      if (hasCode(failure, 'matrix/forbidden')) return undefined;
      throw failure;
    }
    if (found !== this.botUserId) {
      throw matrixErrors.wrongUser({ expected: this.botUserId, found: String(found).slice(0, 255) });
    }
    return this.botUserId;
  }

  async #register(user: MatrixUserId): Promise<void> {
    const username = user.slice(1, user.indexOf(':'));
    // MSC4190: without `inhibit_login`, homeservers that leave login to an OAuth server refuse.
    const body = { type: 'm.login.application_service', username, inhibit_login: true };
    try {
      await this.#transport.request({ method: 'POST', path: `${CLIENT}/register`, body });
    } catch (failure) {
      if (!hasCode(failure, 'matrix/userInUse')) throw failure;
    }
  }

  async #putDevice(user: MatrixUserId): Promise<void> {
    // MSC4190: an appservice makes a device by writing to it.
    const body = { display_name: DEVICE_NAME };
    await this.#transport.request({
      method: 'PUT',
      path: `${CLIENT}/devices/${DEVICE}`,
      ...this.#as(user),
      body,
    });
  }

  async #findDevices(): Promise<boolean> {
    try {
      await this.#putDevice(this.botUserId);
      const answer = await this.#transport.request({
        method: 'GET',
        path: `${CLIENT}/account/whoami`,
        as: this.botUserId,
        query: THROUGH_DEVICE,
      });
      return answer.device_id === DEVICE;
    } catch (failure) {
      // A homeserver that lets us make no device refuses in one way or another; trouble is passed on.
      if (failure instanceof BridgeError && failure.retry === 'never') return false;
      throw failure;
    }
  }
}

/**
 * Synapse takes two sends of one appservice with the same path for one, whoever the sender is, so the sender goes into the
 * transaction id. Hashed: any length, fit for a path, and the homeserver's log tells nothing by it.
 */
export function toWireTxnId(as: MatrixUserId, txnId: string): string {
  return createHash('sha256').update(`${as}\n${txnId}`).digest('base64url');
}

/** Runs a request of which one id is wanted, and checks it. @throws BridgeError `matrix/badAnswer`. */
export async function parseAnswer<Id>(
  member: string,
  ask: () => Promise<unknown>,
  parse: (text: string) => Id,
): Promise<Id> {
  const told = await ask();
  try {
    return parse(typeof told === 'string' ? told : '');
  } catch (cause) {
    throw matrixErrors.badAnswer({ member }, cause);
  }
}

/** @throws BridgeError `matrix/badAnswer`: a member left out would make a group look like a direct chat. */
function memberId(user: string): MatrixUserId {
  try {
    return matrixUserId(user);
  } catch (cause) {
    throw matrixErrors.badAnswer({ member: 'joined' }, cause);
  }
}

function toBridge(settings: MatrixSettings): Bridge {
  const registration = AppServiceRegistration.fromObject({
    id: settings.appserviceId,
    url: null,
    as_token: settings.asToken,
    hs_token: settings.hsToken,
    sender_localpart: settings.botLocalpart,
    namespaces: {},
  });
  if (registration === null) throw matrixErrors.refused({ reason: 'registration' });
  return new Bridge({
    homeserverUrl: settings.homeserverUrl,
    domain: settings.domain,
    registration,
    // Our ids are escaped already; what is stored is stored by the core; events come in by our own intake.
    escapeUserIds: false,
    disableStores: true,
    logRequestOutcome: false,
    controller: {
      onEvent: () => {
        /* never called: the library's listener is not opened */
      },
    },
  });
}
