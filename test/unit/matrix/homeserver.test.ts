/** What a real Synapse can't be made to do. The rest is in test/integration/matrix-side.test.ts. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { toWireTxnId } from '../../../src/matrix/homeserver.ts';
import { createMatrixSide } from '../../../src/matrix/matrix.ts';
import { toPathTemplate } from '../../../src/matrix/transport.ts';
import { hasCode } from '../../../src/model/errors.ts';
import { matrixUserId, roomId } from '../../../src/model/ids.ts';
import { heldClock } from '../../doubles/held-clock.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { listening } from './listening.ts';

const BOT = '@bot:m.example';
const GHOST = matrixUserId('@_interop_gk_bob=40gk.example:m.example');
const ROOM = roomId('!r:m.example');
const MESSAGE = { room: ROOM, as: GHOST, type: 'm.room.message', content: { body: 'a' }, txnId: '1' };

type Reply = object | ((url: URL) => object | Promise<object>);
const refusal = (status: number, errcode: string) => ({ status, errcode });

/** A homeserver that answers by method and path template; `status` in an answer is its HTTP status. */
async function world(t: TestContext, changes: Record<string, Reply>) {
  const replies: Record<string, Reply> = {
    'GET /versions': { versions: ['v1.17'] },
    'GET /account/whoami': (url) => ({ user_id: BOT, device_id: url.searchParams.get('device_id') }),
    'POST /register': {},
    'PUT /devices/{}': {},
    'GET /profile/{}/displayname': { displayname: 'Bot' },
    ...changes,
  };
  const asked: { request: string; url: URL }[] = [];
  const log = new RecordingLog();
  const homeserverUrl = await listening(t, async (request, response) => {
    const url = new URL(request.url ?? '', 'http://localhost');
    const template = `${request.method} ${toPathTemplate(url.pathname)}`;
    asked.push({ request: template, url });
    const reply = replies[template] ?? assert.fail(template);
    const { status = 200, ...body } = (typeof reply === 'function' ? await reply(url) : reply) as {
      status?: number;
    };
    response.writeHead(status).end(JSON.stringify(body));
  });
  const side = createMatrixSide({
    settings: {
      homeserverUrl,
      domain: 'm.example',
      appserviceId: 'drawbridge',
      botLocalpart: 'bot',
      botDisplayName: 'Bot',
      ghostPrefix: '_interop_',
      asToken: 'as',
      hsToken: 'hs',
      maxBodyBytes: 1000,
      requestTimeoutMs: 5000,
    },
    sink: { store: () => assert.fail('nothing is pushed') },
    clock: heldClock(),
    log,
  });
  t.after(() => side.stop());
  return { side, asked, log, start: () => side.start(new AbortController().signal) };
}

describe('the start', () => {
  it('changes nothing that is as it should be', async (t) => {
    const { start, asked, log } = await world(t, { 'POST /register': refusal(400, 'M_USER_IN_USE') });
    await start();
    assert.ok(!asked.some(({ request }) => request.startsWith('PUT /profile')));
    assert.deepEqual(
      log.entries.filter(({ level }) => level === 'warn'),
      [],
    );
  });

  it('registers a bot that the homeserver will not speak of before, and then looks whose the token is', async (t) => {
    let registered = false;
    const { start } = await world(t, {
      'GET /account/whoami': () =>
        registered ? { user_id: '@other:m.example' } : refusal(403, 'M_FORBIDDEN'),
      'POST /register': () => {
        registered = true;
        return {};
      },
    });
    await assert.rejects(start(), (failure) => hasCode(failure, 'matrix/wrongUser'));
  });

  it('ends when it is told to', async (t) => {
    const { side } = await world(t, {});
    await assert.rejects(side.start(AbortSignal.abort()), (failure) => hasCode(failure, 'matrix/answerLost'));
  });

  const without: Record<string, Record<string, Reply>> = {
    'has no such endpoint': { 'PUT /devices/{}': refusal(404, 'M_UNRECOGNIZED') },
    'makes no device': { 'PUT /devices/{}': refusal(404, 'M_NOT_FOUND') },
    'ignores the device': { 'GET /account/whoami': { user_id: BOT } },
  };
  for (const [how, changes] of Object.entries(without)) {
    it(`warns of a homeserver that ${how}, and sends without one`, async (t) => {
      const { side, start, asked, log } = await world(t, {
        ...changes,
        'PUT /rooms/{}/send/{}/{}': { event_id: '$a' },
      });
      await start();
      assert.equal(log.entries.filter(({ level }) => level === 'warn').length, 1);
      assert.equal(await side.send(MESSAGE), '$a');
      assert.equal(asked.at(-1)?.url.searchParams.has('device_id'), false);
    });
  }

  it('does not take trouble of the homeserver for a missing ability', async (t) => {
    const { start } = await world(t, { 'PUT /devices/{}': refusal(500, 'M_UNKNOWN') });
    await assert.rejects(start(), (failure) => hasCode(failure, 'matrix/homeserverFailed'));
  });
});

