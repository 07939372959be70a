import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { GatekeeperKeys } from '../../../../src/network/interop/gatekeeper-keys.ts';
import { HttpClient } from '../../../../src/network/interop/http-client.ts';
import { MediaTokenVerifier } from '../../../../src/network/interop/media-token.ts';
import { HostileServer, json } from './hostile-server.ts';
import { NOW_MS, StandingClock } from './samples.ts';

const GATEKEEPER = 'https://gk.example';
const US = 'https://bridge.example.org';
const NOW_S = NOW_MS / 1000;
const CLAIMS = { iss: GATEKEEPER, aud: US, iat: NOW_S, exp: NOW_S + 60, scope: 'media' };

const key = await generateKeyPair('ES256', { extractable: true });
const otherKey = await generateKeyPair('ES256', { extractable: true });

async function tokenOf(claims: object = {}, signer: CryptoKey = key.privateKey): Promise<string> {
  const payload = JSON.parse(JSON.stringify({ ...CLAIMS, ...claims }));
  return await new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(signer);
}

/** @param t the server is closed with it. */
async function verifier(t: TestContext) {
  const jwk = { ...(await exportJWK(key.publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
  const server = await HostileServer.start(json(200, { keys: [jwk] }));
  t.after(async () => await server[Symbol.asyncDispose]());
  const clock = new StandingClock();
  const http = new HttpClient({ clock, timeoutMs: 5_000 });
  const keys = new GatekeeperKeys({ http, clock, url: `${server.url}/jwks.json` });
  return new MediaTokenVerifier({ keys, clock, audience: GATEKEEPER, issuer: US });
}

test('a token for media that the gatekeeper has signed is good, more than once, among other scopes too', async (t) => {
  const tokens = await verifier(t);
  const token = await tokenOf();
  await tokens.verify(token);
  await tokens.verify(token);
  await tokens.verify(await tokenOf({ scope: 'other media' }));
});

test('a token of another key, time, audience, issuer or scope is not, and its claims are not told', async (t) => {
  const tokens = await verifier(t);
  const wrong = [
    await tokenOf({}, otherKey.privateKey),
    await tokenOf({ iss: 'https://secret.example' }),
    await tokenOf({ aud: 'https://secret.example' }),
    await tokenOf({ exp: NOW_S - 60 }),
    await tokenOf({ iat: NOW_S - 400, exp: NOW_S + 60 }),
    await tokenOf({ iat: undefined }),
    await tokenOf({ exp: undefined }),
    await tokenOf({ scope: undefined }),
    await tokenOf({ scope: 'push secret' }),
    await tokenOf({ scope: ['media'] }),
    await tokenOf({ scope: 'mediaeval' }),
    'not a token',
    'x'.repeat(9_000),
  ];
  for (const token of wrong) {
    await assert.rejects(tokens.verify(token), (failure: Error & { code?: string }) => {
      assert.equal(failure.code, 'network/badMediaToken');
      return !failure.message.includes('secret');
    });
  }
});
