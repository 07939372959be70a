import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import {
  type CryptoKey,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTHeaderParameters,
  SignJWT,
} from 'jose';
import { GatekeeperKeys } from '../../../../src/network/interop/gatekeeper-keys.ts';
import { HttpClient } from '../../../../src/network/interop/http-client.ts';
import { PushVerifier } from '../../../../src/network/interop/push.ts';
import { HostileServer, json, raw } from './hostile-server.ts';
import { NOW_MS, StandingClock } from './samples.ts';

const GATEKEEPER = 'https://gk.example';
const US = 'https://bridge.example.org';
const NOW_S = NOW_MS / 1000;

async function newKey(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' };
  return { kid, jwk, privateKey, spki: await exportSPKI(publicKey) };
}
const key = await newKey('k1');
const otherKey = await newKey('k2');

let tokens = 0;
const claimsNow = () => {
  tokens += 1;
  return {
    iss: GATEKEEPER,
    aud: US,
    sub: 'alice-1',
    iat: NOW_S,
    exp: NOW_S + 60,
    jti: `jti-${tokens}`,
    event: 'message-waiting',
  };
};
type Claims = Partial<Record<keyof ReturnType<typeof claimsNow>, unknown>>;

async function tokenOf(
  claims: Claims = {},
  header: Partial<JWTHeaderParameters> = {},
  signer: CryptoKey = key.privateKey,
): Promise<string> {
  const payload = JSON.parse(JSON.stringify({ ...claimsNow(), ...claims }));
  return await new SignJWT(payload)
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: 'k1', ...header })
    .sign(signer);
}

