import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Router } from 'express';
import fc from 'fast-check';
import { systemClock } from '../../../src/ambient/clock.ts';
import { createHttp } from '../../../src/http/http.ts';
import {
  createMediaRouter,
  type MediaPermission,
  type MediaRouterDeps,
  type ServedFile,
} from '../../../src/http/media-router.ts';
import { createPublicRouter } from '../../../src/http/public-router.ts';
import { defineErrors } from '../../../src/model/errors.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { get, open, until } from './http-client.ts';

const errors = defineErrors('media', { gone: { retry: 'never', arrived: 'no', notice: 'internal' } });
const BYTES = randomBytes(10_000);
const ID = 'A'.repeat(43);
const PATH = `/media/${ID}`;
const ETAG = `"${ID}"`;

/** What is in use, garbage not counted. */
function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

/** A connection that counts refusals, and keeps nothing of what it reads. */
async function counting(port: number) {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1');
  const mark = '"error":"not_found"';
  let refusals = 0;
  let rest = '';
  socket.on('data', (text: string) => {
    refusals += (rest + text).split(mark).length - 1;
    // A mark may come in two pieces.
    rest = (rest + text).slice(1 - mark.length);
  });
  await once(socket, 'connect');
  return { socket, answered: () => refusals };
}

async function world(t: TestContext, changes: Partial<MediaRouterDeps<ServedFile>> = {}) {
  const counted: unknown[][] = [];
  const log = new RecordingLog();
  const media = createMediaRouter<ServedFile>({
    find: async (id) => (id === ID ? { id, network: 'gk', sizeBytes: BYTES.length } : undefined),
    read: async (_file, { start, end }) => Readable.from([BYTES.subarray(start, end)]),
    permit: async () => 'allowed',
    metrics: {
      bytes: (...facts) => counted.push(facts),
      refused: (...facts) => counted.push(facts),
    },
    ...changes,
  });
  const issuer = { discovery: () => ({}), jwks: async () => ({ body: {}, maxAgeS: 1 }) };
  const router = createPublicRouter({ issuer, onPush: async () => 'unknown', media, basePath: '/base' });
  const other = Router();
  const http = createHttp({
    listeners: [{ bindAddress: '127.0.0.1', port: 0, resources: ['public'] }],
    resources: { public: router, appservice: other, health: other, metrics: other },
    log,
    clock: systemClock,
  });
  const [port = 0] = await http.start();
  t.after(async () => await http.stop(0));
  /** One request with these headers; the body as bytes. */
  const ask = async (headers: Record<string, string> = {}, { path = PATH, method = 'GET' } = {}) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { connection: 'close', ...headers },
    });
    return {
      status: response.status,
      headers: response.headers,
      body: Buffer.from(await response.arrayBuffer()),
    };
  };
  return { port, ask, counted, log };
}

