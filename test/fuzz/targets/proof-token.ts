/** Proof tokens, at the reference gatekeeper: it judges what any bridge may send. */
import assert from 'node:assert/strict';
import { importSPKI } from 'jose';
import { systemClock } from '../../../src/ambient/clock.ts';
import { IssuerKeys } from '../../../src/sandbox/gatekeeper/issuer-keys.ts';
import { ProofJudge } from '../../../src/sandbox/gatekeeper/proof-token.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { NOW_MS } from '../../unit/network/interop/samples.ts';
import { defineTarget, unlessRejected } from '../fuzz-target.ts';
import { KEY_ID, publicKey, type TokenInput, tokenInputs, tokenOf } from '../words/jwt.ts';

const US = 'https://bridge.example.org';
const GATEKEEPER = 'https://gk.example';
const NOW_S = NOW_MS / 1000;

const claims = {
  iss: US,
  aud: GATEKEEPER,
  sub: '@alice:example.org',
  iat: NOW_S,
  nbf: NOW_S,
  exp: NOW_S + 60,
  jti: 'jti-12345',
  scope: 'connect',
  cnf: { signal_identity: 'A'.repeat(43) },
  interop_id: 'alice-1',
};

/** Refused with one code, or signed, for this gatekeeper, and of the scope that was asked for. */
export const proofToken = defineTarget<TokenInput>({
  name: 'proof-token',
  weight: 40,
  inputs: tokenInputs(claims, [`"${GATEKEEPER}"`, `"${US}"`, '"api"', '"b64"', '"crit"', `${NOW_S + 301}`]),
  open: async () => {
    const key = await importSPKI(String(publicKey.export({ type: 'spki', format: 'pem' })), 'ES256');
    const clock = { ...systemClock, nowMs: () => NOW_MS };
    const local = { issuer: US, keyId: KEY_ID, key };
    const issuers = new IssuerKeys({ trusted: [], local, clock, log: new RecordingLog() });
    const judge = new ProofJudge({ issuers, used: { claim: () => true }, clock, audience: GATEKEEPER });
    return {
      run: async (input) => {
        const refused = 'sandbox-gatekeeper/badToken';
        const proof = await unlessRejected(refused, async () => await judge.judge(tokenOf(input), 'connect'));
        if (proof === undefined) return;
        assert.ok(input.isSigned, 'a forged token was taken');
        assert.deepEqual([proof.issuer, proof.scope], [US, 'connect']);
      },
    };
  },
});
