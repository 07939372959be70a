import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Transport, toPathTemplate } from '../../../src/matrix/transport.ts';
import type { BridgeError } from '../../../src/model/errors.ts';
import { matrixUserId, roomId } from '../../../src/model/ids.ts';
import { heldClock } from '../../doubles/held-clock.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { listening } from './listening.ts';

const ROOM = roomId('!r:m.example');
const PATH = `/_matrix/client/v3/rooms/${encodeURIComponent(ROOM)}/send/m.room.message/1`;

function newTransport(homeserverUrl: string) {
  const log = new RecordingLog();
  const requests: [string, string][] = [];
  const transport = new Transport({
    settings: {
      homeserverUrl,
      domain: 'm.example',
      appserviceId: 'drawbridge',
      botLocalpart: 'bot',
      botDisplayName: 'Bot',
      ghostPrefix: '_interop_',
      asToken: 'as-token-secret',
      hsToken: 'hs-token-secret',
      maxBodyBytes: 1000,
      requestTimeoutMs: 300,
    },
    clock: heldClock(),
    log,
    metrics: { request: (request, outcome) => requests.push([request, outcome]) },
  });
  const put = () => transport.request({ method: 'PUT', path: PATH, body: { body: 'the words' } });
  return { transport, log, requests, put };
}

async function failureOf(asking: Promise<unknown>): Promise<BridgeError> {
  try {
    await asking;
  } catch (failure) {
    return failure as BridgeError;
  }
  assert.fail('it did not fail');
}

async function failing(t: TestContext, listener: RequestListener) {
  const world = newTransport(await listening(t, listener));
  return { ...world, failure: await failureOf(world.put()) };
}