describe('a send', () => {
  it('that the homeserver answers without an event id may have arrived', async (t) => {
    const { side } = await world(t, { 'PUT /rooms/{}/send/{}/{}': { event_id: 7 } });
    await assert.rejects(side.send(MESSAGE), (failure) => hasCode(failure, 'matrix/badAnswer'));
  });

  it('whose device can not be made fails by that, and does not go round in circles', async (t) => {
    const { side, start, asked } = await world(t, {
      'PUT /rooms/{}/send/{}/{}': refusal(400, 'M_UNKNOWN_DEVICE'),
    });
    await start();
    await assert.rejects(side.send(MESSAGE), (failure) => hasCode(failure, 'matrix/unknownDevice'));
    assert.equal(asked.filter(({ request }) => request.includes('/send/')).length, 2);
  });

  it('repeats its transaction id to the letter, and another sender has another one', () => {
    const other = matrixUserId('@_interop_gk_eve=40gk.example:m.example');
    assert.equal(toWireTxnId(GHOST, 'a'), toWireTxnId(GHOST, 'a'));
    assert.notEqual(toWireTxnId(GHOST, 'a'), toWireTxnId(other, 'a'));
    assert.match(toWireTxnId(GHOST, `${'/'.repeat(5000)}ä`), /^[A-Za-z0-9_-]{43}$/);
  });
});

describe('the ping', () => {
  for (const errcode of ['M_CONNECTION_FAILED', 'M_BAD_STATUS', 'M_CONNECTION_TIMEOUT', 'M_URL_NOT_SET']) {
    it(`answered ${errcode} says that the homeserver does not reach us`, async (t) => {
      const { side } = await world(t, { 'POST /appservice/{}/ping': refusal(502, errcode) });
      await assert.rejects(side.ping(), (failure) => {
        return hasCode(failure, 'matrix/pingFailed') && failure.facts.errcode === errcode;
      });
    });
  }

  it('that came to us has reached us, whatever the homeserver answers', async (t) => {
    let us = '';
    const { side } = await world(t, {
      'POST /appservice/{}/ping': async () => {
        const headers = { authorization: 'Bearer hs' };
        const answer = await fetch(`${us}/_matrix/app/v1/ping`, { method: 'POST', headers, body: '{}' });
        assert.equal(answer.status, 200);
        return refusal(502, 'M_CONNECTION_FAILED');
      },
    });
    us = await listening(t, side.appserviceListener);
    assert.equal(await side.ping(), 'reached');
  });

  it('with a token that is not the homeserver’s has not reached us', async (t) => {
    let us = '';
    const { side } = await world(t, {
      'POST /appservice/{}/ping': async () => {
        const headers = { authorization: 'Bearer other' };
        await fetch(`${us}/_matrix/app/v1/ping`, { method: 'POST', headers, body: '{}' });
        return refusal(502, 'M_CONNECTION_FAILED');
      },
    });
    us = await listening(t, side.appserviceListener);
    await assert.rejects(side.ping(), (failure) => hasCode(failure, 'matrix/pingFailed'));
  });

  it('that the homeserver does not know is no failure', async (t) => {
    const { side } = await world(t, { 'POST /appservice/{}/ping': refusal(404, 'M_UNRECOGNIZED') });
    assert.equal(await side.ping(), 'unsupported');
  });
});

describe('who has joined', () => {
  it('is told with the names that they have', async (t) => {
    const { side } = await world(t, {
      'GET /rooms/{}/joined_members': { joined: { '@ada:m.example': { display_name: 'Ada' }, [GHOST]: {} } },
    });
    assert.deepEqual(await side.getMembers(ROOM), [
      { user: '@ada:m.example', displayName: 'Ada' },
      { user: GHOST },
    ]);
  });

  for (const joined of [
    7,
    null,
    { 'no user id': {} },
    { '': {} },
    { [`@${'a'.repeat(300)}:m.example`]: {} },
  ]) {
    it(`is not believed of ${JSON.stringify(joined).slice(0, 20)}`, async (t) => {
      const { side } = await world(t, { 'GET /rooms/{}/joined_members': { joined } });
      await assert.rejects(side.getMembers(ROOM), (failure) => hasCode(failure, 'matrix/badAnswer'));
    });
  }
});