describe('a hosted file', () => {
  it('is given out whole, with its length and tag, as nothing that a browser would show', async (t) => {
    const { ask, counted } = await world(t);
    const { status, headers, body } = await ask();
    assert.deepEqual([status, body], [200, BYTES]);
    assert.deepEqual(
      [
        'content-length',
        'etag',
        'accept-ranges',
        'content-type',
        'content-disposition',
        'x-content-type-options',
      ].map((name) => headers.get(name)),
      ['10000', ETAG, 'bytes', 'application/octet-stream', 'attachment', 'nosniff'],
    );
    assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none'/);
    assert.equal(headers.get('cache-control'), 'private, no-cache');
    assert.deepEqual(counted, [['served', BYTES.length]]);
  });

  it('is found below the path of the public URL too', async (t) => {
    const { ask } = await world(t);
    assert.equal((await ask({}, { path: `/base${PATH}` })).status, 200);
  });

  it('answers HEAD as GET, without a body and without opening it; ranges are for GET', async (t) => {
    const { ask } = await world(t, { read: async () => assert.fail('opened') });
    const { status, headers, body } = await ask({ range: 'bytes=0-5' }, { method: 'HEAD' });
    assert.deepEqual(
      [status, headers.get('content-length'), headers.get('etag'), body.length],
      [200, '10000', ETAG, 0],
    );
  });

  it('any single range is exactly those bytes (RFC 9110 §14)', async (t) => {
    const { ask } = await world(t);
    const last = BYTES.length - 1;
    await fc.assert(
      fc.asyncProperty(fc.nat(last), fc.nat(last + 500), async (a, b) => {
        const [start, end] = a < b ? [a, b] : [b, a];
        const until = Math.min(end, last);
        for (const range of [`bytes=${start}-${end}`, ...(end >= last ? [`bytes=${start}-`] : [])]) {
          const { status, headers, body } = await ask({ range });
          assert.equal(status, 206);
          assert.deepEqual(body, BYTES.subarray(start, until + 1));
          assert.equal(headers.get('content-range'), `bytes ${start}-${until}/10000`);
          assert.equal(headers.get('content-length'), String(until + 1 - start));
        }
      }),
      { numRuns: 30 },
    );
    const tail = await ask({ range: 'bytes=-7' });
    assert.deepEqual([tail.status, tail.body], [206, BYTES.subarray(-7)]);
  });

  it('a range behind its end is refused with its length', async (t) => {
    const { ask } = await world(t);
    const { status, headers } = await ask({ range: 'bytes=10000-' });
    assert.deepEqual([status, headers.get('content-range')], [416, 'bytes */10000']);
  });

  it('several ranges, other units and what is not understood give the whole file', async (t) => {
    const { ask } = await world(t);
    for (const range of [
      'bytes=0-1,5-6',
      'lines=1-2',
      'bytes',
      'bytes=0-1, 5000-',
      `bytes=${'0-1,'.repeat(500)}2-3`,
    ]) {
      const { status, body } = await ask({ range });
      assert.deepEqual([status, body.length], [200, BYTES.length], range);
    }
  });

  it('a range is given only of the file that If-Range names', async (t) => {
    const { ask } = await world(t);
    assert.equal((await ask({ range: 'bytes=0-1', 'if-range': ETAG })).status, 206);
    for (const other of ['"other"', `W/${ETAG}`, 'Sun, 06 Nov 1994 08:49:37 GMT']) {
      assert.equal((await ask({ range: 'bytes=0-1', 'if-range': other })).status, 200, other);
    }
  });

  it('who has it already is told so', async (t) => {
    const { ask } = await world(t, { read: async () => assert.fail('opened') });
    for (const tag of [ETAG, `"x", ${ETAG}`, '*']) {
      const { status, body } = await ask({ 'if-none-match': tag });
      assert.deepEqual([status, body.length], [304, 0], tag);
    }
  });

  it('what is not there is a 404 that nothing remembers; there is no listing and no other method', async (t) => {
    const { ask, counted } = await world(t);
    for (const path of [
      '/media',
      '/media/',
      '/media/x',
      `${PATH}/`,
      `${PATH}x`,
      '/media/..%2fx',
      '/MEDIA/x',
    ]) {
      const { status, headers } = await ask({}, { path });
      assert.deepEqual([status, headers.get('cache-control')], [404, 'no-store'], path);
    }
    for (const method of ['POST', 'PUT', 'DELETE']) assert.equal((await ask({}, { method })).status, 404);
    assert.deepEqual(counted.at(-1), ['served', 'not-found']);
  });

  it('one that goes while it is asked for is a 404 too', async (t) => {
    const { ask } = await world(t, {
      read: async () => {
        throw errors.gone();
      },
    });
    assert.equal((await ask()).status, 404);
  });

  it('where the network has tokens, only a good one opens it', async (t) => {
    const asked: unknown[] = [];
    const { ask } = await world(t, {
      permit: async (network, token) => {
        asked.push([network, token]);
        return (token ?? 'bad-token') as MediaPermission;
      },
    });
    assert.equal((await ask({ authorization: 'Bearer allowed' })).status, 200);
    const bad = await ask();
    assert.deepEqual([bad.status, bad.headers.get('www-authenticate')], [401, 'Bearer']);
    assert.equal((await ask({ authorization: 'Bearer unavailable' })).status, 503);
    assert.deepEqual(asked, [
      ['gk', 'allowed'],
      ['gk', undefined],
      ['gk', 'unavailable'],
    ]);
  });

  it('a store that breaks off ends the connection: nobody takes half a file for a whole one', async (t) => {
    const { port } = await world(t, {
      read: async () =>
        Readable.from(
          (async function* () {
            yield BYTES.subarray(0, 100);
            throw new Error('disk');
          })(),
        ),
    });
    await assert.rejects(get(port, PATH));
  });

  it('one file does not take all downloads: the seventeenth at a time waits, and places come back', async (t) => {
    const held: Readable[] = [];
    const { port, ask } = await world(t, {
      read: async () => {
        const body = new Readable({ read: () => undefined });
        body.push(BYTES.subarray(0, 10));
        held.push(body);
        return body;
      },
    });
    const clients = await Promise.all(Array.from({ length: 16 }, async () => await open(port)));
    for (const { socket } of clients) socket.write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await until(() => held.length === 16);
    assert.equal((await ask()).status, 503);
    for (const { socket } of clients) socket.destroy();
    await until(() => held.every((body) => body.destroyed));
    const again = await open(port);
    again.socket.write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await until(() => again.received().startsWith('HTTP/1.1 200'));
    again.socket.destroy();
  });

  it('10,000 ids that do not exist leave no memory behind', async (t) => {
    const { port } = await world(t, { metrics: { bytes: () => undefined, refused: () => undefined } });
    const { socket, answered } = await counting(port);
    let asked = 0;
    const round = async (count: number) => {
      for (let sent = 0; sent < count; sent += 100) {
        const requests = Array.from(
          { length: 100 },
          () => `GET /media/${randomBytes(32).toString('base64url')} HTTP/1.1\r\nHost: x\r\n\r\n`,
        );
        asked += requests.length;
        socket.write(requests.join(''));
        await until(() => answered() === asked);
      }
    };
    await round(2_000);
    const before = heapAfterCollection();
    await round(10_000);
    const grownBytes = heapAfterCollection() - before;
    // A hundred bytes for each of them would show.
    assert.ok(grownBytes < 1_000_000, `${grownBytes}`);
    socket.destroy();
  });
});
