/** The reference gatekeeper and its phones, on a real Prosody; a third party of the test's own on the other side. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { PassThrough } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { createRemoteJWKSet, jwtVerify, SignJWT, UnsecuredJWT } from 'jose';

import { systemClock } from '../../src/ambient/clock.ts';
import { systemRandom } from '../../src/ambient/random.ts';
import { type Gatekeeper, startGatekeeper } from '../../src/sandbox/gatekeeper/gatekeeper.ts';
import { runPhoneChat } from '../../src/sandbox/phone/chat.ts';
import type { Phone } from '../../src/sandbox/phone/phone.ts';
import { writeSandboxDescription } from '../../src/sandbox/phone/sandbox-description.ts';
import { openToolbox, toolsFolder } from '../../src/sandbox/toolbox/toolbox.ts';
import { RecordingLog } from '../doubles/recording-log.ts';
import { bearerMessage, Enlistee, MiniIssuer, makeKey, tryLogin } from './gatekeeper-bench.ts';

describe('the reference gatekeeper on a real Prosody', () => {
  const log = new RecordingLog();
  let dir: string;
  let issuer: MiniIssuer;
  let gatekeeper: Gatekeeper;
  let ca: string;
  let bob: Phone;
  let carol: Phone;
  const enlistees: Enlistee[] = [];
  const chatting = new AbortController();

  const start = () =>
    startGatekeeper({
      toolbox: openToolbox({ folder: toolsFolder(env), env, progress: () => undefined }),
      clock: systemClock,
      random: systemRandom,
      log,
      dir: join(dir, 'gatekeeper'),
      domain: 'gk.test',
      audience: 'https://gk.test',
      issuers: [{ issuer: issuer.url }],
    });
  /** A new user who has enlisted. */
  const newEnlistee = async () => {
    const enlistee = new Enlistee(`@alice${enlistees.length}:hs.test`, issuer, gatekeeper);
    enlistees.push(enlistee);
    assert.equal((await enlistee.enlist()).status, 201);
    return enlistee;
  };
  const login = (jid: string, token: string) => tryLogin(gatekeeper, ca, bearerMessage(jid, token));
  const textFor = (phone: Phone, text: string) =>
    phone.events.waitFor((event) => event.kind === 'message' && event.message.content.text?.body === text);
  const receiptFor = (phone: Phone, stanzaId: string) =>
    phone.events.waitFor((event) => event.kind === 'receipt' && event.stanzaId === stanzaId);

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'gatekeeper-'));
    issuer = await MiniIssuer.start();
    gatekeeper = await start();
    ca = await readFile(gatekeeper.prosody.caFile, 'utf8');
    bob = await gatekeeper.addPhone({ name: 'Bob', phone: '+4912345' });
    carol = await gatekeeper.addPhone({ name: 'Carol' });
  });

  after(async () => {
    chatting.abort();
    await Promise.all(enlistees.map((enlistee) => enlistee.goOffline()));
    await gatekeeper.stop();
    await issuer.stop();
    await rm(dir, { recursive: true });
  });

  describe('phones', () => {
    it('talk both ways, each message once, with receipts', async () => {
      const first = await bob.send(carol.jid, { text: 'héllo 😀' });
      await textFor(carol, 'héllo 😀');
      await receiptFor(bob, first);
      const answer = await carol.send(bob.jid, { text: 'hi' });
      await textFor(bob, 'hi');
      await receiptFor(carol, answer);
      await bob.send(carol.jid, { text: 'again' });
      await textFor(carol, 'again');
      assert.deepEqual(
        carol.received.map(({ from, encType }) => [from, encType]),
        [
          [bob.jid, 'prekey'],
          [bob.jid, 'message'],
        ],
      );
      assert.deepEqual([...bob.events.of('repeat'), ...carol.events.of('undecryptable')], []);
    });

    it('keep order over an absence: what was sent meanwhile waits in the queue', async () => {
      await carol.goOffline();
      const texts = Array.from({ length: 20 }, (_, n) => `queued ${n}`);
      for (const text of texts) await bob.send(carol.jid, { text });
      await carol.goOnline();
      await textFor(carol, 'queued 19');
      const got = carol.received
        .map(({ content }) => content.text?.body ?? '')
        .filter((text) => text.startsWith('queued'));
      assert.deepEqual(got, texts);
    });

    it('survive a crash of Prosody in their sessions: no new prekey message, nothing lost or doubled', async () => {
      await gatekeeper.prosody.kill();
      await bob.send(carol.jid, { text: 'while it was down' });
      await gatekeeper.prosody.restart();
      await textFor(carol, 'while it was down');
      await carol.send(bob.jid, { text: 'after the crash' });
      await textFor(bob, 'after the crash');
      assert.equal(carol.received.at(-1)?.encType, 'message');
      assert.deepEqual(
        carol.events.of('repeat').filter((event) => event.of === 'content'),
        [],
      );
    });

    it('repair a session after a new installation: the message is asked for again and arrives once', async () => {
      await bob.resetIdentity();
      await carol.events.waitFor((event) => event.kind === 'identity-changed' && event.jid === bob.jid);
      const stanzaId = await carol.send(bob.jid, { text: 'to the new Bob' });
      await bob.events.waitFor((event) => event.kind === 'undecryptable' && event.stanzaId === stanzaId);
      await textFor(bob, 'to the new Bob');
      await receiptFor(carol, `${stanzaId}.1`);
      const copies = bob.received.filter(({ content }) => content.text?.body === 'to the new Bob');
      assert.deepEqual(
        copies.map((message) => message.stanzaId),
        [`${stanzaId}.1`],
      );
    });

    it('tell of typing and reading', async () => {
      await bob.sendTyping(carol.jid, 'composing');
      await carol.events.waitFor((event) => event.kind === 'typing' && event.from === bob.jid);
      await bob.sendDisplayed(carol.jid, 'some-id');
      await carol.events.waitFor((event) => event.kind === 'displayed' && event.stanzaId === 'some-id');
    });

    it('refuse a bundle with bad signatures, and have no way without a bundle', async () => {
      const dora = await gatekeeper.addPhone({ name: 'Dora' });
      for (const fault of ['bad-signatures', 'absent', 'too-many'] as const) {
        gatekeeper.faults.keys = fault;
        await assert.rejects(dora.send(bob.jid, { text: 'never' }));
      }
      gatekeeper.faults.keys = 'none';
      await dora.send(bob.jid, { text: 'at last' });
      await textFor(bob, 'at last');
    });
  });

  describe('enlistment', () => {
    it('gives ids once: the same subject again gets the same', async () => {
      const alice = new Enlistee('@twice:hs.test', issuer, gatekeeper);
      const first = await alice.enlist();
      assert.equal(first.status, 201);
      assert.equal(first.body.jid, alice.jid);
      assert.equal(first.body.device_id, 1);
      assert.equal(first.body.port, gatekeeper.prosody.c2sDirectTlsPort);
      assert.ok((first.body.capabilities as string[]).includes('text'));
      const second = await alice.enlist();
      assert.equal(second.status, 200);
      assert.equal(second.body.interop_id, first.body.interop_id);
      const self = await alice.call('GET', '/enlistments/self');
      assert.deepEqual([self.status, self.body.state, self.body.display_name], [200, 'active', 'Alice']);
      const changed = await alice.call('PATCH', '/enlistments/self', {
        display_name: 'Alicia',
        reachable: false,
      });
      assert.deepEqual([changed.body.display_name, changed.body.reachable], ['Alicia', false]);
    });

    it("refuses what is malformed, forged, too large, or another user's", async () => {
      const alice = await newEnlistee();
      const mallory = new Enlistee('@mallory:hs.test', issuer, gatekeeper);
      const { keys } = alice;
      const device = mallory.keys.device();
      const forged = { ...device, signed_prekey: keys.device().signed_prekey };
      const enlist = async (body: unknown) => {
        const { status, body: answer } = await mallory.call('POST', '/enlistments', body);
        return [status, answer.error];
      };
      const wish = { terms_version: '1', device };
      assert.deepEqual(await enlist('{'), [400, 'bad_request']);
      assert.deepEqual(await enlist({}), [400, 'bad_request']);
      assert.deepEqual(await enlist({ ...wish, device: forged }), [400, 'bad_request']);
      assert.deepEqual(await enlist({ ...wish, display_name: 'x'.repeat(600_000) }), [413, 'too_large']);
      // The token speaks of Mallory's identity key, not of Alice's.
      assert.deepEqual(await enlist({ ...wish, device: keys.device() }), [401, 'bad_token']);
      assert.deepEqual((await mallory.call('GET', '/enlistments/self')).body.error, 'not_enlisted');
      const twin = new Enlistee('@twin:hs.test', issuer, gatekeeper);
      Object.assign(twin, { keys });
      assert.deepEqual((await twin.enlist()).body.error, 'identity_in_use');
    });

    it('looks up in order, and says nothing of those who do not want to be found', async () => {
      const alice = await newEnlistee();
      await gatekeeper.enrolPhone({ name: 'Shy', optedIn: false });
      const { body } = await alice.call('POST', '/lookups', {
        identifiers: [
          { kind: 'username', value: 'Bob' },
          { kind: 'phone', value: '+4912345' },
          { kind: 'username', value: 'shy' },
          { kind: 'interop_id', value: 'nobody' },
          { kind: 'interop_id', value: alice.interopId },
        ],
      });
      const results = body.results as { status: string; jid?: string }[];
      assert.deepEqual(
        results.map(({ status, jid }) => [status, jid]),
        [
          ['reachable', bob.jid],
          ['reachable', bob.jid],
          ['not_opted_in', undefined],
          ['unknown', undefined],
          ['reachable', alice.jid],
        ],
      );
      assert.equal((await alice.call('POST', '/lookups', { identifiers: [] })).status, 400);
    });

    it('takes reports', async () => {
      const alice = await newEnlistee();
      const report = { jid: bob.jid, reason: 'spam', message_ids: ['00'] };
      assert.equal((await alice.call('POST', '/reports', report)).status, 202);
      assert.deepEqual(gatekeeper.listReports().at(-1), {
        reporter: alice.interopId,
        jid: bob.jid,
        reason: 'spam',
        messageIds: ['00'],
      });
    });

    it('answers as the switched-on fault says, and well again after it', async () => {
      const alice = await newEnlistee();
      for (const [fault, status, error] of [
        ['unavailable', 503, 'unavailable'],
        ['rate-limited', 429, 'rate_limited'],
        ['region', 403, 'region_not_allowed'],
        ['terms', 403, 'terms_outdated'],
      ] as const) {
        gatekeeper.faults.api = fault;
        const answer = await alice.call('GET', '/enlistments/self');
        assert.deepEqual([answer.status, answer.body.error], [status, error]);
      }
      gatekeeper.faults.api = 'none';
      assert.equal((await alice.call('GET', '/enlistments/self')).status, 200);
    });
  });

  describe('login', () => {
    it('takes a good token once', async () => {
      const alice = await newEnlistee();
      const token = await alice.token('connect');
      assert.equal(await login(alice.jid, token), 'success');
      assert.equal(await login(alice.jid, token), 'not-authorized');
    });

    it('refuses every token that is not exactly right', async () => {
      const alice = await newEnlistee();
      const other = await newEnlistee();
      const { kid, privateKey } = issuer.key;
      const stranger = await makeKey('stranger');
      const sign = (
        header: { alg?: string; kid?: string },
        key: Parameters<SignJWT['sign']>[0],
        claims = alice.claims('connect'),
      ) => new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid, ...header }).sign(key);
      const pastS = Math.floor(Date.now() / 1000) - 600;
      const tokens: Record<string, string> = {
        'another audience': await alice.token('connect', { aud: 'https://other.test' }),
        'another issuer': await alice.token('connect', { iss: 'https://other.test' }),
        'an expired one': await alice.token('connect', { iat: pastS, nbf: pastS, exp: pastS + 300 }),
        'one for an hour': await alice.token('connect', { exp: pastS + 4200 }),
        'another scope': await alice.token('api'),
        'another identity key': await alice.token('connect', { cnf: other.claims('connect').cnf }),
        "another user's id": await alice.token('connect', { interop_id: other.interopId }),
        'no signature': new UnsecuredJWT(alice.claims('connect')).encode(),
        'a symmetric signature': await sign(
          { alg: 'HS256' },
          new TextEncoder().encode(JSON.stringify(issuer.key.jwk)),
        ),
        'an unknown key id': await sign({ kid: 'stranger' }, stranger.privateKey),
        "another's key under a known id": await sign({}, stranger.privateKey),
        'no token at all': 'x',
      };
      for (const [what, token] of Object.entries(tokens)) {
        assert.equal(await login(alice.jid, token), 'not-authorized', what);
      }
      assert.equal(await login(other.jid, await alice.token('connect')), 'not-authorized', 'another user');
      const noIdentity = `n,,\x01auth=Bearer ${await alice.token('connect')}\x01\x01`;
      assert.equal(await tryLogin(gatekeeper, ca, noIdentity), 'not-authorized');
      assert.equal(await login(alice.jid, await sign({}, privateKey)), 'success');
    });

    it("follows a rotation of the issuer's key", async () => {
      const alice = await newEnlistee();
      const old = issuer.key;
      issuer.keys = [await makeKey('k2'), old];
      // The published keys may be cached for a second, and an unknown key id asks again after two.
      const deadline = performance.now() + 10_000;
      let outcome = '';
      while (outcome !== 'success' && performance.now() < deadline) {
        outcome = await login(alice.jid, await alice.token('connect'));
      }
      assert.equal(outcome, 'success');
      const last = new SignJWT(alice.claims('connect')).setProtectedHeader({
        alg: 'ES256',
        typ: 'JWT',
        kid: old.kid,
      });
      assert.equal(await login(alice.jid, await last.sign(old.privateKey)), 'success');
    });
  });

  describe('an enlisted user', () => {
    it('and a phone write to each other', async () => {
      const alice = await newEnlistee();
      await alice.goOnline();
      const stanzaId = await alice.send(bob.jid, 'from outside');
      await textFor(bob, 'from outside');
      await alice.seen.waitFor((event) => event.kind === 'receipt' && event.stanzaId === stanzaId);
      await bob.send(alice.jid, { text: 'to outside' });
      const answer = await alice.seen.waitFor((event) => event.kind === 'text');
      assert.deepEqual(answer, { kind: 'text', from: bob.jid, text: 'to outside', encType: 'message' });
      await alice.goOffline();
    });

    it('cannot get the keys of one who has not opted in', async () => {
      const alice = await newEnlistee();
      await alice.goOnline();
      const shy = await gatekeeper.addPhone({ name: 'Shy', optedIn: false });
      await assert.rejects(alice.fetchBundle(shy.jid), { condition: 'forbidden' });
      await assert.rejects(alice.fetchBundle('nobody@gk.test'), { condition: 'item-not-found' });
      await alice.goOffline();
    });

    it('has each one-time key handed out once, is warned, and then lives from the last-resort key', async () => {
      const alice = await newEnlistee();
      await alice.goOnline();
      const bundles = await Promise.all(Array.from({ length: 25 }, () => bob.fetchBundle(alice.jid)));
      const ids = (name: string) => bundles.map((bundle) => bundle.getChild(name)?.attrs.id);
      const given = ids('prekey').filter((id) => id !== undefined);
      assert.equal(given.length, 20);
      assert.equal(new Set(given).size, 20);
      // Twenty one-time Kyber keys, and one last-resort key for the other five.
      assert.equal(new Set(ids('kyber')).size, 21);
      const low = await alice.seen.waitFor((event) => event.kind === 'low');
      assert.deepEqual(low, { kind: 'low', prekeys: 5 });
      await alice.goOffline();
    });

    it('is woken by a signed push when a message waits, which says nothing of it', async () => {
      const alice = await newEnlistee();
      await bob.send(alice.jid, { text: 'wake up' });
      const jwks = createRemoteJWKSet(new URL(gatekeeper.jwksUrl));
      const wakes = async () => {
        const verified = issuer.pushes.of('push').map(async ({ token, body }) => {
          const { payload } = await jwtVerify(token, jwks, {
            issuer: gatekeeper.issuerId,
            audience: issuer.url,
          });
          assert.equal(body, '');
          return payload;
        });
        return (await Promise.all(verified)).find(({ sub }) => sub === alice.interopId);
      };
      const seenBefore = issuer.pushes.of('push').length;
      if ((await wakes()) === undefined) {
        await issuer.pushes.waitFor(() => issuer.pushes.of('push').length > seenBefore);
      }
      const payload = await wakes();
      assert.equal(payload?.event, 'message-waiting');
      assert.deepEqual(Object.keys(payload ?? {}).sort(), [
        'aud',
        'event',
        'exp',
        'iat',
        'iss',
        'jti',
        'sub',
      ]);
      await alice.goOnline();
      await alice.seen.waitFor((event) => event.kind === 'text' && event.text === 'wake up');
      await alice.goOffline();
    });

    it('who is suspended loses the stream and may not log in, until resumed', async () => {
      const alice = await newEnlistee();
      await alice.goOnline();
      await gatekeeper.suspend(alice.interopId ?? '', 'complaints');
      await alice.seen.waitFor((event) => event.kind === 'offline');
      await alice.goOffline();
      assert.equal(await login(alice.jid, await alice.token('connect')), 'account-disabled');
      const self = await alice.call('GET', '/enlistments/self');
      assert.deepEqual([self.body.state, self.body.reason], ['suspended', 'complaints']);
      assert.equal((await alice.enlist()).body.error, 'suspended');
      await gatekeeper.resume(alice.interopId ?? '');
      assert.equal(await login(alice.jid, await alice.token('connect')), 'success');
    });

    it('who un-enlists loses the stream, and nothing of the account stays', async () => {
      const alice = await newEnlistee();
      await alice.goOnline();
      await bob.send(alice.jid, { text: 'archived' });
      await alice.seen.waitFor((event) => event.kind === 'text');
      const { admin } = gatekeeper.prosody;
      assert.ok(((await admin.find(alice.interopId ?? ''))?.archived ?? 0) > 0);
      assert.equal((await alice.call('DELETE', '/enlistments/self')).status, 204);
      await alice.seen.waitFor((event) => event.kind === 'offline');
      await alice.goOffline();
      assert.equal(await admin.find(alice.interopId ?? ''), undefined);
      assert.equal(await login(alice.jid, await alice.token('connect')), 'not-authorized');
      assert.equal((await alice.call('DELETE', '/enlistments/self')).body.error, 'not_enlisted');
      // Were the archive only hidden, an account of the same name would show it again.
      await admin.save(alice.interopId ?? '', true);
      const holdings = await admin.find(alice.interopId ?? '');
      await admin.delete(alice.interopId ?? '');
      assert.deepEqual([holdings?.archived, holdings?.offline], [0, 0]);
      await assert.rejects(bob.fetchBundle(alice.jid), { condition: 'item-not-found' });
    });
  });

  it('chats in a terminal as a contact', async () => {
    const alice = await newEnlistee();
    await alice.goOnline();
    const erin = await gatekeeper.enrolPhone({ name: 'Erin' });
    await writeSandboxDescription(dir, { version: 1, gatekeeper: gatekeeper.phoneAccess, phones: [erin] });
    const [input, output] = [new PassThrough(), new PassThrough({ encoding: 'utf8' })];
    let shown = '';
    const waiting = new Set<() => void>();
    output.on('data', (text: string) => {
      shown += text;
      for (const look of waiting) look();
    });
    const until = (pattern: RegExp) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (pattern.test(shown)) resolve();
        };
        waiting.add(look);
        look();
      });
    const parts = { signal: chatting.signal, clock: systemClock, random: systemRandom, log };
    const chat = runPhoneChat({ dir, phone: 'erin', to: alice.subject, input, output, ...parts });
    await until(/You are writing to Alice/);
    input.write('hello from a terminal\n');
    const got = await alice.seen.waitFor((event) => event.kind === 'text');
    assert.deepEqual(got, { kind: 'text', from: erin.jid, text: 'hello from a terminal', encType: 'prekey' });
    await until(/delivered to Alice/);
    await alice.send(erin.jid, 'hello \u001b[31mErin');
    await until(/ {2}Alice: hello <U\+001B>\[31mErin/);
    input.write('/quit\n');
    assert.equal(await chat, 0);
    await alice.goOffline();
  });

  it('finds accounts, keys and used tokens again after its own restart', async () => {
    const alice = await newEnlistee();
    await alice.goOnline();
    await alice.goOffline();
    const used = await alice.token('connect');
    assert.equal(await login(alice.jid, used), 'success');
    await gatekeeper.stop();
    gatekeeper = await start();
    const restarted = new Enlistee(alice.subject, issuer, gatekeeper);
    enlistees.push(restarted);
    Object.assign(restarted, { keys: alice.keys, interopId: alice.interopId });
    assert.equal(await login(alice.jid, used), 'not-authorized');
    assert.equal((await restarted.call('GET', '/enlistments/self')).body.interop_id, alice.interopId);
    bob = await gatekeeper.addPhone({ name: 'Bob' });
    await restarted.goOnline();
    await bob.send(restarted.jid, { text: 'still there' });
    await restarted.seen.waitFor((event) => event.kind === 'text' && event.text === 'still there');
    await restarted.goOffline();
  });
});
