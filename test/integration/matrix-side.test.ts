/** The whole Matrix side against a real Synapse. The sink keeps what it is given; everything else is real. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../src/ambient/clock.ts';
import {
  createMatrixSide,
  type MatrixSettings,
  type MatrixSide,
  type RoomEvent,
} from '../../src/matrix/matrix.ts';
import { registrationFor, registrationText } from '../../src/matrix/registration.ts';
import { hasCode } from '../../src/model/errors.ts';
import { contactId, type MatrixUserId, matrixUserId, networkId, type RoomId } from '../../src/model/ids.ts';
import { type Synapse, startSynapse } from '../../src/sandbox/synapse/synapse.ts';
import { openToolbox, toolsFolder } from '../../src/sandbox/toolbox/toolbox.ts';
import { RecordingLog } from '../doubles/recording-log.ts';

const NETWORK = networkId('gk');
const BOB = contactId('bob@gk.example');
const CAROL = contactId('carol@gk.example');

describe('the Matrix side on a real Synapse', () => {
  const received: RoomEvent[] = [];
  const asToken = randomBytes(16).toString('hex');
  const hsToken = randomBytes(16).toString('hex');
  const log = new RecordingLog();
  const signal = new AbortController().signal;
  let folder: string;
  let synapse: Synapse;
  let server: Server;
  let settings: MatrixSettings;
  let side: MatrixSide;
  let alice: Person;
  let ghost: MatrixUserId;
  let portal: RoomId;
  let takesIn = true;

  const newSide = (changes: Partial<MatrixSettings> = {}) =>
    createMatrixSide({
      settings: { ...settings, ...changes },
      // Waits for a creation under way are cut short: none is here.
      clock: { nowMs: systemClock.nowMs, sleep: () => systemClock.sleep(1) },
      log,
      sink: {
        store: async ({ events }) => {
          if (!takesIn) throw new Error('the store is away');
          received.push(...events);
        },
      },
    });
  const portalWish = () => ({
    aliasLocalpart: '_interop_portal_1',
    ghost,
    invite: alice.userId,
    topic: 'Encryption ends at the bridge',
    bridgeInfo: {
      protocol: { id: 'gk', displayname: 'Gatekeeper' },
      network: { id: 'gk', displayname: 'Gatekeeper' },
      channel: { id: BOB },
    },
    extraState: [{ type: 'org.drawbridge.e2ee_boundary', stateKey: '', content: { version: 1 } }],
  });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'matrix-side-'));
    server = createServer((request, response) => side.appserviceListener(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const secret = (value: string) => ({ reveal: () => value }) as never;
    const registration = registrationFor({
      homeserver: { domain: 'm.example' },
      appservice: {
        id: 'drawbridge',
        address: `http://127.0.0.1:${address.port}`,
        bot: { username: 'bridgebot' },
        ghost_prefix: '_interop_',
        as_token: secret(asToken),
        hs_token: secret(hsToken),
      },
    });
    const file = join(folder, 'registration.yaml');
    await writeFile(file, registrationText(registration));
    synapse = await startSynapse({
      toolbox: openToolbox({ folder: toolsFolder(env), env, progress: () => undefined }),
      dir: join(folder, 'synapse'),
      serverName: 'm.example',
      registrations: [file],
    });
    settings = {
      homeserverUrl: synapse.baseUrl,
      domain: 'm.example',
      appserviceId: 'drawbridge',
      botLocalpart: 'bridgebot',
      botDisplayName: 'Drawbridge',
      ghostPrefix: '_interop_',
      asToken,
      hsToken,
      maxBodyBytes: 1_000_000,
      requestTimeoutMs: 30_000,
    };
    side = newSide();
    await synapse.registerUser('alice', 'wonderland');
    alice = await logIn(synapse, 'alice', 'wonderland');
    ghost = side.ghostUserId(NETWORK, BOB);
  });

  after(async () => {
    await side?.stop();
    server?.closeAllConnections();
    server?.close();
    await synapse?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('a token that the homeserver does not know is told as such', async () => {
    const wrong = newSide({ asToken: 'nobody' });
    await assert.rejects(wrong.start(signal), (failure) => hasCode(failure, 'matrix/badToken'));
    await wrong.stop();
  });

  it("another appservice's token is told as such", async () => {
    const wrong = newSide({ botLocalpart: 'otherbot' });
    await assert.rejects(wrong.start(signal), (failure) => hasCode(failure, 'matrix/wrongUser'));
    await wrong.stop();
  });

  it('the start registers and names the bot, finds devices, and may be repeated', async () => {
    await side.start(signal);
    await side.start(signal);
    assert.equal(await side.getDisplayName(side.botUserId), 'Drawbridge');
    assert.deepEqual(atLevel('warn'), []);
  });

  it('the homeserver reaches the listener', async () => {
    assert.equal(await side.ping(), 'reached');
  });

  it('a ghost is registered once, with its name', async () => {
    await side.ensureGhost({ userId: ghost, displayName: 'Bob (Gatekeeper)' });
    await side.ensureGhost({ userId: ghost, displayName: undefined });
    assert.equal(await side.getDisplayName(ghost), 'Bob (Gatekeeper)');
  });

  it('a file is uploaded as the ghost in pieces and downloaded by its URI; one over the limit is not begun', async () => {
    const file = randomBytes(3_000_000);
    const source = async function* (bytes: number) {
      for (let start = 0; start < bytes; start += 100_001) yield file.subarray(start, start + 100_001);
    };
    const wish = { as: ghost, signal };
    const mxc = await side.uploadMedia({
      ...wish,
      file: { source: source(file.length), sizeBytes: file.length, contentType: 'video/mp4' },
    });
    const { body, sizeBytes, contentType } = await side.downloadMedia({ mxc, maxBytes: file.length, signal });
    assert.deepEqual([sizeBytes, contentType], [file.length, 'video/mp4']);
    const pieces: Uint8Array[] = [];
    for await (const piece of body) pieces.push(piece);
    assert.ok(Buffer.concat(pieces).equals(file));
    const tooLarge = { source: source(0), sizeBytes: 2 ** 40, contentType: 'video/mp4' };
    await assert.rejects(side.uploadMedia({ ...wish, file: tooLarge }), { code: 'matrix/fileTooLarge' });
    const missing = side.downloadMedia({ mxc: `${mxc}x`, maxBytes: 1, signal });
    await assert.rejects(missing, { code: 'matrix/notFound' });
  });

  it('a portal room is made once, however often it is asked for', async () => {
    portal = await side.createPortalRoom(portalWish());
    assert.equal(await side.createPortalRoom(portalWish()), portal);
  });

  it('the invite comes from the ghost and calls the room a direct chat', async () => {
    const invite = await alice.invitedTo(portal);
    assert.deepEqual(
      [invite.sender, invite.content.membership, invite.content.is_direct],
      [ghost, 'invite', true],
    );
  });

  it('the room tells what it is: bridge, service members, topic, boundary', async () => {
    await alice.call('POST', `/join/${encodeURIComponent(portal)}`, {});
    const state = await alice.state(portal);
    const of = (type: string) => state.find((event) => event.type === type)?.content;
    const { protocol, network, channel } = portalWish().bridgeInfo;
    assert.deepEqual(of('m.bridge'), { bridgebot: side.botUserId, protocol, network, channel });
    assert.deepEqual(of('uk.half-shot.bridge'), of('m.bridge'));
    assert.deepEqual(of('io.element.functional_members'), { service_members: [side.botUserId] });
    assert.equal(of('m.room.topic')?.topic, 'Encryption ends at the bridge');
    assert.deepEqual(of('org.drawbridge.e2ee_boundary'), { version: 1 });
    assert.equal(of('m.room.name'), undefined);
  });

  it('only the bot has power over the room', async () => {
    const refused = { membership: 'leave' };
    for (const user of [ghost, side.botUserId]) {
      const { status } = await alice.try('PUT', statePath(portal, 'm.room.member', user), refused);
      assert.equal(status, 403);
    }
    const { status } = await alice.try('PUT', statePath(portal, 'm.room.topic', ''), { topic: 'mine' });
    assert.equal(status, 403);
    await side.sendState({
      room: portal,
      as: side.botUserId,
      type: 'm.room.topic',
      stateKey: '',
      content: { topic: 'b' },
    });
  });

  it('an alias whose room the bot has left is given to a new room', async () => {
    const wish = { ...portalWish(), aliasLocalpart: '_interop_portal_2' };
    const first = await side.createPortalRoom(wish);
    await side.leave({ room: first, as: side.botUserId });
    await side.leave({ room: first, as: side.botUserId });
    const second = await side.createPortalRoom(wish);
    assert.notEqual(second, first);
    assert.equal(await side.createPortalRoom(wish), second);
  });

  it('a management room is made once and invites as a direct chat', async () => {
    const room = await side.createManagementRoom(alice.userId);
    assert.equal(await side.createManagementRoom(alice.userId), room);
    // Told by the homeserver to us: Synapse gives a person's first sync from a cache for two minutes.
    const isInvite = (event: RoomEvent) => event.room_id === room && event.state_key === alice.userId;
    const invite = await waitFor(() => received.find(isInvite));
    assert.deepEqual([invite.sender, invite.content.is_direct], [side.botUserId, true]);
    await alice.call('POST', `/join/${encodeURIComponent(room)}`, {});
    const members = (await side.getMembers(room)).map((member) => member.user);
    assert.deepEqual(members.toSorted(), [alice.userId, side.botUserId].toSorted());
  });

  it('the same transaction id gives the same event', async () => {
    const wish = message('once', 'txn-1');
    assert.equal(await side.send(wish), await side.send(wish));
  });

  it('two sends at the same time with one transaction id give one event', async () => {
    const wish = message('at once', 'txn-2');
    const [one, other] = await Promise.all([side.send(wish), side.send(wish)]);
    assert.equal(one, other);
  });

  it('two ghosts in one room may use one transaction id', async () => {
    const carol = side.ghostUserId(NETWORK, CAROL);
    await side.ensureGhost({ userId: carol, displayName: 'Carol (Gatekeeper)' });
    await side.join({ room: portal, as: carol });
    const mine = await side.send(message('mine', 'txn-3'));
    assert.notEqual(await side.send({ ...message('mine', 'txn-3'), as: carol }), mine);
    assert.deepEqual([await alice.senderOf(portal, mine)], [ghost]);
    await side.leave({ room: portal, as: carol, reason: 'done' });
  });

  it('a ghost whose device was taken away sends all the same, once', async () => {
    await alice.asAppservice('DELETE', '/devices/DRAWBRIDGE', asToken, ghost);
    const wish = message('without a device', 'txn-4');
    assert.equal(await side.send(wish), await side.send(wish));
  });

  it('one redaction for one transaction id', async () => {
    const event = await side.send(message('regretted', 'txn-5'));
    const wish = { room: portal, as: ghost, eventId: event, txnId: 'txn-6' };
    assert.equal(await side.redact(wish), await side.redact(wish));
  });

  it('pinning adds at the end and never twice', async () => {
    const first = await side.send(message('a', 'txn-7'));
    const second = await side.send(message('b', 'txn-8'));
    for (const eventId of [first, second, first])
      await side.pin({ room: portal, as: side.botUserId, eventId });
    const state = await alice.state(portal);
    const pinned = state.find((event) => event.type === 'm.room.pinned_events')?.content;
    assert.deepEqual(pinned, { pinned: [first, second] });
  });

  it('an event above the size that Matrix allows is refused by name', async () => {
    const wish = message('x'.repeat(70_000), 'txn-9');
    await assert.rejects(side.send(wish), (failure) => hasCode(failure, 'matrix/tooLarge'));
  });

  it('each part of a very long text fits into an event', async () => {
    const words = '"\u0001 ä 😀 '.repeat(20_000);
    const parts = side.toEventContents({ kind: 'text', body: words, ranges: [] }, '');
    assert.ok(parts.length > 1);
    assert.equal(parts.map((part) => part.body).join(''), words);
    for (const [part, content] of parts.entries()) {
      await side.send({ room: portal, as: ghost, type: 'm.room.message', content, txnId: `txn-10.${part}` });
    }
  });

  it('the same transaction id gives the same event after the homeserver was restarted', async () => {
    const wish = message('durable', 'txn-11');
    const sent = await side.send(wish);
    await synapse.restart();
    assert.equal(await side.send(wish), sent);
  });

  it('what a person writes reaches the sink', async () => {
    await alice.call('PUT', `/rooms/${encodeURIComponent(portal)}/send/m.room.message/1`, {
      msgtype: 'm.text',
      body: 'hello bridge',
    });
    const event = await waitFor(() => received.find(({ content }) => content.body === 'hello bridge'));
    assert.deepEqual(side.fromRoomEvent(event), {
      tone: 'plain',
      content: { kind: 'text', body: 'hello bridge', ranges: [] },
    });
    assert.equal(event.sender, alice.userId);
  });

  it('what could not be stored comes again, once the store is back', async () => {
    takesIn = false;
    await alice.call('PUT', `/rooms/${encodeURIComponent(portal)}/send/m.room.message/2`, {
      msgtype: 'm.text',
      body: 'patience',
    });
    await waitFor(() => atLevel('error').find(({ facts }) => facts.code === 'internal/unexpected'));
    assert.equal(received.filter(({ content }) => content.body === 'patience').length, 0);
    takesIn = true;
    // The ping makes Synapse try again at once.
    await side.ping();
    await waitFor(() => received.find(({ content }) => content.body === 'patience'));
    assert.equal(received.filter(({ content }) => content.body === 'patience').length, 1);
  });

  it('a homeserver that is not there is unreachable, and nothing has arrived', async () => {
    await synapse.stop();
    await assert.rejects(side.send(message('lost', 'txn-12')), (failure) => {
      assert.ok(hasCode(failure, 'matrix/homeserverUnreachable'));
      return failure.arrived === 'no' && failure.retry === 'later';
    });
  });

  it('no token was logged', () => {
    const told = JSON.stringify(log.entries.map(({ message, facts }) => [message, facts]));
    assert.ok(!told.includes(asToken) && !told.includes(hsToken) && !told.includes('hello bridge'));
  });

  function atLevel(level: string) {
    return log.entries.filter((entry) => entry.level === level);
  }

  function message(body: string, txnId: string) {
    return { room: portal, as: ghost, type: 'm.room.message', content: { msgtype: 'm.text', body }, txnId };
  }
});

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

/** A person with a client of few words. */
class Person {
  readonly userId: MatrixUserId;
  readonly #base: string;
  readonly #token: string;

