/** A homeserver that fails in the ways that homeservers do: what comes from the network gets there once, and in order. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { NetworkLane } from '../../../src/bridge/network-lane.ts';
import { HealthFlag } from '../../../src/http/health-flag.ts';
import { keepAsking } from '../../../src/http/keep-asking.ts';
import { createMatrixSide, type MatrixSide } from '../../../src/matrix/matrix.ts';
import type { RoomId } from '../../../src/model/ids.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { BridgeWorld } from './world/bridge-world.ts';
import type { Contact } from './world/contact.ts';
import { type CoreParts, coreParts } from './world/core-parts.ts';

type Answer = (response: ServerResponse, arrive: () => void) => void;

const refusal = (status: number, body: object) => (response: ServerResponse) =>
  void response.writeHead(status).end(JSON.stringify(body));

describe('a homeserver that fails', () => {
  let world: BridgeWorld;
  let account: Account;
  let contact: Contact;
  let room: RoomId;
  let core: CoreParts;
  let server: Server;
  let port = 0;
  let matrix: MatrixSide;
  /** Answers to the next requests; then all is well. */
  let answers: Answer[];
  /** What stands in the room: body by path, in order. */
  let arrived: Map<string, string>;
  let requests: string[];

  const listen = async () => {
    server = createServer((request, response) => void serve(request, response));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  };
  const close = async () => {
    server.closeAllConnections();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    let text = '';
    for await (const piece of request) text += String(piece);
    const path = request.url ?? '';
    requests.push(path);
    const arrive = () => {
      const { body } = JSON.parse(text) as { body?: string };
      if (!arrived.has(path)) arrived.set(path, body ?? '');
    };
    const answer = answers.shift();
    if (answer !== undefined) return answer(response, arrive);
    arrive();
    response.end(JSON.stringify({ event_id: `$${arrived.size}` }));
  };

  beforeEach(async () => {
    answers = [];
    arrived = new Map();
    requests = [];
    port = 0;
    await listen();
    world = await BridgeWorld.create();
    matrix = createMatrixSide({
      settings: {
        homeserverUrl: `http://127.0.0.1:${port}`,
        domain: world.parts.matrix.domain,
        appserviceId: 'drawbridge',
        botLocalpart: 'bridge',
        botDisplayName: 'Bridge',
        ghostPrefix: '_interop_',
        asToken: 'a'.repeat(32),
        hsToken: 'h'.repeat(32),
        maxBodyBytes: 1_000_000,
        requestTimeoutMs: 250,
      },
      sink: { store: async () => undefined },
      clock: world.clock,
      log: world.log,
    });
    account = await world.enlisted();
    contact = world.contact();
    room = await world.portal(account, contact.jid);
    core = coreParts(world, { ...world.parts, matrix: { ...world.parts.matrix, send: matrix.send } });
    await core.links.open(account.id);
  });
  afterEach(async () => {
    await matrix.stop();
    await close();
    await world.close();
  });

  const step = async () => await core.networkLane.step(NetworkLane.nameOf(account.id, contact.jid));
  const write = async (...texts: string[]) => {
    const { enlistment } = account;
    assert.ok(enlistment !== undefined);
    for (const text of texts) {
      const stanza = await contact.write(enlistment.jid, text);
      await world.gatekeeper.links.get(account.id)?.arrive(contact.jid, stanza);
    }
  };
  const work = async () =>
    await world.exhaust(
      () => core,
      async () => await step(),
    );
  /** Steps until the homeserver is asked, and gives what the lane does after the answer. */
  const afterAnswer = async () => {
    for (let steps = 0; steps < 10; steps += 1) {
      const result = await step();
      if (typeof result === 'object') return result.notBeforeMs - world.clock.nowMs();
    }
    return assert.fail('the lane does not wait');
  };
  const BACKLOG = ['one', 'two', 'three', 'four'];

  it('and says for how long to wait is obeyed to the millisecond', async () => {
    answers = [refusal(429, { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 77_000 })];
    await write(...BACKLOG);
    assert.equal(await afterAnswer(), 77_000);
    const before = requests.length;
    world.clock.advance(76_999);
    await step();
    assert.equal(requests.length, before, 'asked again too early');
    await work();
    assert.deepEqual([...arrived.values()], BACKLOG);
  });

  for (const [what, answer, isThere] of [
    ['answers 500', refusal(500, { errcode: 'M_UNKNOWN' }), false],
    [
      'answers 502 with a page of a proxy',
      (response: ServerResponse) => void response.writeHead(502).end('<html>'),
      false,
    ],
    ['does not answer in time', (_response: ServerResponse, arrive: () => void) => arrive(), true],
    [
      'takes it and breaks the connection',
      (response: ServerResponse, arrive: () => void) => {
        arrive();
        response.socket?.destroy();
      },
      true,
    ],
    ['breaks the connection at once', (response: ServerResponse) => void response.socket?.destroy(), false],
    ['does not know our token for a while', refusal(401, { errcode: 'M_UNKNOWN_TOKEN' }), false],
  ] as const) {
    it(`and ${what} is asked again with growing pauses; the backlog comes once and in order`, async () => {
      answers = [answer, answer, answer];
      await write(...BACKLOG);
      const waited: number[] = [];
      for (let failures = 0; failures < 3; failures += 1) {
        waited.push(await afterAnswer());
        world.clock.advance(waited.at(-1) ?? 0);
      }
      for (const [index, ms] of waited.entries()) {
        assert.ok(ms >= 500 * 2 ** index && ms <= 1_000 * 2 ** index, `${ms} after failure ${index + 1}`);
      }
      assert.equal(arrived.size, isThere ? 1 : 0);
      assert.equal(new Set(requests).size, 1, 'each time under the same id, and nothing overtook it');
      await work();
      assert.deepEqual([...arrived.values()], BACKLOG);
    });
  }

  it('and is away for a restart gets the backlog when it is back', async () => {
    await close();
    await write(...BACKLOG);
    for (let tries = 0; tries < 4; tries += 1) world.clock.advance(await afterAnswer());
    assert.deepEqual(requests, []);
    await listen();
    await work();
    assert.deepEqual([...arrived.values()], BACKLOG);
    assert.ok(room !== undefined);
  });

  it('and refuses our token is not well, by its code, and is asked again until it takes it', async () => {
    const refused: Answer = refusal(401, { errcode: 'M_UNKNOWN_TOKEN' });
    answers = [(response) => void response.end('{}'), refused, refused];
    const flag = new HealthFlag('homeserver', world.clock);
    const asking = keepAsking({
      ask: async () => await matrix.ping(),
      flag,
      everyMs: 300_000,
      againMs: 15_000,
      failed: 'homeserver does not reach the bridge',
      clock: world.clock,
      log: world.log,
    });
    await world.until(() => flag.read().ok);
    world.clock.advance(300_000);
    await world.until(() => !flag.read().ok);
    assert.equal(flag.read().code, 'matrix/badToken');
    world.clock.advance(15_000);
    await world.until(() => requests.length === 3);
    await world.until(() => {
      const warned = world.log.entries.filter(
        ({ message }) => message === 'homeserver does not reach the bridge',
      );
      return warned.length === 2 && warned.every(({ level }) => level === 'warn');
    });
    // The answer of the ping is what makes Synapse push at once again (MSC2659): it is asked soon, not in five minutes.
    world.clock.advance(15_000);
    await world.until(() => flag.read().ok);
    assert.ok(requests.every((path) => path.endsWith('/appservice/drawbridge/ping')));
    await asking.stop();
  });
});
