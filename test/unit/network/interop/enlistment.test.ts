import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { BridgeError } from '../../../../src/model/errors.ts';
import { contactId, messageId } from '../../../../src/model/ids.ts';
import { EnlistmentApi } from '../../../../src/network/interop/enlistment.ts';
import { HttpClient } from '../../../../src/network/interop/http-client.ts';
import type { Identifier, ProofOfIdentity } from '../../../../src/network/network.ts';
import { type Answer, HostileServer, json, raw } from './hostile-server.ts';
import { StandingClock, sampleAccount, sampleDevice } from './samples.ts';

type Claims = Parameters<ProofOfIdentity>[0];

function apiAt(apiUrl: string, timeoutMs = 5_000) {
  const claims: Claims[] = [];
  const proof = async (asked: Claims) => {
    claims.push(asked);
    return `proof-${claims.length}`;
  };
  const settings = { apiUrl, audience: 'https://gk.example', domain: 'gk.example' };
  const http = new HttpClient({ clock: new StandingClock(), timeoutMs });
  return { api: new EnlistmentApi({ http, proof, settings }), claims };
}

const enlisted = {
  interop_id: 'alice-1',
  jid: 'alice-1@gk.example',
  device_id: 3,
  host: 'xmpp.gk.example',
  port: 5223,
  capabilities: ['text', 'boundary_notice', 'contact-card', 'hologram', 'unsupported', '__proto__'],
  limits: { text_characters: 1000, stanza_bytes: 262_144, media_bytes: 1e8 },
  motto: 'unknown members are ignored',
};
const face = {
  interop_id: 'alice-1',
  jid: 'alice-1@gk.example',
  device_id: 3,
  state: 'active',
  reachable: true,
};
const request = { user: sampleAccount.user, displayName: 'Alice', termsVersion: '2', device: sampleDevice };

test('enlisting sends the device with a proof of scope enlist and gives the ids and capabilities', async () => {
  await using server = await HostileServer.start(json(201, enlisted));
  const { api, claims } = apiAt(server.url);
  assert.deepEqual(await api.enlist(request), {
    interopId: 'alice-1',
    jid: 'alice-1@gk.example',
    device: 3,
    host: 'xmpp.gk.example',
    port: 5223,
    capabilities: {
      kinds: new Set(['text', 'boundary-notice', 'contact-card']),
      limits: { textCharacters: 1000, stanzaBytes: 262_144, mediaBytes: 1e8 },
      media: {},
    },
  });
  assert.deepEqual(claims, [
    {
      audience: 'https://gk.example',
      subject: '@alice:example.org',
      scope: 'enlist',
      signalIdentity: sampleDevice.identityKey,
    },
  ]);
  const [seen] = server.seen;
  assert.equal(`${seen?.method} ${seen?.path}`, 'POST /interop/v1/enlistments');
  assert.equal(seen?.headers.authorization, 'Bearer proof-1');
  const body = JSON.parse(seen?.body ?? '');
  assert.deepEqual([body.display_name, body.terms_version], ['Alice', '2']);
  assert.deepEqual(Object.keys(body.device), [
    'registration_id',
    'identity_key',
    'signed_prekey',
    'kyber_last_resort',
    'prekeys',
    'kyber_prekeys',
  ]);
  assert.equal(Buffer.from(body.device.kyber_prekeys[0].key, 'base64').length, 1569);
  assert.deepEqual(Object.keys(body.device.prekeys[0]), ['id', 'key']);
  assert.deepEqual(Object.keys(body.device.signed_prekey), ['id', 'key', 'signature']);
});

test('an address is taken in the spelling that servers stamp: lower case (RFC 7622 §3.3.1)', async () => {
  await using server = await HostileServer.start(json(201, { ...enlisted, jid: 'Alice-1@GK.example' }));
  assert.equal((await apiAt(server.url).api.enlist(request)).jid, 'alice-1@gk.example');
});

test('enlisting again is answered with 200 and the same ids', async () => {
  await using server = await HostileServer.start(json(200, enlisted));
  assert.equal((await apiAt(server.url).api.enlist(request)).interopId, 'alice-1');
});

