import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { Router } from 'express';
import { systemClock } from '../../../src/ambient/clock.ts';
import { createHttp, type HttpDeps, type HttpLimits, type ResourceName } from '../../../src/http/http.ts';
import { defineErrors, hasCode } from '../../../src/model/errors.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { get, open, until } from './http-client.ts';

const errors = defineErrors('probe', {
  broken: { retry: 'never', arrived: 'no', notice: 'internal' },
  away: { retry: 'later', arrived: 'no', notice: 'internal' },
});

function routerFor(name: string): Router {
  const router = Router();
  router.all(`/${name}`, (_request, response) => {
    response.json({ from: name });
  });
  return router;
}

const appservice: RequestListener = (request, response) => {
  response.end(JSON.stringify({ from: 'appservice', url: request.url }));
};

async function startHttp(changes: {
  resources?: Partial<HttpDeps['resources']>;
  listeners?: readonly (readonly ResourceName[])[];
  limits?: Partial<HttpLimits>;
}) {
  const log = new RecordingLog();
  const named = changes.listeners ?? [['appservice', 'public', 'health', 'metrics']];
  const http = createHttp({
    listeners: named.map((resources) => ({ bindAddress: '127.0.0.1', port: 0, resources })),
    resources: {
      appservice,
      public: routerFor('public'),
      health: routerFor('health'),
      metrics: routerFor('metrics'),
      ...changes.resources,
    },
    log,
    clock: systemClock,
    limits: { timeoutCheckMs: 20, ...changes.limits },
  });
  const ports = await http.start();
  const [port = 0] = ports;
  return { http, log, port, ports, [Symbol.asyncDispose]: async () => await http.stop(0) };
}

test('each resource is answered on the listener that names it, and on no other', async () => {
  await using world = await startHttp({ listeners: [['appservice'], ['public'], ['health', 'metrics']] });
  const answered = async (port: number, path: string) => (await get(port, path)).status;
  const paths = ['/_matrix/app/v1/users/x', '/public', '/health', '/metrics'];
  const table = await Promise.all(
    world.ports.map(async (port) => await Promise.all(paths.map(async (path) => await answered(port, path)))),
  );
  assert.deepEqual(table, [
    [200, 404, 404, 404],
    [404, 200, 404, 404],
    [404, 404, 200, 200],
  ]);
});

test('the appservice gets its own paths whole and no others, beside other resources', async () => {
  await using world = await startHttp({});
  for (const path of [
    '/_matrix/app/v1/transactions/1?a=b',
    '/transactions/1',
    '/users/%40x%3Ay',
    '/rooms/x',
  ]) {
    assert.deepEqual(JSON.parse((await get(world.port, path)).text), { from: 'appservice', url: path });
  }
  assert.deepEqual((await get(world.port, '/public')).json, { from: 'public' });
  assert.equal((await get(world.port, '/usersx')).status, 404);
});

test('an unknown path is answered in JSON, and nothing says what serves it', async () => {
  await using world = await startHttp({});
  const { status, json, headers } = await get(world.port, '/wp-login.php?x=%ff');
  assert.equal(status, 404);
  assert.deepEqual(json, { error: 'not_found', message: 'There is nothing here.' });
  assert.equal(headers.get('x-powered-by'), null);
  assert.equal(headers.get('server'), null);
});