describe('a request to the homeserver', () => {
  it('carries token, user and query, and gives back the object that came', async (t) => {
    const base = await listening(t, (request, response) => {
      const { method, url, headers } = request;
      response.end(JSON.stringify({ method, url, authorization: headers.authorization }));
    });
    const { transport, requests } = newTransport(`${base}/`);
    const as = matrixUserId('@_interop_gk_=2b49:m.example');
    const answer = await transport.request({
      method: 'GET',
      path: '/_matrix/client/v3/a',
      as,
      query: { b: 'c d' },
    });
    assert.deepEqual(answer, {
      method: 'GET',
      url: '/_matrix/client/v3/a?b=c+d&user_id=%40_interop_gk_%3D2b49%3Am.example',
      authorization: 'Bearer as-token-secret',
    });
    assert.deepEqual(requests, [['GET /a', 'ok']]);
  });

  const answers: [number, object | string, string, string, string][] = [
    [429, { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 1500 }, 'rateLimited', 'later', 'no'],
    [429, '<html>', 'rateLimited', 'later', 'no'],
    [401, { errcode: 'M_UNKNOWN_TOKEN' }, 'badToken', 'later', 'no'],
    [403, { errcode: 'M_FORBIDDEN' }, 'forbidden', 'never', 'no'],
    [400, { errcode: 'M_EXCLUSIVE' }, 'forbidden', 'never', 'no'],
    [404, { errcode: 'M_NOT_FOUND' }, 'notFound', 'never', 'no'],
    [404, { errcode: 'M_UNRECOGNIZED' }, 'unrecognized', 'never', 'no'],
    [413, { errcode: 'M_TOO_LARGE' }, 'tooLarge', 'never', 'no'],
    [413, '<html>', 'tooLarge', 'never', 'no'],
    [400, { errcode: 'M_ROOM_IN_USE' }, 'roomInUse', 'later', 'no'],
    [400, { errcode: 'M_USER_IN_USE' }, 'userInUse', 'never', 'no'],
    [400, { errcode: 'M_UNKNOWN_DEVICE' }, 'unknownDevice', 'later', 'no'],
    [400, { errcode: 'M_INVALID_PARAM' }, 'refused', 'never', 'no'],
    [403, { errcode: 'M_RESOURCE_LIMIT_EXCEEDED' }, 'homeserverFailed', 'later', 'unknown'],
    [500, { errcode: 'M_UNKNOWN' }, 'homeserverFailed', 'later', 'unknown'],
    [502, '<html>', 'homeserverFailed', 'later', 'unknown'],
    [404, '<html>no such page</html>', 'badAnswer', 'later', 'unknown'],
    [403, [], 'badAnswer', 'later', 'unknown'],
    [403, { errcode: 7 }, 'badAnswer', 'later', 'unknown'],
    [302, '', 'badAnswer', 'later', 'unknown'],
    [200, '<html>', 'badAnswer', 'later', 'unknown'],
    [200, '[1]', 'badAnswer', 'later', 'unknown'],
    [200, '', 'badAnswer', 'later', 'unknown'],
  ];
  for (const [status, body, name, retry, arrived] of answers) {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    it(`answered ${status} ${text} is ${name}: ${retry}, arrived ${arrived}`, async (t) => {
      const { failure, requests } = await failing(t, (_, response) => {
        response.writeHead(status, status === 302 ? { location: 'http://127.0.0.1:1/' } : {}).end(text);
      });
      assert.deepEqual([failure.code, failure.retry, failure.arrived], [`matrix/${name}`, retry, arrived]);
      assert.deepEqual(requests, [['PUT /rooms/{}/send/{}/{}', `matrix/${name}`]]);
    });
  }

  it('that is limited says for how long: by the member, by the header, at most an hour', async (t) => {
    const waits: unknown[] = [];
    for (const [member, header] of [
      [{ retry_after_ms: 1500 }, '9'],
      [{}, '9'],
      [{ retry_after_ms: 9e9 }, ''],
      [{}, 'x'],
    ]) {
      const { failure } = await failing(t, (_, response) => {
        response.writeHead(429, { 'retry-after': String(header) });
        response.end(JSON.stringify({ errcode: 'M_LIMIT_EXCEEDED', ...(member as object) }));
      });
      waits.push(failure.facts.retryAfterMs);
    }
    assert.deepEqual(waits, [1500, 9000, 3_600_000, undefined]);
  });

  it('to a closed port has not arrived', async (t) => {
    const base = await listening(t, () => assert.fail('nobody comes here'));
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const address = closed.address();
    assert.ok(typeof address === 'object' && address !== null && base !== '');
    await new Promise((resolve) => closed.close(resolve));
    const failure = await failureOf(newTransport(`http://127.0.0.1:${address.port}`).put());
    assert.deepEqual([failure.code, failure.arrived], ['matrix/homeserverUnreachable', 'no']);
    assert.equal(failure.facts.cause, 'ECONNREFUSED');
  });

  it('to a name that does not exist has not arrived', async () => {
    const failure = await failureOf(newTransport('http://homeserver.invalid').put());
    assert.deepEqual([failure.code, failure.arrived], ['matrix/homeserverUnreachable', 'no']);
  });

  it('without an answer ends at the deadline, and may have arrived', async (t) => {
    const { failure } = await failing(t, () => undefined);
    assert.deepEqual([failure.code, failure.arrived], ['matrix/answerLost', 'unknown']);
    assert.equal(failure.facts.cause, 'TimeoutError');
  });

  it('whose answer never ends is cut off at the deadline', async (t) => {
    const { failure } = await failing(t, (_, response) => {
      response.write('{"a":"');
    });
    assert.deepEqual([failure.code, failure.arrived], ['matrix/answerLost', 'unknown']);
  });

  it('whose connection breaks in the answer may have arrived', async (t) => {
    const { failure } = await failing(t, (_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{', () => response.destroy());
    });
    assert.deepEqual([failure.code, failure.arrived], ['matrix/answerLost', 'unknown']);
  });

  it('whose connection breaks before the answer may have arrived', async (t) => {
    const { failure } = await failing(t, (request) => request.socket.destroy());
    assert.deepEqual([failure.code, failure.arrived], ['matrix/answerLost', 'unknown']);
  });

  it('answered by something else than HTTP may have arrived', async (t) => {
    const server = createServer((socket) => socket.end('hello\r\n\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const failure = await failureOf(newTransport(`http://127.0.0.1:${address.port}`).put());
    assert.equal(failure.code, 'matrix/answerLost');
  });

  it('whose answer is above eight megabytes is cut off, and the connection closed', async (t) => {
    const closed = Promise.withResolvers<void>();
    const { failure } = await failing(t, (request, response) => {
      request.socket.once('close', () => closed.resolve());
      const piece = Buffer.alloc(1024 * 1024, ' ');
      const pour = () => {
        while (!response.destroyed && response.write(piece));
      };
      response.on('drain', pour);
      pour();
    });
    assert.equal(failure.code, 'matrix/badAnswer');
    await closed.promise;
  });

  it('is ended by a stop, and none is made after it', async (t) => {
    let requests = 0;
    const arrived = Promise.withResolvers<void>();
    const base = await listening(t, () => {
      requests += 1;
      arrived.resolve();
    });
    const { transport, put } = newTransport(base);
    const asking = failureOf(put());
    await arrived.promise;
    transport.stop();
    assert.equal((await asking).code, 'matrix/answerLost');
    assert.equal((await failureOf(put())).code, 'matrix/answerLost');
    assert.equal(requests, 1);
  });

  it("tells neither token nor words nor the homeserver's prose in logs and errors", async (t) => {
    const { failure, log } = await failing(t, (_, response) => {
      response
        .writeHead(403)
        .end(JSON.stringify({ errcode: 'M_FORBIDDEN', error: 'said the words of as-token-secret' }));
    });
    const told = JSON.stringify(log.entries) + failure.message + JSON.stringify(failure.facts);
    assert.ok(!/secret|words|!r:m/.test(told));
  });
});

it('path templates hold no ids', () => {
  const paths = {
    '/_matrix/client/versions': '/versions',
    '/_matrix/client/v3/rooms/!rooms/state/send/send': '/rooms/{}/state/{}/{}',
    '/_matrix/client/v3/rooms/!a/redact/$b/c': '/rooms/{}/redact/{}/{}',
    '/_matrix/client/v3/rooms/!a/joined_members': '/rooms/{}/joined_members',
    '/_matrix/client/v3/directory/room/%23a%3Ab': '/directory/room/{}',
    '/_matrix/client/v3/profile/%40a%3Ab/displayname': '/profile/{}/displayname',
    '/_matrix/client/v1/appservice/drawbridge/ping': '/appservice/{}/ping',
    '/_matrix/client/v3/join/!a': '/join/{}',
  };
  for (const [path, template] of Object.entries(paths)) assert.equal(toPathTemplate(path), template);
});