test('a base URL with a path keeps it, with or without a slash at its end', async () => {
  await using server = await HostileServer.start(json(200, face));
  for (const end of ['/api', '/api/']) await apiAt(server.url + end).api.self(sampleAccount);
  assert.deepEqual(
    server.seen.map(({ path }) => path),
    ['/api/interop/v1/enlistments/self', '/api/interop/v1/enlistments/self'],
  );
});

test('after enlistment a proof of scope api names the interop id, a fresh one for each call', async () => {
  await using server = await HostileServer.start(json(200, face));
  const { api, claims } = apiAt(server.url);
  assert.deepEqual(await api.self(sampleAccount), { state: 'active', reachable: true });
  await api.update(sampleAccount, { reachable: false });
  assert.deepEqual(
    claims.map(({ scope, interopId }) => [scope, interopId]),
    [
      ['api', 'alice-1'],
      ['api', 'alice-1'],
    ],
  );
  assert.deepEqual(
    server.seen.map(({ method, headers, body }) => [method, headers.authorization, body]),
    [
      ['GET', 'Bearer proof-1', ''],
      ['PATCH', 'Bearer proof-2', '{"reachable":false}'],
    ],
  );
});

test('a suspended account is told with its reason, cut to what can be shown', async () => {
  const suspended = { ...face, state: 'suspended', reason: 'x'.repeat(9_000), display_name: 'A\ud83d' };
  await using server = await HostileServer.start(json(200, suspended));
  const state = await apiAt(server.url).api.self(sampleAccount);
  assert.equal(state.state, 'suspended');
  assert.equal(state.reason?.length, 256);
  assert.equal(state.displayName, 'A\ufffd');
});

test('un-enlisting again tells that there was nothing, in the words of the API only', async () => {
  await using server = await HostileServer.start(raw(204, ''));
  const { api } = apiAt(server.url);
  assert.equal(await api.unenlist(sampleAccount), 'done');
  server.answer = json(404, { error: 'not_enlisted', message: 'gone' });
  assert.equal(await api.unenlist(sampleAccount), 'was-not-enlisted');
  server.answer = raw(404, '<html>no such page</html>');
  await assert.rejects(api.unenlist(sampleAccount), { code: 'network/refused' });
  server.answer = json(200, {});
  await assert.rejects(api.unenlist(sampleAccount), { code: 'network/badAnswer' });
});

const identifiers: readonly Identifier[] = [
  { kind: 'phone', value: '+491701234567' },
  { kind: 'username', value: 'bob' },
  { kind: 'interop_id', value: 'b-1' },
];
const results = [
  { kind: 'phone', value: '+491701234567', status: 'unknown' },
  {
    kind: 'username',
    value: 'bob',
    status: 'reachable',
    jid: 'bob@gk.example',
    display_name: 'Bob',
    interop_id: 'b',
  },
  { kind: 'interop_id', value: 'b-1', status: 'not_opted_in' },
];

test('a lookup answers in the order asked', async () => {
  await using server = await HostileServer.start(json(200, { results }));
  assert.deepEqual(await apiAt(server.url).api.lookup(sampleAccount, identifiers), [
    { kind: 'phone', value: '+491701234567', status: 'unknown' },
    {
      kind: 'username',
      value: 'bob',
      status: 'reachable',
      contact: 'bob@gk.example',
      interopId: 'b',
      displayName: 'Bob',
    },
    { kind: 'interop_id', value: 'b-1', status: 'not-opted-in' },
  ]);
  assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ''), { identifiers });
});

test('a lookup of nobody asks nobody, and of too many is refused', async () => {
  await using server = await HostileServer.start();
  const { api } = apiAt(server.url);
  assert.deepEqual(await api.lookup(sampleAccount, []), []);
  const many = Array.from({ length: 257 }, (): Identifier => ({ kind: 'username', value: 'bob' }));
  await assert.rejects(api.lookup(sampleAccount, many), { code: 'network/refused' });
  assert.equal(server.seen.length, 0);
});