async function world(keys: unknown[] = [key.jwk]) {
  const server = await HostileServer.start(json(200, { keys }));
  const clock = new StandingClock();
  const http = new HttpClient({ clock, timeoutMs: 5_000 });
  const pushes = new PushVerifier({
    keys: new GatekeeperKeys({ http, clock, url: `${server.url}/jwks.json` }),
    clock,
    audience: GATEKEEPER,
    issuer: US,
  });
  return { server, clock, pushes, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const badPush = { code: 'network/badPush' };

test('a good token names the account and the event', async () => {
  await using at = await world();
  for (const event of ['message-waiting', 'suspended', 'terms-changed']) {
    assert.deepEqual(await at.pushes.verify(await tokenOf({ event })), { interopId: 'alice-1', event });
  }
  assert.equal(at.server.seen.length, 1, 'the keys are kept');
});

test('an event of a later profile is told as unknown', async () => {
  await using at = await world();
  assert.equal((await at.pushes.verify(await tokenOf({ event: 'party' }))).event, 'unknown');
});

test('a token is good once', async () => {
  await using at = await world();
  const token = await tokenOf();
  await at.pushes.verify(token);
  await assert.rejects(at.pushes.verify(token), badPush);
  await assert.rejects(at.pushes.verify(await tokenOf({ jti: `jti-${tokens}` })), badPush);
  // For as long as it would be taken but for that: 60 s, and 30 s between the clocks.
  at.clock.advance(89_000);
  await assert.rejects(at.pushes.verify(token), badPush);
});

const forgedClaims: readonly [rule: string, claims: Claims][] = [
  ['by another issuer', { iss: 'https://evil.example' }],
  ['without an issuer', { iss: undefined }],
  ['for somebody else', { aud: 'https://other.example.org' }],
  ['for nobody', { aud: undefined }],
  ['expired', { iat: NOW_S - 120, exp: NOW_S - 31 }],
  ['without an end', { exp: undefined }],
  ['with an end that is text', { exp: 'tomorrow' }],
  ['that lasts too long', { exp: NOW_S + 301 }],
  ['too old, though it lasts', { iat: NOW_S - 331, exp: NOW_S + 60 }],
  ['from the future', { iat: NOW_S + 60 }],
  ['without a time', { iat: undefined }],
  ['without an id', { jti: undefined }],
  ['with an empty id', { jti: '' }],
  ['with an overlong id', { jti: 'x'.repeat(129) }],
  ['about nobody', { sub: undefined }],
  ['about a list', { sub: ['alice-1'] }],
  ['without an event', { event: undefined }],
];
for (const [rule, claims] of forgedClaims) {
  test(`a token is refused: ${rule}`, async () => {
    await using at = await world();
    await assert.rejects(at.pushes.verify(await tokenOf(claims)), badPush);
  });
}

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

test('a token is refused: unsigned (alg none)', async () => {
  await using at = await world();
  for (const alg of ['none', 'None', 'NONE']) {
    const token = `${part({ alg, typ: 'JWT', kid: 'k1' })}.${part(claimsNow())}.`;
    await assert.rejects(at.pushes.verify(token), badPush);
  }
});

test('a token is refused: HS256 with the public key as the secret', async () => {
  await using at = await world();
  const secrets = [key.spki, JSON.stringify(key.jwk), Buffer.from(key.jwk.x ?? '', 'base64url')];
  for (const secret of secrets) {
    const signed = `${part({ alg: 'HS256', typ: 'JWT', kid: 'k1' })}.${part(claimsNow())}`;
    const token = `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
    await assert.rejects(at.pushes.verify(token), badPush);
  }
});

test('a token is refused: signed by another key under a known id, or with a key of its own', async () => {
  await using at = await world();
  await assert.rejects(at.pushes.verify(await tokenOf({}, {}, otherKey.privateKey)), badPush);
  const header = { jwk: otherKey.jwk } as Partial<JWTHeaderParameters>;
  await assert.rejects(at.pushes.verify(await tokenOf({}, header, otherKey.privateKey)), badPush);
});

test('a token is refused: changed after signing', async () => {
  await using at = await world();
  const [header, , signature] = (await tokenOf()).split('.');
  await assert.rejects(
    at.pushes.verify(`${header}.${part({ ...claimsNow(), sub: 'eve' })}.${signature}`),
    badPush,
  );
});

test('a token is refused: not a token', async () => {
  await using at = await world();
  for (const token of ['', '.', '..', 'a.b.c', 'x'.repeat(8193), '\u0000', `${'é'.repeat(100)}.a.b`]) {
    await assert.rejects(at.pushes.verify(token), badPush, token.slice(0, 20));
  }
  assert.equal(at.server.seen.length, 0);
});

test('a new key is fetched when a token names it, once for all who come with it', async () => {
  await using at = await world();
  await at.pushes.verify(await tokenOf());
  at.server.answer = json(200, { keys: [otherKey.jwk] });
  at.clock.advance(31_000);
  const time = { iat: NOW_S + 31, exp: NOW_S + 60 };
  const fresh = await Promise.all([1, 2, 3].map(() => tokenOf(time, { kid: 'k2' }, otherKey.privateKey)));
  await Promise.all(fresh.map((token) => at.pushes.verify(token)));
  assert.equal(at.server.seen.length, 2);
  await assert.rejects(at.pushes.verify(await tokenOf(time)), badPush, 'the old key is gone');
});

test('a flood of unknown key ids asks for the keys once in a while only', async () => {
  await using at = await world();
  const forged = await Promise.all(
    Array.from({ length: 50 }, (_, index) => tokenOf({}, { kid: `x${index}` })),
  );
  for (const token of forged) await assert.rejects(at.pushes.verify(token), badPush);
  await Promise.all(forged.map((token) => assert.rejects(at.pushes.verify(token), badPush)));
  assert.equal(at.server.seen.length, 1);
  at.clock.advance(30_000);
  for (const token of forged) await assert.rejects(at.pushes.verify(token), badPush);
  assert.equal(at.server.seen.length, 2);
});

test('while the keys cannot be had, the token is not called bad, and the server is not pressed', async () => {
  await using at = await world();
  at.server.answer = raw(500, 'no');
  const token = await tokenOf();
  for (let attempt = 0; attempt < 10; attempt += 1) {
    await assert.rejects(at.pushes.verify(token), { code: 'network/unavailable' });
  }
  assert.equal(at.server.seen.length, 1);
  at.server.answer = json(200, { keys: [key.jwk] });
  at.clock.advance(30_000);
  assert.equal((await at.pushes.verify(token)).interopId, 'alice-1');
});

test('keys grow old: a withdrawn one is not used for longer than ten minutes', async () => {
  await using at = await world();
  await at.pushes.verify(await tokenOf());
  at.server.answer = raw(503, '');
  at.clock.advance(600_000);
  const token = await tokenOf({ iat: NOW_S + 600, exp: NOW_S + 660 });
  await assert.rejects(at.pushes.verify(token), { code: 'network/unavailable' });
});

const falseKeys: readonly [rule: string, body: string][] = [
  ['not JSON', '<html>'],
  ['no list', '{"keys":{}}'],
  ['a key without a type', '{"keys":[{}]}'],
  ['a redirect in words', '"moved"'],
  ['more than 64 KiB', `{"keys":[]${' '.repeat(65_536)}}`],
];
for (const [rule, body] of falseKeys) {
  test(`a bad key set is a fault of the gatekeeper: ${rule}`, async () => {
    await using at = await world();
    at.server.answer = raw(200, body);
    await assert.rejects(at.pushes.verify(await tokenOf()), { code: 'network/badAnswer' });
  });
}

test('a key that is no point of its curve is a fault of the gatekeeper', async () => {
  await using at = await world([{ ...key.jwk, x: key.jwk.y, y: key.jwk.x }]);
  await assert.rejects(at.pushes.verify(await tokenOf()), { code: 'network/badAnswer' });
});

test('an RSA or symmetric key in the set signs nothing', async () => {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
  await using at = await world([
    { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' },
    { kty: 'oct', k: 'AAAA', kid: 'k1', alg: 'HS256' },
  ]);
  await assert.rejects(at.pushes.verify(await tokenOf({}, { alg: 'RS256' }, privateKey)), badPush);
});
