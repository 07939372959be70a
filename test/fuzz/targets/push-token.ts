/** Wake-ups: a token from anybody, judged by the gatekeeper's keys. */
import assert from 'node:assert/strict';
import { GatekeeperKeys } from '../../../src/network/interop/gatekeeper-keys.ts';
import { HttpClient } from '../../../src/network/interop/http-client.ts';
import { PushVerifier } from '../../../src/network/interop/push.ts';
import { HostileServer, json } from '../../unit/network/interop/hostile-server.ts';
import { NOW_MS, StandingClock } from '../../unit/network/interop/samples.ts';
import { defineTarget, unlessRejected } from '../fuzz-target.ts';
import { publicJwk, type TokenInput, tokenInputs, tokenOf } from '../words/jwt.ts';

const US = 'https://bridge.example.org';
const GATEKEEPER = 'https://gk.example';
const NOW_S = NOW_MS / 1000;
const claims = {
  iss: GATEKEEPER,
  aud: US,
  sub: 'alice-1',
  iat: NOW_S,
  exp: NOW_S + 60,
  jti: 'jti-1',
  event: 'message-waiting',
};

/** Refused with one code, or signed and about an account. Replays are refused too, so one and the same token is rare. */
export const pushToken = defineTarget<TokenInput>({
  name: 'push-token',
  weight: 40,
  inputs: tokenInputs(claims, [
    `"${GATEKEEPER}"`,
    `"${US}"`,
    '"b64"',
    '"crit"',
    `${NOW_S + 301}`,
    `["${US}"]`,
  ]),
  open: async () => {
    const server = await HostileServer.start(json(200, { keys: [publicJwk] }));
    const clock = new StandingClock();
    const http = new HttpClient({ clock, timeoutMs: 5_000 });
    const keys = new GatekeeperKeys({ http, clock, url: server.url });
    return {
      run: async (input) => {
        // A fresh one each time: what one run has used up must not hide what the next finds.
        const pushes = new PushVerifier({ keys, clock, audience: GATEKEEPER, issuer: US });
        const notice = await unlessRejected(
          'network/badPush',
          async () => await pushes.verify(tokenOf(input)),
        );
        if (notice === undefined) return;
        assert.ok(input.isSigned, 'a forged token was taken');
        assert.ok(notice.interopId.length > 0);
        const again = await unlessRejected(
          'network/badPush',
          async () => await pushes.verify(tokenOf(input)),
        );
        assert.equal(again, undefined, 'a token was good twice');
      },
      close: async () => await server[Symbol.asyncDispose](),
    };
  },
});