const falseResults: readonly [rule: string, results: unknown[]][] = [
  ['one too few', results.slice(1)],
  ['one too many', [...results, results[0]]],
  ['another order', results.toReversed()],
  ['another value', results.map((result) => ({ ...result, value: 'eve' }))],
  ['reachable without an address', results.map(({ jid: _, ...result }) => result)],
  ['an address elsewhere', results.map((result) => ({ ...result, jid: 'bob@evil.example' }))],
  ['an address with a resource', results.map((result) => ({ ...result, jid: 'bob@gk.example/x' }))],
  ['an unknown status', results.map((result) => ({ ...result, status: 'maybe' }))],
];
for (const [rule, wrong] of falseResults) {
  test(`a lookup is refused: ${rule}`, async () => {
    await using server = await HostileServer.start(json(200, { results: wrong }));
    const lookup = apiAt(server.url).api.lookup(sampleAccount, identifiers);
    await assert.rejects(lookup, { code: 'network/badAnswer' });
  });
}

test('a report names contact, reason and messages', async () => {
  await using server = await HostileServer.start(json(202, {}));
  const messages = [messageId('ab'.repeat(16))];
  const report = { contact: contactId('bob@gk.example'), reason: 'spam', messages };
  await apiAt(server.url).api.report(sampleAccount, report);
  const body = { jid: 'bob@gk.example', reason: 'spam', message_ids: messages };
  assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ''), body);
});

const falseEnlistments: readonly [rule: string, body: unknown][] = [
  ['no object', []],
  ['no members', {}],
  ['a JID elsewhere', { ...enlisted, jid: 'alice@evil.example' }],
  ['a JID with a resource', { ...enlisted, jid: 'alice-1@gk.example/x' }],
  ['device 0', { ...enlisted, device_id: 0 }],
  ['device 128', { ...enlisted, device_id: 128 }],
  ['device as text', { ...enlisted, device_id: '3' }],
  ['a host with a path', { ...enlisted, host: 'gk.example/x' }],
  ['a host with a user', { ...enlisted, host: 'x@gk.example' }],
  ['an empty host', { ...enlisted, host: '' }],
  ['port 0', { ...enlisted, port: 0 }],
  ['port 65536', { ...enlisted, port: 65_536 }],
  ['an interop id with a line break', { ...enlisted, interop_id: 'a\nb' }],
  ['a limit of 0', { ...enlisted, limits: { ...enlisted.limits, stanza_bytes: 0 } }],
  ['a thousand capabilities', { ...enlisted, capabilities: Array(1000).fill('text') }],
];
for (const [rule, body] of falseEnlistments) {
  test(`an enlistment is refused: ${rule}`, async () => {
    await using server = await HostileServer.start(json(201, body));
    await assert.rejects(apiAt(server.url).api.enlist(request), { code: 'network/badAnswer' });
  });
}

test('an answer about another account is refused', async () => {
  for (const change of [{ jid: 'eve@gk.example' }, { interop_id: 'eve' }, { device_id: 4 }]) {
    await using server = await HostileServer.start(json(200, { ...face, ...change }));
    await assert.rejects(apiAt(server.url).api.self(sampleAccount), { code: 'network/badAnswer' });
  }
});

const refusals: readonly [status: number, error: string, code: string, retry: string][] = [
  [400, 'bad_request', 'refused', 'never'],
  [401, 'bad_token', 'badToken', 'later'],
  [403, 'region_not_allowed', 'regionNotAllowed', 'after-user'],
  [403, 'suspended', 'suspended', 'after-user'],
  [403, 'terms_outdated', 'termsOutdated', 'after-user'],
  [404, 'not_enlisted', 'notEnlisted', 'after-user'],
  [409, 'identity_in_use', 'identityInUse', 'never'],
  [413, 'too_large', 'tooLarge', 'never'],
  [429, 'rate_limited', 'rateLimited', 'later'],
  [503, 'unavailable', 'unavailable', 'later'],
];
for (const [status, error, code, retry] of refusals) {
  test(`${status} ${error} is network/${code}, retry ${retry}`, async () => {
    const body = { error, message: 'secret words of the server', retry_after_ms: 1500.4 };
    await using server = await HostileServer.start(json(status, body));
    const failure = await failureOf(apiAt(server.url).api.self(sampleAccount));
    assert.equal(failure.code, `network/${code}`);
    assert.equal(failure.retry, retry);
    assert.equal(failure.arrived, 'no');
    assert.deepEqual(failure.facts, { status, retryAfterMs: 1500 });
    assert.doesNotMatch(failure.message, /secret/);
  });
}