  constructor(base: string, answer: Record<string, unknown>) {
    this.#base = base;
    this.userId = matrixUserId(String(answer.user_id));
    this.#token = String(answer.access_token);
  }

  try(method: string, path: string, body?: unknown): Promise<Answer> {
    return call(this.#base, method, path, this.#token, body);
  }

  async call(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const answer = await this.try(method, path, body);
    assert.equal(answer.status, 200, `${method} ${path}`);
    return answer.body;
  }

  async asAppservice(method: string, path: string, token: string, user: string): Promise<void> {
    const { status } = await call(
      this.#base,
      method,
      `${path}?user_id=${encodeURIComponent(user)}`,
      token,
      {},
    );
    assert.equal(status, 200);
  }

  async state(room: RoomId): Promise<RoomEvent[]> {
    return (await this.call('GET', `/rooms/${encodeURIComponent(room)}/state`)) as unknown as RoomEvent[];
  }

  async senderOf(room: RoomId, event: string): Promise<unknown> {
    const path = `/rooms/${encodeURIComponent(room)}/event/${encodeURIComponent(event)}`;
    return (await this.call('GET', path)).sender;
  }

  async invitedTo(room: RoomId): Promise<RoomEvent> {
    const sync = (await this.call('GET', '/sync?timeout=0')) as {
      rooms?: {
        invite?: Record<string, { invite_state: { events: (RoomEvent & { state_key: string })[] } }>;
      };
    };
    const events = sync.rooms?.invite?.[room]?.invite_state.events ?? [];
    const invite = events.find((event) => event.type === 'm.room.member' && event.state_key === this.userId);
    assert.ok(invite, 'there is no invite');
    return invite;
  }
}

/** Asks until there is an answer, for half a minute at most. */
async function waitFor<T>(ask: () => T | undefined): Promise<T> {
  const endMs = Date.now() + 30_000;
  for (;;) {
    const found = ask();
    if (found !== undefined) return found;
    assert.ok(Date.now() < endMs, 'it did not come about in half a minute');
    await systemClock.sleep(20);
  }
}

function statePath(room: RoomId, type: string, key: string): string {
  return `/rooms/${encodeURIComponent(room)}/state/${type}/${encodeURIComponent(key)}`;
}

async function logIn(synapse: Synapse, user: string, password: string): Promise<Person> {
  const identifier = { type: 'm.id.user', user };
  const { body } = await call(synapse.baseUrl, 'POST', '/login', undefined, {
    type: 'm.login.password',
    identifier,
    password,
  });
  return new Person(synapse.baseUrl, body);
}

async function call(
  base: string,
  method: string,
  path: string,
  token: string | undefined,
  body?: unknown,
): Promise<Answer> {
  const response = await fetch(`${base}/_matrix/client/v3${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
