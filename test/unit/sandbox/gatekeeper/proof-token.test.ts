import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CryptoKey, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';

import { IssuerKeys } from '../../../../src/sandbox/gatekeeper/issuer-keys.ts';
import { checkClaims, checkHeader, ProofJudge } from '../../../../src/sandbox/gatekeeper/proof-token.ts';
import { GatekeeperStore } from '../../../../src/sandbox/gatekeeper/store.ts';
import { heldClock } from '../../../doubles/held-clock.ts';
import { RecordingLog } from '../../../doubles/recording-log.ts';

const nowS = 1_800_000_000;
const good = {
  iss: 'https://bridge.test',
  aud: 'https://gk.test',
  sub: '@alice:hs.test',
  iat: nowS,
  nbf: nowS,
  exp: nowS + 300,
  jti: '0123456789',
  scope: 'connect',
  cnf: { signal_identity: 'A'.repeat(43) },
  interop_id: 'u1',
};
const expected = { audience: 'https://gk.test', scope: 'connect', nowS } as const;
const badToken = { code: 'sandbox-gatekeeper/badToken' };

test('good claims become a proof', () => {
  const proof = checkClaims(good, expected);
  assert.equal(proof.subject, '@alice:hs.test');
  assert.equal(proof.interopId, 'u1');
});

const spoilt: Record<string, Record<string, unknown>> = {
  'another audience': { aud: 'https://other.test' },
  'several audiences': { aud: ['https://gk.test', 'https://other.test'] },
  'another scope': { scope: 'api' },
  'an expiry that has passed': { exp: nowS - 6, iat: nowS - 100 },
  'no expiry': { exp: undefined },
  'a life of more than five minutes': { exp: nowS + 301 },
  'an expiry before its issue': { exp: nowS, iat: nowS + 1 },
  'an issue in the future': { iat: nowS + 6, nbf: nowS, exp: nowS + 60 },
  'a start in the future': { nbf: nowS + 6 },
  'no start': { nbf: undefined },
  'no token id': { jti: undefined },
  'no identity key': { cnf: undefined },
  'an identity key of another size': { cnf: { signal_identity: 'AA' } },
  'a subject that is no string': { sub: 7 },
};
for (const [what, change] of Object.entries(spoilt)) {
  test(`${what} is refused`, () => {
    assert.throws(() => checkClaims({ ...good, ...change }, expected), badToken);
  });
}

test('only ES256 with a key id and no critical extension is a header', () => {
  assert.equal(checkHeader({ alg: 'ES256', typ: 'JWT', kid: 'k' }), 'k');
  for (const change of [
    { alg: 'none' },
    { alg: 'HS256' },
    { typ: 'at+jwt' },
    { kid: '' },
    { kid: 'k'.repeat(129) },
    { crit: ['b64'] },
  ]) {
    assert.throws(() => checkHeader({ alg: 'ES256', typ: 'JWT', kid: 'k', ...change }), badToken);
  }
});

async function bench() {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const clock = heldClock(nowS * 1000);
  const store = new GatekeeperStore(':memory:');
  const local = { issuer: good.iss, keyId: 'k1', key: publicKey };
  const issuers = new IssuerKeys({ trusted: [], local, clock, log: new RecordingLog() });
  const judge = new ProofJudge({ issuers, used: store, clock, audience: good.aud });
  const sign = (claims: object, key: CryptoKey | Uint8Array = privateKey, header = {}) =>
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: 'k1', ...header })
      .sign(key);
  return { judge, sign, clock, store };
}

test('a token is good once', async () => {
  const { judge, sign } = await bench();
  const token = await sign(good);
  assert.equal((await judge.judge(token, 'connect')).subject, good.sub);
  await assert.rejects(judge.judge(token, 'connect'), badToken);
});

test('a token that was refused for its scope is not used up', async () => {
  const { judge, sign } = await bench();
  const token = await sign(good);
  await assert.rejects(judge.judge(token, 'api'), badToken);
  await judge.judge(token, 'connect');
});

test('of ten uses at the same moment one succeeds', async () => {
  const { judge, sign } = await bench();
  const token = await sign(good);
  const uses = await Promise.allSettled(Array.from({ length: 10 }, () => judge.judge(token, 'connect')));
  assert.equal(uses.filter(({ status }) => status === 'fulfilled').length, 1);
});

test('used tokens are remembered until they have expired, and not for ever', async () => {
  const { store } = await bench();
  const token = { issuer: 'i', tokenId: 't', expiresAtS: 100 };
  assert.ok(store.claim(token, 50));
  assert.ok(!store.claim(token, 105));
  assert.ok(store.claim(token, 1000));
});

test('another key, no signature, a symmetric signature and noise are refused', async () => {
  const { judge, sign } = await bench();
  const other = await generateKeyPair('ES256');
  const unsecured = new UnsecuredJWT(good).encode();
  const symmetric = await sign(good, new TextEncoder().encode('x'.repeat(32)), { alg: 'HS256' });
  const tampered = (await sign(good)).replace(
    /\.[^.]+\./,
    `.${btoa(JSON.stringify(good)).replace(/=+$/, '')}x.`,
  );
  const tokens = [
    await sign(good, other.privateKey),
    unsecured,
    symmetric,
    tampered,
    '',
    'a.b.c',
    'e30.e30.e30',
    'x'.repeat(9000),
  ];
  for (const token of tokens) await assert.rejects(judge.judge(token, 'connect'), badToken);
});

test('a key id or issuer that is not known is refused', async () => {
  const { judge, sign } = await bench();
  for (const token of [
    await sign(good, undefined, { kid: 'k2' }),
    await sign({ ...good, iss: 'https://x.test' }),
  ]) {
    await assert.rejects(judge.judge(token, 'connect'), badToken);
  }
});
