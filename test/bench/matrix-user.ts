/**
 * A Matrix user with the thinnest of clients: requests and one sync loop. What a full client does besides would be
 * measured as the homeserver's.
 */
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Clock } from '../../src/model/ambient.ts';
import { EventLog } from '../../src/sandbox/phone/event-log.ts';
import type { Synapse } from '../../src/sandbox/synapse/synapse.ts';

/** `atMs`: when the sync that brought it was read, by `performance.now()`. */
export type UserMessage = Readonly<{
  kind: 'message';
  room: string;
  sender: string;
  eventId: string;
  body: string;
  atMs: number;
}>;

type TimelineEvent = Readonly<{
  type: string;
  sender: string;
  event_id: string;
  content: Readonly<{ body?: string }>;
}>;
type Timeline = Readonly<{ events: readonly TimelineEvent[]; limited?: boolean; prev_batch?: string }>;
type SyncAnswer = Readonly<{
  next_batch: string;
  rooms?: Readonly<{
    join?: Readonly<Record<string, Readonly<{ timeline: Timeline }>>>;
    invite?: Readonly<Record<string, unknown>>;
  }>;
}>;

const PASSWORD = 'bench';
const POLL_MS = 20_000;
/** Without presence, receipts and typing; as many events as Synapse gives at once. */
const FILTER = JSON.stringify({
  presence: { types: [] },
  account_data: { types: [] },
  room: {
    timeline: { limit: 100, types: ['m.room.message'] },
    state: { types: [] },
    ephemeral: { types: [] },
    account_data: { types: [] },
  },
});

export class MatrixUser {
  readonly userId: string;
  readonly log: EventLog<UserMessage>;
  readonly #baseUrl: string;
  readonly #token: string;
  readonly #leaving = new AbortController();
  #syncing: Promise<void> = Promise.resolve();

  private constructor(options: { userId: string; baseUrl: string; token: string; clock: Clock }) {
    this.userId = options.userId;
    this.#baseUrl = options.baseUrl;
    this.#token = options.token;
    this.log = new EventLog(options.clock);
  }

  /** Registers, logs in, syncs; accepts every invitation from then on. */
  static async arrive(synapse: Synapse, localpart: string, clock: Clock): Promise<MatrixUser> {
    await synapse.registerUser(localpart, PASSWORD);
    const response = await fetch(`${synapse.baseUrl}/_matrix/client/v3/login`, {
      method: 'POST',
      body: JSON.stringify({
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: localpart },
        password: PASSWORD,
      }),
    });
    const { user_id: userId, access_token: token } = (await response.json()) as Record<string, string>;
    if (userId === undefined || token === undefined) throw new Error(`login answered ${response.status}`);
    const user = new MatrixUser({ userId, baseUrl: synapse.baseUrl, token, clock });
    const since = await user.#sync(undefined);
    user.#syncing = user.#syncOn(since);
    return user;
  }

  /** @returns the room. */
  async createRoom(invite: string, direct: boolean): Promise<string> {
    const wish = { invite: [invite], is_direct: direct, preset: 'trusted_private_chat' };
    const { room_id: room } = await this.#call<{ room_id: string }>('POST', '/createRoom', wish);
    return room;
  }

  /** Sends a text. @returns its event id. */
  async say(room: string, body: string): Promise<string> {
    return await this.#send(room, 'm.room.message', { msgtype: 'm.text', body });
  }

  async react(room: string, eventId: string, key: string): Promise<void> {
    const relation = { rel_type: 'm.annotation', event_id: eventId, key };
    await this.#send(room, 'm.reaction', { 'm.relates_to': relation });
  }

  /** The first message, past or future, that satisfies `wanted`. */
  async see(wanted: (message: UserMessage) => boolean, timeoutMs = 60_000): Promise<UserMessage> {
    try {
      return await this.log.waitFor(wanted, timeoutMs);
    } catch (cause) {
      const last = this.log.all.slice(-5).map(({ sender, body }) => `${sender}: ${body}`);
      throw new Error(`${this.userId} waited in vain; seen last:\n${last.join('\n')}`, { cause });
    }
  }

  async leave(): Promise<void> {
    this.#leaving.abort();
    await this.#syncing;
  }

  async #send(room: string, type: string, content: unknown): Promise<string> {
    const txn = randomBytes(8).toString('hex');
    const path = `/rooms/${encodeURIComponent(room)}/send/${type}/${txn}`;
    const { event_id: eventId } = await this.#call<{ event_id: string }>('PUT', path, content);
    return eventId;
  }

  async #syncOn(first: string): Promise<void> {
    let since = first;
    while (!this.#leaving.signal.aborted) {
      try {
        since = await this.#sync(since);
      } catch (failure) {
        if (!this.#leaving.signal.aborted) throw failure;
      }
    }
  }

  async #sync(since: string | undefined): Promise<string> {
    const query = new URLSearchParams({ filter: FILTER });
    if (since !== undefined) {
      query.set('since', since);
      query.set('timeout', String(POLL_MS));
    }
    const answer = await this.#call<SyncAnswer>('GET', `/sync?${query}`);
    const atMs = performance.now();
    for (const room of Object.keys(answer.rooms?.invite ?? {})) {
      await this.#call('POST', `/join/${encodeURIComponent(room)}`, {});
    }
    for (const [room, { timeline }] of Object.entries(answer.rooms?.join ?? {})) {
      const missed =
        timeline.limited && since !== undefined ? await this.#readGap(room, timeline, since) : [];
      for (const event of [...missed, ...timeline.events]) this.#see(room, event, atMs);
    }
    return answer.next_batch;
  }

  /** What a sync left out between the last one and its timeline, oldest first. */
  async #readGap(room: string, timeline: Timeline, since: string): Promise<TimelineEvent[]> {
    const found: TimelineEvent[] = [];
    let from = timeline.prev_batch;
    while (from !== undefined) {
      const query = new URLSearchParams({ dir: 'b', limit: '100', from, to: since });
      const path = `/rooms/${encodeURIComponent(room)}/messages?${query}`;
      const page = await this.#call<{ chunk: TimelineEvent[]; end?: string }>('GET', path);
      found.push(...page.chunk);
      from = page.chunk.length === 0 ? undefined : page.end;
    }
    return found.reverse();
  }

  #see(room: string, event: TimelineEvent, atMs: number): void {
    if (event.type !== 'm.room.message') return;
    const { sender, event_id: eventId, content } = event;
    this.log.push({ kind: 'message', room, sender, eventId, body: content.body ?? '', atMs });
  }

  async #call<Answer>(method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${this.#baseUrl}/_matrix/client/v3${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(path.startsWith('/sync') ? { signal: this.#leaving.signal } : {}),
    });
    if (!response.ok) throw new Error(`${method} ${path.split('?')[0]} answered ${response.status}`);
    return (await response.json()) as Answer;
  }
}
