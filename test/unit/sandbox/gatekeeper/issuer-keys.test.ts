import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { exportJWK, generateKeyPair, type JWK } from 'jose';

import { IssuerKeys, maxAgeOf } from '../../../../src/sandbox/gatekeeper/issuer-keys.ts';
import { heldClock } from '../../../doubles/held-clock.ts';
import { RecordingLog } from '../../../doubles/recording-log.ts';

const unavailable = { code: 'sandbox-gatekeeper/unavailable' };
const pair = await generateKeyPair('ES256', { extractable: true });
const publicJwk = await exportJWK(pair.publicKey);
const local = { issuer: 'urn:local', keyId: 'l', key: pair.publicKey };
const key = (kid: string): JWK => ({ ...publicJwk, kid, alg: 'ES256', use: 'sig' });
const servers: { close(): void; closeAllConnections(): void }[] = [];
after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** An issuer on loopback; `answer` may be changed while it runs. */
async function miniIssuer() {
  const answer = {
    keys: [key('k1')],
    issuer: '',
    status: 200,
    maxAge: 'max-age=60',
    fetches: 0,
    padding: '',
  };
  const server = createServer((request, response) => {
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const isDiscovery = request.url === '/.well-known/openid-configuration';
    if (!isDiscovery) answer.fetches += 1;
    const interop = { push_endpoint: `${base}/push`, versions: [1] };
    const discovery = { issuer: answer.issuer || base, jwks_uri: `${base}/jwks`, interop };
    const body = isDiscovery ? discovery : { keys: answer.keys, padding: answer.padding };
    response.writeHead(answer.status, { 'cache-control': answer.maxAge }).end(JSON.stringify(body));
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const clock = heldClock(1_000_000);
  const keys = new IssuerKeys({ trusted: [issuer], local, clock, log: new RecordingLog() });
  return { answer, issuer, clock, keys };
}

test('keys are fetched once and kept for as long as max-age says', async () => {
  const { answer, issuer, clock, keys } = await miniIssuer();
  assert.ok(await keys.find(issuer, 'k1'));
  clock.advance(59_000);
  assert.ok(await keys.find(issuer, 'k1'));
  assert.equal(answer.fetches, 1);
  clock.advance(2000);
  assert.ok(await keys.find(issuer, 'k1'));
  assert.equal(answer.fetches, 2);
});

test('an unknown key id causes one fetch, and a flood of them no more than one each two seconds', async () => {
  const { answer, issuer, clock, keys } = await miniIssuer();
  await keys.find(issuer, 'k1');
  answer.keys = [key('k1'), key('k2')];
  assert.equal(await keys.find(issuer, 'k2'), undefined);
  clock.advance(2000);
  assert.ok(await keys.find(issuer, 'k2'));
  for (let n = 0; n < 20; n += 1) await keys.find(issuer, `made-up-${n}`);
  assert.equal(answer.fetches, 2);
});

test('ten who ask at once share one fetch', async () => {
  const { answer, issuer, keys } = await miniIssuer();
  await Promise.all(Array.from({ length: 10 }, () => keys.find(issuer, 'k1')));
  assert.equal(answer.fetches, 1);
});

test('a key that was taken back is gone after max-age', async () => {
  const { answer, issuer, clock, keys } = await miniIssuer();
  await keys.find(issuer, 'k1');
  answer.keys = [];
  clock.advance(61_000);
  assert.equal(await keys.find(issuer, 'k1'), undefined);
});

test('keys for another purpose or algorithm do not count', async () => {
  const { answer, issuer, keys } = await miniIssuer();
  answer.keys = [
    { ...key('enc'), use: 'enc' },
    { ...key('alg'), alg: 'ES384' },
  ];
  assert.equal(await keys.find(issuer, 'enc'), undefined);
  assert.equal(await keys.find(issuer, 'alg'), undefined);
});

test('an issuer that is not trusted is never asked', async () => {
  const { answer, issuer, keys } = await miniIssuer();
  assert.equal(await keys.find(`${issuer}/other`, 'k1'), undefined);
  assert.equal(answer.fetches, 0);
});

test('a document of another issuer, an error, and one that is too large are unavailable', async () => {
  const { answer, issuer, keys } = await miniIssuer();
  for (const change of [{ issuer: 'https://evil.test' }, { status: 500 }, { padding: 'x'.repeat(70_000) }]) {
    Object.assign(answer, { issuer: '', status: 200, padding: '' }, change);
    await assert.rejects(keys.find(issuer, 'k1'), unavailable);
  }
});

test('max-age is read from Cache-Control, and no-store means zero', () => {
  assert.equal(maxAgeOf('public, max-age=300'), 300);
  assert.equal(maxAgeOf('no-store, max-age=300'), 0);
  assert.equal(maxAgeOf('max-age=9999999999'), 86_400);
  assert.equal(maxAgeOf(null), 60);
});
