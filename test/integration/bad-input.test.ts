/** Strangers, broken apps and a gatekeeper at fault: nothing is taken for good that is not, and nothing is lost by it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { clientLibrary } from '../../src/sandbox/phone/xmpp-library.ts';
import { BOB, BridgeWorld, LONG_MS, textsOf } from './bridge-world.ts';
import { RawPhone } from './raw-phone.ts';

const { xml } = clientLibrary();
const LIMIT = 200;

describe('bad input', () => {
  let bridge: BridgeWorld;
  let bobsRoom: string;
  let pid: number | undefined;

  before(async () => {
    bridge = await BridgeWorld.start({ contacts: [BOB], terms: { textCharacters: LIMIT } });
    bobsRoom = await bridge.startChat('bob');
    await bridge.alice.say(bobsRoom, 'begin');
    await bridge.phoneShows(bridge.bob, ['begin']);
    pid = bridge.world.bridge.pid;
  });
  after(async () => await bridge?.stop());

  const event = (id: string, body: string) => ({
    event_id: id,
    room_id: bridge.management,
    sender: bridge.alice.userId,
    type: 'm.room.message',
    origin_server_ts: 1,
    content: { msgtype: 'm.text', body },
  });
  const transact = async (txn: string, body: string, headers: Record<string, string>, query = '') => {
    const url = `${bridge.world.appserviceUrl}/_matrix/app/v1/transactions/${txn}${query}`;
    const answer = await fetch(url, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
    return [answer.status, ((await answer.json()) as { errcode?: string }).errcode];
  };
  const trusted = () => ({ authorization: `Bearer ${bridge.world.secrets.hsToken}` });
  const isAlive = async () => {
    assert.equal((await fetch(`${bridge.world.bridge.healthUrl}/live`)).status, 200);
    assert.equal(bridge.world.bridge.pid, pid);
  };

  describe('from who says to be the homeserver', () => {
    it('without its token: 401 or 403, and nothing is stored', async () => {
      const body = JSON.stringify({ events: [event('$forged:x', 'version')] });
      const { asToken, hsToken } = bridge.world.secrets;
      assert.deepEqual(await transact('f1', body, {}), [401, 'M_MISSING_TOKEN']);
      for (const token of ['', 'x', asToken, `${hsToken}x`, hsToken.slice(1)]) {
        assert.deepEqual(await transact('f2', body, { authorization: `Bearer ${token}` }), [
          403,
          'M_FORBIDDEN',
        ]);
      }
      assert.deepEqual(await transact('f3', body, {}, '?access_token=x'), [403, 'M_FORBIDDEN']);
      const stored = await bridge.readDatabase(
        async ({ database }) =>
          await database.transaction(async (tx) => await tx('matrix_inbox').where({ event_id: '$forged:x' })),
      );
      pid = bridge.world.bridge.pid;
      assert.deepEqual(stored, []);
    });

    it('a malformed transaction is refused, one too large as well', async () => {
      for (const body of ['', '{', '[]', '"x"', 'null', '{"events":{}}', '\u0000']) {
        const [status] = await transact('m1', body, trusted());
        assert.equal(status, 400, body);
      }
      const huge = `{"events":[],"x":"${'x'.repeat(60 * 1024 * 1024)}"}`;
      assert.equal((await transact('m2', huge, trusted()).catch(() => [413]))[0], 413);
      await isAlive();
    });

    it('malformed events are left out, and the sound ones beside them are dealt with', async () => {
      // Deeper than JSON.stringify could write it.
      const deep = '['.repeat(5_000) + ']'.repeat(5_000);
      const sound = event('$sound:x', 'version');
      const bad = [
        null,
        7,
        [],
        {},
        { ...sound, event_id: 5 },
        { ...sound, event_id: '$a', room_id: 'nowhere' },
        { ...sound, event_id: '$b', sender: undefined },
        { ...sound, event_id: '$c', content: 'text' },
        { ...sound, event_id: '$d', content: { body: 'DEEP' } },
        { ...sound, event_id: '$e', type: 'x'.repeat(300) },
        { ...sound, event_id: '$f', origin_server_ts: 'now' },
      ];
      const since = (await bridge.bridgeLog()).length;
      const body = JSON.stringify({ events: [...bad, sound] }).replace('"DEEP"', deep);
      assert.deepEqual(await transact('e1', body, trusted()), [200, undefined]);
      assert.match((await bridge.answerTo('$sound:x')).body, /^Drawbridge /);
      const told = (await bridge.bridgeLog())
        .slice(since)
        .filter(({ msg }) => msg === 'malformed event left out');
      assert.equal(told.length, bad.length);
      await isAlive();
    });

    it('a transaction that is sent again does nothing again', async () => {
      const body = JSON.stringify({ events: [event('$once:x', 'version')] });
      for (const txn of ['o1', 'o1', 'o2'])
        assert.deepEqual(await transact(txn, body, trusted()), [200, undefined]);
      await bridge.answerTo('$once:x');
      // The room is a lane: once this one is answered, nothing before it is left to answer.
      await bridge.command('help');
      const answers = bridge.alice
        .messagesIn(bridge.management)
        .filter(({ replyTo }) => replyTo === '$once:x');
      assert.equal(answers.length, 1);
    });
  });

  it('a push that the gatekeeper did not sign: 401; one that it did: 202', async () => {
    const { gatekeeper, publicUrl } = bridge.world;
    const [enlistee] = bridge.enlistees();
    const { privateKey } = await generateKeyPair('ES256');
    const jwks = (await (await fetch(gatekeeper.jwksUrl)).json()) as { keys: { kid: string }[] };
    const nowS = Math.floor(Date.now() / 1000);
    const claims = {
      ...{ iss: gatekeeper.issuerId, aud: publicUrl, sub: enlistee?.localpart ?? '', event: 'suspended' },
      ...{ iat: nowS, exp: nowS + 60, jti: 'forged' },
    };
    const kid = jwks.keys[0]?.kid ?? '';
    const secret = new TextEncoder().encode(JSON.stringify(jwks.keys[0]));
    const tokens = [
      await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey),
      await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'other' }).sign(privateKey),
      await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid }).sign(secret),
      new UnsecuredJWT(claims).encode(),
      'x',
    ];
    const post = async (headers: Record<string, string>) =>
      (await fetch(`${publicUrl}/interop/v1/push`, { method: 'POST', headers })).status;
    for (const token of tokens) assert.equal(await post({ authorization: `Bearer ${token}` }), 401, token);
    assert.equal(await post({}), 401);
    assert.match((await bridge.command('status')).body, /connected as/);
    assert.equal(await gatekeeper.push(enlistee?.localpart ?? '', 'message-waiting'), 202);
  });

  describe('from a contact', () => {
    let mallory: RawPhone;
    let room: string;
    let turn = 0;

    const placeholders = () =>
      bridge.alice
        .messagesIn(room)
        .filter(({ msgtype, body }) => msgtype === 'm.notice' && /could not be/.test(body));

    before(async () => {
      mallory = await RawPhone.start(bridge.world.gatekeeper, 'Mallory', await bridge.aliceJid());
      await mallory.text('hello');
      room = (await bridge.alice.seeMessage(({ body }) => body === 'hello', LONG_MS)).room;
    });
    after(async () => await mallory?.stop());

    const cases: Record<string, () => Promise<void>> = {
      'an envelope of another version': async () =>
        await mallory.envelope({ v: '9', device: '1' }, 'message', 'AAAA'),
      'an envelope without a device': async () => await mallory.envelope({ v: '1' }, 'message', 'AAAA'),
      'a type of ciphertext that is none': async () =>
        await mallory.envelope({ v: '1', device: '1' }, 'x', 'AAAA'),
      'what is not base64': async () => await mallory.envelope({ v: '1', device: '1' }, 'message', '§$%&/()'),
      'an empty ciphertext': async () => await mallory.envelope({ v: '1', device: '1' }, 'message', ''),
      'an empty envelope': async () =>
        await mallory.children(xml('envelope', { xmlns: 'urn:drawbridge:interop:1', v: '1', device: '1' })),
      'noise as a message': async () =>
        await mallory.ciphertext((sound) => ({ ...sound, type: 'message', bytes: randomBytes(200) })),
      'noise as a prekey message': async () =>
        await mallory.ciphertext((sound) => ({ ...sound, type: 'prekey', bytes: randomBytes(200) })),
      'a ciphertext with one wrong bit': async () =>
        await mallory.ciphertext((sound) => ({
          ...sound,
          bytes: sound.bytes.map((byte, index) => (index === sound.bytes.length - 5 ? byte ^ 1 : byte)),
        })),
      'noise inside a sound ciphertext': async () => await mallory.plain(padded(randomBytes(100))),
      'a content without padding': async () => await mallory.plain(new Uint8Array(160)),
      'a content without an id': async () => await mallory.plain(padded(Buffer.from('1a0412026869', 'hex'))),
      'a text in the clear': async () => await mallory.children(xml('body', {}, 'in the clear')),
    };
    for (const [what, send] of Object.entries(cases)) {
      it(`${what}: a placeholder in the room, and what comes after it arrives`, async () => {
        const before = placeholders().length;
        turn += 1;
        await send();
        await mallory.text(`after ${turn}`);
        await bridge.alice.seeMessage(({ body }) => body === `after ${turn}`, LONG_MS);
        assert.equal(placeholders().length, before + 1);
        await isAlive();
      });
    }

    it('what means nothing is passed over, and an element of 40 levels blocks nothing', async () => {
      let nested = xml('x', { xmlns: 'urn:example:deep' });
      for (let level = 0; level < 40; level += 1) nested = xml('x', { xmlns: 'urn:example:deep' }, nested);
      await mallory.children(nested);
      await mallory.children(xml('received', { xmlns: 'urn:xmpp:receipts', id: 'never-sent' }));
      await mallory.children(
        xml('retry', { xmlns: 'urn:drawbridge:interop:1', id: 'never-sent', count: '99' }),
      );
      await mallory.children();
      await mallory.text('after all');
      await bridge.alice.seeMessage(({ body }) => body === 'after all', LONG_MS);
      await isAlive();
    });

    it('shows nothing that was sent in the clear', () => {
      assert.ok(!bridge.alice.log.of('message').some(({ body }) => body.includes('in the clear')));
    });

    it('a reaction to what is not here, and a kind of a later schema: a note instead', async () => {
      const target = randomBytes(16);
      const alice = await bridge.aliceJid();
      await bridge.bob.send(alice, { reaction: { target, emoji: '👍' } });
      await bridge.bob.send(alice, {} as never);
      for (const words of [/reacted with 👍 to a message that is not here/, /bridge cannot show yet/]) {
        const note = await bridge.alice.seeMessage(({ body }) => words.test(body), LONG_MS);
        assert.equal(note.room, bobsRoom);
      }
    });
  });

  describe('from Alice', () => {
    const refused = async (eventId: string) => (await bridge.answerTo(eventId)).body;
    const send = async (type: string, content: Record<string, unknown>) =>
      (await bridge.alice.client.sendEvent(bobsRoom, type as never, content as never)).event_id;

    it('a kind that is not carried: a notice in reply to it, and the contact gets nothing', async () => {
      const before = bridge.bob.received.length;
      const said = await bridge.alice.say(bobsRoom, 'hello Bob');
      const edit = { 'm.relates_to': { rel_type: 'm.replace', event_id: said } };
      const kinds: [string, string, Record<string, unknown>][] = [
        ['poll', 'm.poll.start', {}],
        ['unknown', 'm.room.message', { msgtype: 'org.example.dance', body: 'x' }],
        ['malformed', 'm.room.message', { msgtype: 'm.image', body: 'without a file' }],
        ['malformed', 'm.room.message', { msgtype: 'm.text', body: '* without new words', ...edit }],
        ['malformed', 'm.room.message', { msgtype: 'm.text', body: '' }],
      ];
      for (const [what, type, content] of kinds) {
        const notice = await refused(await send(type, content));
        assert.match(notice, /^⚠️ Your message was not bridged: /);
        assert.ok(notice.includes(`(${what})`), notice);
      }
      await bridge.until(() => textsOf(bridge.bob).includes('hello Bob'), 'the text before');
      assert.equal(bridge.bob.received.length, before + 1);
    });

    it('an encrypted event: told as what it is', async () => {
      const content = { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: 'x', session_id: 'x' };
      assert.match(await refused(await send('m.room.encrypted', content)), /cannot read encrypted rooms/);
    });

    it('a text that is too long: carried as several, in order; an edit that is: refused with both numbers', async () => {
      const event = await bridge.alice.say(bobsRoom, '🌉'.repeat(LIMIT + 1));
      await bridge.until(() => textsOf(bridge.bob).includes('🌉'), 'the last part');
      assert.deepEqual(textsOf(bridge.bob).slice(-2), ['🌉'.repeat(LIMIT), '🌉']);
      const long = { msgtype: 'm.text', body: '🌉'.repeat(LIMIT + 1) };
      const relation = { 'm.relates_to': { rel_type: 'm.replace', event_id: event } };
      const notice = await refused(
        await send('m.room.message', { ...long, 'm.new_content': long, ...relation }),
      );
      assert.match(notice, new RegExp(`It has ${LIMIT + 1} characters; Gatekeeper takes ${LIMIT}\\.`));
    });
  });
});

/** ISO/IEC 7816-4, as the profile asks (docs/interop-profile.md, section 6). */
function padded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(Math.ceil((bytes.length + 1) / 160) * 160);
  whole.set(bytes);
  whole[bytes.length] = 0x80;
  return whole;
}
