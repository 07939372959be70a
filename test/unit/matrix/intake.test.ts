import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createIntake } from '../../../src/matrix/intake.ts';
import type { AppserviceTransaction } from '../../../src/matrix/matrix.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { listening } from './listening.ts';

const TOKEN = 'hs-token-secret';
const EVENT = {
  event_id: '$a',
  room_id: '!r:m.example',
  sender: '@alice:m.example',
  type: 'm.room.message',
  origin_server_ts: 1,
  content: { msgtype: 'm.text', body: 'the words' },
};
const PATH = '/_matrix/app/v1/transactions/1';

async function world(
  t: TestContext,
  hooks: { store?: () => Promise<void>; onRequest?: (request: IncomingMessage) => void } = {},
) {
  const stored: AppserviceTransaction[] = [];
  const log = new RecordingLog();
  let badEvents = 0;
  const intake = createIntake({
    settings: { hsToken: TOKEN, maxBodyBytes: 10_000 },
    sink: {
      store: async (transaction) => {
        await hooks.store?.();
        stored.push(transaction);
      },
    },
    log,
    metrics: {
      request: () => assert.fail('no request goes out'),
      badEvent: () => {
        badEvents += 1;
      },
    },
    isOurs: (user) => user === '@_interop_gk_bob:m.example',
  });
  const base = await listening(t, (request, response) => {
    hooks.onRequest?.(request);
    intake(request, response);
  });
  const ask = async (method: string, path: string, body?: unknown, headers = bearer(TOKEN)) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const response = await fetch(base + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: text }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  return { base, stored, log, ask, badEvents: () => badEvents };
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

describe('who may push', () => {
  it('a request without a token gets 401 and nothing is stored', async (t) => {
    const { ask, stored } = await world(t);
    for (const path of [PATH, '/anything', '//', '/%']) {
      const { status, body } = await ask('PUT', path, { events: [EVENT] }, {});
      assert.deepEqual([status, body.errcode], [401, 'M_MISSING_TOKEN']);
    }
    assert.deepEqual(stored, []);
  });

  it('a wrong token gets 403 and nothing is stored', async (t) => {
    const { ask, stored } = await world(t);
    for (const token of ['', 'hs-token-secreT', `${TOKEN}x`, TOKEN.slice(1)]) {
      const { status, body } = await ask('PUT', PATH, { events: [EVENT] }, bearer(token));
      assert.deepEqual([status, body.errcode], [403, 'M_FORBIDDEN']);
    }
    const other = await ask('PUT', PATH, { events: [EVENT] }, { authorization: `Basic ${TOKEN}` });
    assert.equal(other.status, 403);
    const query = await ask('PUT', `${PATH}?access_token=wrong`, { events: [EVENT] }, {});
    assert.equal(query.status, 403);
    assert.deepEqual(stored, []);
  });

  it('a right token in the query does not help a wrong one in the header', async (t) => {
    const { ask } = await world(t);
    assert.equal(
      (await ask('PUT', `${PATH}?access_token=${TOKEN}`, { events: [] }, bearer('no'))).status,
      403,
    );
  });

  it('the token may come in the query, as homeservers of old send it', async (t) => {
    const { ask, stored } = await world(t);
    assert.equal((await ask('PUT', `${PATH}?access_token=${TOKEN}`, { events: [EVENT] }, {})).status, 200);
    assert.equal(stored.length, 1);
  });

  it('the body of a stranger is not waited for', async (t) => {
    const { base } = await world(t);
    const socket = connect(Number(new URL(base).port), '127.0.0.1');
    t.after(() => socket.destroy());
    socket.write(`PUT ${PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\nhalf`);
    let answer = '';
    for await (const piece of socket) answer += String(piece);
    assert.match(answer, /^HTTP\/1\.1 401 /);
  });

  it('the token is never logged', async (t) => {
    const { ask, log } = await world(t);
    await ask('PUT', PATH, { events: [EVENT] }, bearer('wrong-secret'));
    await ask('PUT', PATH, '{');
    assert.ok(!JSON.stringify(log.entries).includes('secret'));
  });
});

describe('a transaction', () => {
  it('that skips a number is not stored until the one before it has come', async (t) => {
    const { ask, stored } = await world(t);
    const push = async (txnId: string) => {
      const events = [{ ...EVENT, event_id: `$${txnId}` }];
      return (await ask('PUT', `/_matrix/app/v1/transactions/${txnId}`, { events })).status;
    };
    const statuses = [await push('1'), await push('3'), await push('2'), await push('3')];
    assert.deepEqual(statuses, [200, 503, 200, 200]);
    assert.deepEqual(
      stored.map(({ txnId }) => txnId),
      ['1', '2', '3'],
    );
  });

  it('is stored whole and in order before it is answered', async (t) => {
    const { ask, stored } = await world(t);
    const second = { ...EVENT, event_id: '$b', state_key: '' };
    const { status, body } = await ask('PUT', PATH, {
      events: [EVENT, second],
      ephemeral: [{ type: 'm.typing' }, 3],
      'de.sorunome.msc2409.to_device': [{ type: 'm.room_key' }],
    });
    assert.deepEqual([status, body], [200, {}]);
    assert.deepEqual(stored, [
      {
        txnId: '1',
        events: [EVENT, second],
        ephemeral: [{ type: 'm.typing' }],
        toDevice: [{ type: 'm.room_key' }],
      },
    ]);
  });

  it('is taken by the old path as well, and its id is unescaped', async (t) => {
    const { ask, stored } = await world(t);
    assert.equal((await ask('PUT', '/transactions/a%2Fb', { events: [] })).status, 200);
    assert.equal(stored[0]?.txnId, 'a/b');
  });

  it('that could not be stored is answered 500, and taken when it comes again', async (t) => {
    let broken = true;
    const { ask, stored, log } = await world(t, {
      store: async () => {
        if (broken) throw new Error('disk full of the words');
      },
    });
    const { status, body } = await ask('PUT', PATH, { events: [EVENT] });
    assert.deepEqual([status, body], [500, { errcode: 'M_UNKNOWN', error: 'Internal error' }]);
    assert.equal(log.entries.filter(({ level }) => level === 'error').length, 1);
    broken = false;
    assert.equal((await ask('PUT', PATH, { events: [EVENT] })).status, 200);
    assert.equal(stored.length, 1);
  });

  it('that comes twice at the same time is stored once, and both are answered after it', async (t) => {
    const release = Promise.withResolvers<void>();
    const bothCame = Promise.withResolvers<void>();
    let calls = 0;
    let came = 0;
    const { ask, stored } = await world(t, {
      store: () => {
        calls += 1;
        return release.promise;
      },
      onRequest: (request) =>
        request.once('end', () => {
          came += 1;
          if (came === 2) setImmediate(bothCame.resolve);
        }),
    });
    const asking = [ask('PUT', PATH, { events: [EVENT] }), ask('PUT', PATH, { events: [EVENT] })];
    await bothCame.promise;
    assert.deepEqual([calls, stored.length], [1, 0]);
    release.resolve();
    const answers = await Promise.all(asking);
    assert.deepEqual([calls, ...answers.map(({ status }) => status)], [1, 200, 200]);
  });

  it('keeps its sound events when others are malformed; each of those is logged by code and counted', async (t) => {
    const { ask, stored, log, badEvents } = await world(t);
    const events = [null, 'junk', { ...EVENT, event_id: '$b', sender: 'nobody' }, EVENT, { event_id: 3 }, []];
    assert.equal((await ask('PUT', PATH, { events })).status, 200);
    assert.deepEqual(stored[0]?.events, [EVENT]);
    assert.equal(badEvents(), 5);
    const facts = log.entries.map((entry) => [entry.facts.code, entry.facts.member, entry.facts.event]);
    assert.equal(facts.length, 5);
    assert.deepEqual(facts[2], ['matrix/badEvent', 'sender', '$b']);
    assert.ok(!JSON.stringify(log.entries).includes('the words'));
  });

  it('with an event that nests thousands of levels deep loses that one only', async (t) => {
    const deep = '['.repeat(4000) + ']'.repeat(4000);
    const { ask, stored } = await world(t);
    const text = JSON.stringify({ events: [{ ...EVENT, content: { deep: 'HERE' } }, EVENT] }).replace(
      '"HERE"',
      deep,
    );
    assert.equal((await ask('PUT', PATH, text)).status, 200);
    assert.deepEqual(stored[0]?.events, [EVENT]);
  });

  const malformed: [string, string, string][] = [
    ['{"events": [', '400', 'M_NOT_JSON'],
    ['', '400', 'M_NOT_JSON'],
    ['[]', '400', 'M_BAD_JSON'],
    ['null', '400', 'M_BAD_JSON'],
    ['{"events": {}}', '400', 'M_BAD_JSON'],
  ];
  for (const [text, status, errcode] of malformed) {
    it(`of the text ${JSON.stringify(text)} is refused with ${errcode}, and nothing is stored`, async (t) => {
      const { ask, stored, log } = await world(t);
      const answer = await ask('PUT', PATH, text);
      assert.deepEqual([String(answer.status), answer.body.errcode], [status, errcode]);
      assert.equal(log.entries[0]?.facts.code, 'matrix/badTransaction');
      assert.deepEqual(stored, []);
    });
  }

  it('above the limit is refused with 413, announced or not', async (t) => {
    const { ask, base, stored } = await world(t);
    const big = JSON.stringify({ events: [], x: 'y'.repeat(10_000) });
    const { status, body } = await ask('PUT', PATH, big);
    assert.deepEqual([status, body.errcode], [413, 'M_TOO_LARGE']);
    const stream = new Blob([big]).stream();
    const chunked = await fetch(base + PATH, {
      method: 'PUT',
      headers: bearer(TOKEN),
      body: stream,
      duplex: 'half',
    });
    assert.equal(chunked.status, 413);
    await chunked.body?.cancel();
    assert.deepEqual(stored, []);
  });

  it('whose sender hangs up half way is not stored, and the next one is', async (t) => {
    const begun = Promise.withResolvers<IncomingMessage>();
    const { base, ask, stored } = await world(t, { onRequest: begun.resolve });
    const socket = connect(Number(new URL(base).port), '127.0.0.1');
    socket.write(
      `PUT ${PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: 900\r\n\r\n{`,
    );
    const request = await begun.promise;
    request.on('error', () => undefined);
    socket.destroy();
    await new Promise((resolve) => request.once('close', resolve));
    assert.equal((await ask('PUT', PATH, { events: [EVENT] })).status, 200);
    assert.equal(stored.length, 1);
  });

  it('has an id of 1 to 255 characters', async (t) => {
    const { ask } = await world(t);
    for (const id of ['', 'x'.repeat(256)]) {
      assert.equal((await ask('PUT', `/_matrix/app/v1/transactions/${id}`, { events: [] })).status, 400);
    }
  });
});

describe('questions of the homeserver', () => {
  const questions: [string, string, number][] = [
    ['GET', '/_matrix/app/v1/users/%40_interop_gk_bob%3Am.example', 200],
    ['GET', '/users/@_interop_gk_bob:m.example', 200],
    ['GET', '/_matrix/app/v1/users/%40alice%3Am.example', 404],
    ['GET', '/_matrix/app/v1/users/%E0%A4%A', 404],
    ['GET', '/_matrix/app/v1/rooms/%23_interop_x%3Am.example', 404],
    ['GET', '/_matrix/app/v1/thirdparty/protocol/gk', 404],
    ['GET', '/_matrix/app/v1/thirdparty/user/gk', 200],
    ['POST', '/_matrix/app/v1/ping', 200],
    ['GET', '/_matrix/app/v1/ping', 405],
    ['POST', PATH, 405],
    ['GET', '/_matrix/app/v1/', 404],
    ['GET', '/', 404],
    ['GET', '/_matrix/client/v3/sync', 404],
    ['GET', '/constructor', 404],
  ];
  for (const [method, path, status] of questions) {
    it(`${method} ${path} is answered ${status}`, async (t) => {
      const { ask } = await world(t);
      const answer = await ask(method, path, method === 'POST' ? { transaction_id: 'a' } : undefined);
      assert.equal(answer.status, status);
      if (status !== 200) assert.match(String(answer.body.errcode), /^M_(NOT_FOUND|UNRECOGNIZED)$/);
    });
  }
});