test('a target that is no URL is answered in JSON by us, not by the web framework', async () => {
  await using world = await startHttp({});
  const { socket, closed } = await open(world.port);
  socket.write('GET http://[ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const answer = await closed;
  assert.match(answer, /^HTTP\/1\.1 400 /);
  assert.match(answer, /\{"error":"bad_request","message":"The request cannot be understood\."\}$/);
});

for (const [what, failure, status, error] of [
  ['a failure that passes', errors.away({ why: 'hunter2' }), 503, 'unavailable'],
  ['a failure of ours', errors.broken({ why: 'hunter2' }), 500, 'internal'],
  ['a foreign failure', new Error('hunter2'), 500, 'internal'],
  ['a thrown text', 'hunter2', 500, 'internal'],
] as const) {
  test(`${what} is answered by a code without details, and logged without the path, thrown or rejected`, async () => {
    const thrown = Router().get('/fails', () => {
      throw failure;
    });
    const rejected = (async () => await Promise.reject(failure)) as unknown as RequestListener;
    await using world = await startHttp({ resources: { public: thrown, appservice: rejected } });
    for (const path of ['/fails?token=hunter2', '/users/hunter2']) {
      const got = await get(world.port, path);
      assert.equal(got.status, status);
      assert.equal((got.json as { error: string }).error, error);
      assert.doesNotMatch(got.text, /hunter2|at .*\.ts/);
    }
    const logged = world.log.entries.filter((entry) => entry.message === 'http request failed');
    assert.deepEqual(
      logged.map((entry) => entry.facts),
      [
        { method: 'GET', status },
        { method: 'GET', status },
      ],
    );
    assert.equal(logged[0]?.cause, failure);
  });
}

test('a failure after the headers cuts the connection instead of pretending an end', async () => {
  const router = Router().get('/fails', (_request, response, next) => {
    response.writeHead(200, { 'Content-Length': 10 });
    response.write('12345', () => next(new Error('late')));
  });
  await using world = await startHttp({ resources: { public: router } });
  await assert.rejects(get(world.port, '/fails'));
});

test('a broken escape in a path is refused or unknown, not a failure', async () => {
  const router = Router().get('/item/:id', (_request, response) => void response.end('ok'));
  await using world = await startHttp({ resources: { public: router } });
  assert.equal((await get(world.port, '/item/%ff')).status, 400);
  assert.equal(world.log.entries.filter((entry) => entry.level === 'error').length, 0);
});

test('headers above the limit are refused with 431 and the connection is closed', async () => {
  await using world = await startHttp({});
  const { socket, closed } = await open(world.port);
  socket.write(`GET /public HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(20_000)}\r\n\r\n`);
  assert.match(await closed, /^HTTP\/1\.1 431 /);
});

test('a body above the limit is refused with 413 and the connection is closed, declared or not', async () => {
  await using world = await startHttp({ limits: { bodyBytes: 1_000 } });
  const head = 'POST /public HTTP/1.1\r\nHost: x\r\n';
  const declared = await open(world.port);
  declared.socket.write(`${head}Content-Length: 5000000000\r\n\r\n`);
  assert.match(await declared.closed, /^HTTP\/1\.1 413 [\s\S]*"too_large"/);
  const chunked = await open(world.port);
  chunked.socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n7d0\r\n${'a'.repeat(2_000)}\r\n`);
  assert.match(await chunked.closed, /^HTTP\/1\.1 413 [\s\S]*"too_large"/);
});

test('a body within the limit is no hindrance, and the connection serves the next request', async () => {
  await using world = await startHttp({ limits: { bodyBytes: 1_000 } });
  const { socket, received } = await open(world.port);
  socket.write(`POST /public HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n${'a'.repeat(1_000)}`);
  await until(() => received().includes('"public"'));
  socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => received().includes('"health"'));
  socket.destroy();
});

test('the body of the appservice is left to it', async () => {
  const counting: RequestListener = (request, response) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => response.end(String(bytes)));
  };
  await using world = await startHttp({ resources: { appservice: counting }, limits: { bodyBytes: 1_000 } });
  const init = { method: 'PUT', body: 'a'.repeat(300_000) };
  assert.equal((await get(world.port, '/_matrix/app/v1/transactions/1', init)).text, '300000');
});

for (const [what, bytes] of [
  ['nothing', ''],
  ['a header that never ends', 'GET /public HTTP/1.1\r\nHost: x\r\nX-Slow: '],
] as const) {
  test(`a client that sends ${what} is cut after the time for headers`, async () => {
    await using world = await startHttp({ limits: { headersTimeoutMs: 100, requestTimeoutMs: 200 } });
    const { socket, closed } = await open(world.port);
    socket.write(bytes);
    const trickle = setInterval(() => bytes !== '' && socket.writable && socket.write('a'), 20);
    try {
      assert.match(await closed, /^(HTTP\/1\.1 408 [\s\S]*)?$/);
    } finally {
      clearInterval(trickle);
    }
  });
}

test('a client whose body never ends is cut after the time for requests', async () => {
  await using world = await startHttp({ limits: { headersTimeoutMs: 100, requestTimeoutMs: 200 } });
  const { socket, closed } = await open(world.port);
  socket.write('POST /public HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n');
  const trickle = setInterval(() => socket.writable && socket.write('a'), 20);
  try {
    assert.match(await closed, /^(HTTP\/1\.1 408 [\s\S]*)?$/);
  } finally {
    clearInterval(trickle);
  }
});

test('a client that does not read its answer is cut', async () => {
  const router = Router().get('/big', (_request, response) => {
    response.end(Buffer.alloc(50_000_000));
  });
  await using world = await startHttp({ resources: { public: router }, limits: { silenceTimeoutMs: 150 } });
  const { socket, closed } = await open(world.port);
  socket.pause();
  socket.write('GET /big HTTP/1.1\r\nHost: x\r\n\r\n');
  await systemClock.sleep(400);
  socket.resume();
  assert.ok((await closed).length < 50_000_000);
});

test('connections above the limit are refused, and the log is told once', async () => {
  await using world = await startHttp({ limits: { connections: 1 } });
  const first = await open(world.port);
  for (let more = 0; more < 3; more++) assert.equal(await (await open(world.port)).closed, '');
  assert.equal(world.log.entries.filter((entry) => entry.level === 'warn').length, 1);
  first.socket.destroy();
});

test('a port in use is told with address, port and reason, and no listener stays open', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const log = new RecordingLog();
  const router = Router();
  const http = createHttp({
    listeners: [
      { bindAddress: '127.0.0.1', port: 0, resources: ['health'] },
      { bindAddress: '127.0.0.1', port, resources: ['public'] },
    ],
    resources: { appservice, public: router, health: router, metrics: router },
    log,
    clock: systemClock,
  });
  await assert.rejects(http.start(), (failure) => {
    assert.ok(hasCode(failure, 'http/cannotListen'));
    assert.deepEqual(failure.facts, { address: '127.0.0.1', port, why: 'EADDRINUSE' });
    return true;
  });
  other.close();
  await once(other, 'close');
  await http.stop();
});

test('an address that is not of this machine is told as such', async () => {
  const router = Router();
  const http = createHttp({
    listeners: [{ bindAddress: '192.0.2.1', port: 1, resources: ['public'] }],
    resources: { appservice, public: router, health: router, metrics: router },
    log: new RecordingLog(),
    clock: systemClock,
  });
  await assert.rejects(http.start(), (failure) => {
    assert.ok(hasCode(failure, 'http/cannotListen'));
    assert.equal(failure.facts.why, 'EADDRNOTAVAIL');
    return true;
  });
});

test('a stop lets a request in progress end, closes idle connections and takes no new ones', async () => {
  let finish = (): void => assert.fail('not asked yet');
  let asked = false;
  const slow = Router().get('/slow', (_request, response) => {
    asked = true;
    finish = () => void response.end('whole');
  });
  await using world = await startHttp({ resources: { public: slow } });
  const idle = await open(world.port);
  idle.socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => idle.received().includes('health'));
  const busy = await open(world.port);
  busy.socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => asked);
  const stopped = world.http.stop(60_000);
  await idle.closed;
  await assert.rejects(get(world.port, '/health'));
  finish();
  assert.match(await busy.closed, /whole$/);
  await stopped;
});

test('a stop cuts what is still in progress at its deadline', async () => {
  let asked = false;
  const endless = Router().get('/endless', () => {
    asked = true;
  });
  await using world = await startHttp({ resources: { public: endless } });
  const { socket, closed } = await open(world.port);
  socket.write('GET /endless HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => asked);
  await world.http.stop(50);
  assert.equal(await closed, '');
});

test('a second stop and a stop before the start are harmless', async () => {
  const world = await startHttp({});
  await world.http.stop();
  await world.http.stop();
  const router = Router();
  const resources = { appservice, public: router, health: router, metrics: router };
  await createHttp({ listeners: [], resources, log: new RecordingLog(), clock: systemClock }).stop();
});
