/** Answers of a gatekeeper's API and of its key set, over a real connection. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BridgeError } from '../../../src/model/errors.ts';
import { EnlistmentApi } from '../../../src/network/interop/enlistment.ts';
import { GatekeeperKeys } from '../../../src/network/interop/gatekeeper-keys.ts';
import { HttpClient } from '../../../src/network/interop/http-client.ts';
import { PushVerifier } from '../../../src/network/interop/push.ts';
import { HostileServer } from '../../unit/network/interop/hostile-server.ts';
import { NOW_MS, StandingClock, sampleAccount, sampleDevice } from '../../unit/network/interop/samples.ts';
import { defineTarget, unlessRejected } from '../fuzz-target.ts';
import { type AnswerInput, hostileAnswers, toAnswer } from '../hostile-answers.ts';
import { KEY_ID, publicJwk, tokenOf } from '../words/jwt.ts';

const calls = ['enlist', 'self', 'update', 'unenlist', 'lookup', 'report', 'push'] as const;
type Call = (typeof calls)[number];
interface Input {
  readonly call: Call;
  readonly answer: AnswerInput;
}

const identity = { interop_id: 'alice-1', jid: 'alice-1@gk.example', device_id: 3 };
const enlisted = {
  ...identity,
  host: 'xmpp.gk.example',
  port: 5223,
  capabilities: ['text', 'boundary_notice', 'x'],
  limits: { text_characters: 1000, stanza_bytes: 262_144, media_bytes: 1e8 },
};
const found = {
  kind: 'username',
  value: 'bob',
  status: 'reachable',
  jid: 'bob@gk.example',
  display_name: 'Bob',
};
const refused = { error: 'rate_limited', message: 'slow', retry_after_ms: 5000 };
/** Sound bodies of each call; each call also gets those of the others. */
const bodies: Readonly<Record<Call, readonly object[]>> = {
  enlist: [enlisted],
  self: [{ ...identity, state: 'suspended', reason: 'x', display_name: 'Alice', reachable: true }],
  update: [{ ...identity, state: 'active', reachable: false }],
  unenlist: [{ error: 'not_enlisted' }],
  lookup: [{ results: [found] }, { results: [{ kind: 'username', value: 'bob', status: 'not_opted_in' }] }],
  report: [{}],
  push: [{ keys: [publicJwk] }],
};
const words = [
  ...[
    '"not_enlisted"',
    '"suspended"',
    '"terms_outdated"',
    '"bad_token"',
    '"interop_id"',
    '"results"',
    '"keys"',
    '"limits"',
  ],
  ...[
    '"bob@gk.example"',
    '"BOB@GK.example"',
    '"bob@other.example"',
    '"a@b@c"',
    '"İ@gk.example"',
    '"[::1]"',
    '"a:1/b"',
  ],
  ...[
    '"kty"',
    '"oct"',
    '"RSA"',
    '"OKP"',
    '"P-384"',
    '"ES384"',
    '"d"',
    '"key_ops"',
    '["verify"]',
    '["sign"]',
    '"enc"',
    '"AQAB"',
  ],
];

const inputs: fc.Arbitrary<Input> = fc.oneof(
  ...calls.map((call) =>
    fc.record(
      {
        call: fc.constant(call),
        answer: hostileAnswers(
          [...bodies[call], ...bodies[call], refused].map((body) => JSON.stringify(body)),
          words,
        ),
      },
      { noNullPrototype: true },
    ),
  ),
);

/** A `network/…` error or what the contract promises, and no connection is left behind. */
export const gatekeeperAnswer = defineTarget<Input>({
  name: 'gatekeeper-answer',
  weight: 12,
  inputs,
  open: async () => {
    const server = await HostileServer.start();
    const clock = new StandingClock();
    const http = new HttpClient({ clock, timeoutMs: 5_000 });
    const settings = { apiUrl: server.url, audience: 'https://gk.example', domain: 'gk.example' };
    const api = new EnlistmentApi({ http, proof: async () => 'proof', settings });
    return {
      run: async ({ call, answer }) => {
        server.seen.length = 0;
        server.answer = toAnswer(answer);
        if (call === 'push') await push(http, clock, server.url);
        else await unlessRejected('network/', async () => await ask(api, call));
      },
      close: async () => await server[Symbol.asyncDispose](),
    };
  },
});

async function ask(api: EnlistmentApi, call: Exclude<Call, 'push'>): Promise<void> {
  switch (call) {
    case 'enlist': {
      const { jid, port } = await api.enlist({
        user: sampleAccount.user,
        termsVersion: '1',
        device: sampleDevice,
      });
      assert.match(jid, /@gk\.example$/);
      assert.ok(port > 0 && port < 65_536);
      return;
    }
    case 'self':
      await api.self(sampleAccount);
      return;
    case 'update':
      await api.update(sampleAccount, { reachable: true });
      return;
    case 'unenlist':
      await api.unenlist(sampleAccount);
      return;
    case 'lookup':
      for (const one of await api.lookup(sampleAccount, [{ kind: 'username', value: 'bob' }])) {
        if (one.status !== 'reachable') continue;
        assert.match(one.contact, /@gk\.example$/);
        assert.ok((one.displayName ?? '').isWellFormed() && [...(one.displayName ?? '')].length <= 256);
      }
      return;
    case 'report':
      await api.report(sampleAccount, { contact: sampleAccount.jid, reason: 'x', messages: [] });
      return;
    default:
      call satisfies never;
  }
}

/** A sound token; what is not is the key set. */
async function push(http: HttpClient, clock: StandingClock, url: string): Promise<void> {
  const iat = NOW_MS / 1000;
  const claims = {
    iss: 'https://gk.example',
    aud: 'us',
    sub: 'alice-1',
    iat,
    exp: iat + 60,
    jti: 'j',
    event: 'x',
  };
  const token = tokenOf({
    header: [JSON.stringify({ alg: 'ES256', typ: 'JWT', kid: KEY_ID })],
    claims: [JSON.stringify(claims)],
    isSigned: true,
    damage: 'none',
  });
  const keys = new GatekeeperKeys({ http, clock, url });
  const pushes = new PushVerifier({ keys, clock, audience: 'https://gk.example', issuer: 'us' });
  try {
    assert.equal((await pushes.verify(token)).interopId, 'alice-1');
  } catch (failure) {
    if (!(failure instanceof BridgeError && failure.code.startsWith('network/'))) throw failure;
  }
}
