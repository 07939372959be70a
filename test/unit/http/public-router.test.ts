import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Router } from 'express';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { systemClock } from '../../../src/ambient/clock.ts';
import { systemRandom } from '../../../src/ambient/random.ts';
import { createHttp } from '../../../src/http/http.ts';
import {
  createPublicRouter,
  type PublicRouterDeps,
  type PushOutcome,
} from '../../../src/http/public-router.ts';
import { createIssuer, JWKS_PATH } from '../../../src/identity/identity.ts';
import { defineErrors } from '../../../src/model/errors.ts';
import { matrixUserId } from '../../../src/model/ids.ts';
import { openStorage } from '../../../src/storage/storage.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { get } from './http-client.ts';

const errors = defineErrors('probe', { away: { retry: 'later', arrived: 'no', notice: 'internal' } });
const PUSH = '/interop/v1/push';

async function startPublic(changes: Partial<PublicRouterDeps> = {}) {
  const tokens: string[] = [];
  const log = new RecordingLog();
  const router = createPublicRouter({
    issuer: {
      discovery: () => ({ issuer: 'https://bridge.example' }),
      jwks: async () => ({ body: { keys: [{ kid: 'k1' }] }, maxAgeS: 600 }),
    },
    onPush: async (token) => {
      tokens.push(token);
      return token as PushOutcome;
    },
    ...changes,
  });
  const other = Router();
  const http = createHttp({
    listeners: [{ bindAddress: '127.0.0.1', port: 0, resources: ['public'] }],
    resources: { public: router, appservice: other, health: other, metrics: other },
    log,
    clock: systemClock,
  });
  const [port = 0] = await http.start();
  const push = async (authorization?: string) =>
    await get(port, PUSH, { method: 'POST', headers: authorization === undefined ? {} : { authorization } });
  return { port, push, tokens, log, [Symbol.asyncDispose]: async () => await http.stop(0) };
}

test('the discovery document and the JWKS may be cached publicly, the JWKS for as long as the issuer says', async () => {
  await using world = await startPublic();
  const discovery = await get(world.port, '/.well-known/openid-configuration');
  assert.deepEqual([discovery.status, discovery.json], [200, { issuer: 'https://bridge.example' }]);
  assert.equal(discovery.headers.get('cache-control'), 'public, max-age=300');
  const jwks = await get(world.port, '/.well-known/jwks.json');
  assert.deepEqual([jwks.status, jwks.json], [200, { keys: [{ kid: 'k1' }] }]);
  assert.equal(jwks.headers.get('cache-control'), 'public, max-age=600');
});

test('the JWKS stands where the issuer’s discovery document says', async () => {
  await using world = await startPublic();
  assert.equal((await get(world.port, JWKS_PATH)).status, 200);
});

test('who follows the discovery document can verify a proof token', async () => {
  const storage = await openStorage({
    database: { type: 'sqlite', file: ':memory:' },
    masterKey: Buffer.alloc(32, 1),
    clock: systemClock,
    random: systemRandom,
  });
  const url = 'http://127.0.0.1';
  const settings = {
    issuer: url,
    pushEndpoint: url,
    mediaBase: url,
    rotationDays: 30,
    jwksMaxAgeS: 600,
    tokenLifetimeS: 60,
  };
  const deps = {
    database: storage.database,
    keys: storage.issuerKeys,
    clock: systemClock,
    random: systemRandom,
  };
  const issuer = createIssuer({ ...deps, settings, log: new RecordingLog() });
  await issuer.tick();
  await using world = await startPublic({ issuer });
  const discovery = (await get(world.port, '/.well-known/openid-configuration')).json as { jwks_uri: string };
  const jwks = createRemoteJWKSet(new URL(discovery.jwks_uri.replace(url, `${url}:${world.port}`)));
  const user = matrixUserId('@alice:hs.example');
  const token = await issuer.mintProof({
    audience: 'gk',
    subject: user,
    scope: 'enlist',
    signalIdentity: Buffer.alloc(33),
  });
  const { payload } = await jwtVerify(token, jwks, { issuer: url, audience: 'gk', algorithms: ['ES256'] });
  assert.equal(payload.sub, user);
  await storage.close();
});

test('keys that cannot be read are answered with 503, which nobody may cache', async () => {
  const jwks = async () => await Promise.reject(errors.away());
  await using world = await startPublic({ issuer: { discovery: () => ({}), jwks } });
  const got = await get(world.port, '/.well-known/jwks.json');
  assert.equal(got.status, 503);
  assert.equal(got.headers.get('cache-control'), 'no-store');
});

test('a public URL with a path is answered with and without it', async () => {
  await using world = await startPublic({ basePath: '/bridge/' });
  for (const path of ['/bridge/.well-known/jwks.json', '/.well-known/jwks.json']) {
    assert.equal((await get(world.port, path)).status, 200);
  }
});

test('a push is answered by what became of it', async () => {
  await using world = await startPublic();
  const accepted = await world.push('Bearer accepted');
  assert.deepEqual([accepted.status, accepted.json], [202, {}]);
  const unknown = await world.push('bearer unknown');
  assert.deepEqual([unknown.status, (unknown.json as { error: string }).error], [404, 'not_enlisted']);
  const bad = await world.push('Bearer bad-token');
  assert.deepEqual([bad.status, (bad.json as { error: string }).error], [401, 'bad_token']);
  assert.equal(bad.headers.get('www-authenticate'), 'Bearer');
  assert.deepEqual(world.tokens, ['accepted', 'unknown', 'bad-token']);
});

for (const [what, authorization] of [
  ['none', undefined],
  ['another scheme', 'Basic YTpi'],
  ['an empty token', 'Bearer '],
  ['two tokens', 'Bearer a b'],
  ['a token too long', `Bearer ${'a'.repeat(8_192)}`],
] as const) {
  test(`a push with ${what} for authorization is refused before anyone looks at it`, async () => {
    await using world = await startPublic();
    assert.equal((await world.push(authorization)).status, 401);
    assert.deepEqual(world.tokens, []);
  });
}

test('only POST pushes', async () => {
  await using world = await startPublic();
  assert.equal((await get(world.port, PUSH, { headers: { authorization: 'Bearer accepted' } })).status, 404);
  assert.deepEqual(world.tokens, []);
});

test('a push that fails is a 503 when it may be tried again, and the next one is taken', async () => {
  let fails = true;
  const onPush = async (): Promise<PushOutcome> => {
    if (fails) throw errors.away();
    return 'accepted';
  };
  await using world = await startPublic({ onPush });
  assert.equal((await world.push('Bearer x')).status, 503);
  fails = false;
  assert.equal((await world.push('Bearer x')).status, 202);
});

test('a flood of pushes is refused above a bound, and taken again when it is over', async () => {
  const over = new AbortController();
  const onPush = async (): Promise<PushOutcome> => {
    if (!over.signal.aborted) await once(over.signal, 'abort');
    return 'accepted';
  };
  await using world = await startPublic({ onPush });
  const flood = Array.from({ length: 100 }, async () => {
    const { status } = await world.push('Bearer x');
    // The first that is refused shows that the bound is reached: the others may end.
    if (status === 503) over.abort();
    return status;
  });
  const statuses = await Promise.all(flood);
  assert.ok(statuses.includes(503));
  assert.ok(statuses.filter((status) => status === 202).length >= 64);
  assert.equal((await world.push('Bearer x')).status, 202);
});