const otherStatuses: readonly [answer: Answer, code: string][] = [
  [json(401, {}), 'badToken'],
  [raw(403, 'forbidden'), 'refused'],
  [json(403, { error: 'not_enlisted' }), 'refused'],
  [json(404, { error: 'toString' }), 'refused'],
  [raw(413, ''), 'tooLarge'],
  [raw(418, ''), 'refused'],
  [raw(500, ''), 'unanswered'],
  [raw(502, '<html>'), 'unanswered'],
  [raw(503, ''), 'unavailable'],
  [json(201, face), 'badAnswer'],
  [raw(204, ''), 'badAnswer'],
];
otherStatuses.forEach(([answer, code], index) => {
  test(`an answer that is not the API's own is told apart by its status, case ${index + 1}: ${code}`, async () => {
    await using server = await HostileServer.start(answer);
    await assert.rejects(apiAt(server.url).api.self(sampleAccount), { code: `network/${code}` });
  });
});

test('Retry-After is heeded where the body says nothing, and no wait is longer than a day', async () => {
  await using server = await HostileServer.start(raw(429, '', { 'retry-after': '7' }));
  const { api } = apiAt(server.url);
  assert.equal((await failureOf(api.self(sampleAccount))).facts.retryAfterMs, 7000);
  server.answer = json(429, { error: 'rate_limited', retry_after_ms: 1e15 });
  assert.equal((await failureOf(api.self(sampleAccount))).facts.retryAfterMs, 86_400_000);
  server.answer = json(429, { error: 'rate_limited', retry_after_ms: -1 });
  assert.equal((await failureOf(api.self(sampleAccount))).facts.retryAfterMs, undefined);
});

const garbage: readonly [rule: string, answer: Answer][] = [
  ['not JSON', raw(200, '{"interop_id":')],
  ['JSON that is not UTF-8', raw(200, Buffer.from([0x22, 0xff, 0x22]))],
  ['nothing', raw(200, '')],
  ['null', raw(200, 'null')],
  ['30,000 brackets', raw(200, '['.repeat(30_000))],
  ['more than 64 KiB', raw(200, ' '.repeat(64 * 1024 + 1))],
  ['more than 64 KiB in an error', raw(500, ' '.repeat(64 * 1024 + 1))],
  ['a redirect to itself', (response, { url }) => void response.writeHead(307, { location: url }).end()],
  ['no HTTP', (response) => void response.socket?.end('SSH-2.0-OpenSSH_9.2p1\r\n')],
  [
    'endless headers',
    (response) => void response.socket?.end(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}`),
  ],
];
for (const [rule, answer] of garbage) {
  test(`a bad answer: ${rule}`, async () => {
    await using server = await HostileServer.start(answer);
    const failure = await failureOf(apiAt(server.url).api.self(sampleAccount));
    assert.equal(failure.code, 'network/badAnswer');
    assert.equal(server.seen.length, 1);
  });
}

const breaks: readonly [rule: string, answer: Answer][] = [
  ['it closes without a word', (response) => void response.destroy()],
  [
    'it closes in the middle',
    (response) => void response.writeHead(200, { 'content-length': 9 }).write('x', () => response.destroy()),
  ],
  [
    'it switches protocols',
    (response) =>
      void response.socket?.write('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
  ],
];
for (const [rule, answer] of breaks) {
  test(`a server that breaks off leaves it open whether the request arrived: ${rule}`, async () => {
    await using server = await HostileServer.start(answer);
    const failure = await failureOf(apiAt(server.url).api.self(sampleAccount));
    assert.deepEqual([failure.code, failure.arrived], ['network/unanswered', 'unknown']);
  });
}

test('a mute server and one that drips are left at the deadline', async () => {
  const drip: Answer = (response) => {
    const timer = setInterval(() => response.write(' '), 20);
    response.on('close', () => clearInterval(timer));
  };
  for (const answer of [() => undefined, drip]) {
    await using server = await HostileServer.start(answer);
    const failure = await failureOf(apiAt(server.url, 150).api.self(sampleAccount));
    assert.deepEqual(
      [failure.code, failure.arrived, failure.facts.why],
      ['network/unanswered', 'unknown', 'deadline'],
    );
  }
});

test('a huge answer is left as soon as it grows past the bound', async () => {
  let written = 0;
  const flood: Answer = (response) => {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536))) written += 65_536;
    };
    response.on('drain', more).on('error', () => undefined);
    more();
  };
  await using server = await HostileServer.start(flood);
  await assert.rejects(apiAt(server.url).api.self(sampleAccount), { code: 'network/badAnswer' });
  assert.ok(written < 64 * 1024 * 1024, String(written));
});

test('where nobody listens nothing has arrived', async () => {
  const listener = net.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  listener.close();
  await once(listener, 'close');
  const failure = await failureOf(apiAt(`http://127.0.0.1:${port}`).api.enlist(request));
  assert.deepEqual([failure.code, failure.arrived, failure.retry], ['network/unreachable', 'no', 'later']);
});

test('a caller that gives up gets its own reason back', async () => {
  await using server = await HostileServer.start(() => undefined);
  const reason = new Error('shutting down');
  const controller = new AbortController();
  server.answer = () => controller.abort(reason);
  const { api } = apiAt(server.url);
  await assert.rejects(api.self(sampleAccount, controller.signal), reason);
  await assert.rejects(api.self(sampleAccount, AbortSignal.abort(reason)), reason);
  assert.equal(server.seen.length, 1);
});

test('what the proof of identity throws passes through, and nothing is sent', async () => {
  await using server = await HostileServer.start();
  const settings = { apiUrl: server.url, audience: 'a', domain: 'gk.example' };
  const http = new HttpClient({ clock: new StandingClock(), timeoutMs: 1000 });
  const failure = new Error('no key');
  const api = new EnlistmentApi({ http, settings, proof: () => Promise.reject(failure) });
  await assert.rejects(api.self(sampleAccount), failure);
  assert.equal(server.seen.length, 0);
});

async function failureOf(promise: Promise<unknown>): Promise<BridgeError> {
  const failure = await promise.then(
    () => assert.fail('must fail'),
    (reason: unknown) => reason,
  );
  assert.ok(failure instanceof BridgeError, String(failure));
  return failure;
}

test('limits of time, of reactions and of single kinds of media are read; unknown kinds are passed over', async () => {
  const told = {
    capabilities: ['read_marker', 'typing', 'levitation'],
    limits: { ...enlisted.limits, edit_seconds: 900, delete_seconds: 172_800, one_reaction_each: true },
    media: { image: { bytes: 5, types: ['image/jpeg'] }, smell: { bytes: 1 }, __proto__: { bytes: 2 } },
  };
  await using server = await HostileServer.start(json(201, { ...enlisted, ...told }));
  const { api } = apiAt(server.url);
  const { capabilities } = await api.enlist(request);
  assert.deepEqual(capabilities, {
    kinds: new Set(['read-marker', 'typing']),
    limits: {
      textCharacters: 1000,
      stanzaBytes: 262_144,
      mediaBytes: 1e8,
      editS: 900,
      deleteS: 172_800,
      oneReactionEach: true,
    },
    media: { image: { bytes: 5, types: ['image/jpeg'] } },
  });
});

test('what the network accepts now comes with the answer about oneself, if it is told there', async () => {
  await using server = await HostileServer.start(
    json(200, { ...face, capabilities: ['text'], limits: enlisted.limits }),
  );
  const { capabilities } = await apiAt(server.url).api.self(sampleAccount);
  assert.deepEqual([...(capabilities?.kinds ?? [])], ['text']);
});

test('an answer about oneself whose capabilities have no limits is refused', async () => {
  await using server = await HostileServer.start(json(200, { ...face, capabilities: ['text'] }));
  await assert.rejects(apiAt(server.url).api.self(sampleAccount), { code: 'network/badAnswer' });
});
