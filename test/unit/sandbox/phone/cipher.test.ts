import assert from 'node:assert/strict';
import { test } from 'node:test';

import { systemClock } from '../../../../src/ambient/clock.ts';
import { systemRandom } from '../../../../src/ambient/random.ts';
import { Cipher } from '../../../../src/sandbox/phone/cipher.ts';
import { KeyPublisher } from '../../../../src/sandbox/phone/key-publisher.ts';
import { PhoneKeys } from '../../../../src/sandbox/phone/phone-keys.ts';
import type { XmlElement } from '../../../../src/sandbox/phone/xmpp-library.ts';

const plain = (text: string) => new Uint8Array(Buffer.from(text.padEnd(160, '\0')));
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString().replace(/\0+$/, '');

/** Two parties whose bundles come from each other's hands; nothing is sent. */
function parties() {
  const changes: string[] = [];
  const keysOf = () =>
    new PhoneKeys({
      file: undefined,
      clock: systemClock,
      random: systemRandom,
      onIdentityChange: (jid) => changes.push(jid),
    });
  const [aliceKeys, bobKeys] = [keysOf(), keysOf()];
  // makeBundle needs neither the connection nor the door.
  const bundles = (keys: PhoneKeys) =>
    new KeyPublisher({ domain: 'gk.test', keys, link: undefined as never, door: undefined as never });
  const fetched: string[] = [];
  const cipher = (keys: PhoneKeys, jid: string, bundle: () => XmlElement) =>
    new Cipher({
      keys,
      jid,
      fetchBundle: async (asked) => {
        fetched.push(asked);
        return bundle();
      },
    });
  return {
    alice: cipher(aliceKeys, 'alice@gk.test', () => bundles(bobKeys).makeBundle()),
    bob: cipher(bobKeys, 'bob@gk.test', () => bundles(aliceKeys).makeBundle()),
    aliceBundle: () => bundles(aliceKeys).makeBundle(),
    aliceKeys,
    bobKeys,
    changes,
    fetched,
  };
}

async function exchange(from: Cipher, fromJid: string, to: Cipher, toJid: string, text: string) {
  const sent = await from.encrypt(toJid, plain(text));
  const opened = await to.decrypt(fromJid, { ...sent, device: 1 });
  return { sent, text: opened.kind === 'plain' ? textOf(opened.plain) : opened.kind };
}

test('the first message starts a session, an answer makes it plain ratchet', async () => {
  const { alice, bob, fetched } = parties();
  const first = await exchange(alice, 'alice@gk.test', bob, 'bob@gk.test', 'one');
  assert.deepEqual([first.sent.type, first.text], ['prekey', 'one']);
  const answer = await exchange(bob, 'bob@gk.test', alice, 'alice@gk.test', 'two');
  assert.deepEqual([answer.sent.type, answer.text], ['message', 'two']);
  const third = await exchange(alice, 'alice@gk.test', bob, 'bob@gk.test', 'three');
  assert.deepEqual([third.sent.type, third.text], ['message', 'three']);
  assert.deepEqual(fetched, ['bob@gk.test']);
});

test('ten encryptions at once are ten different messages', async () => {
  const { alice, bob } = parties();
  const sent = await Promise.all(
    Array.from({ length: 10 }, (_, n) => alice.encrypt('bob@gk.test', plain(String(n)))),
  );
  for (const [n, message] of sent.entries()) {
    const opened = await bob.decrypt('alice@gk.test', { ...message, device: 1 });
    assert.equal(opened.kind === 'plain' && textOf(opened.plain), String(n));
  }
});

test('the same ciphertext again is a repeat, and noise is undecryptable', async () => {
  const { alice, bob } = parties();
  const { sent } = await exchange(alice, 'alice@gk.test', bob, 'bob@gk.test', 'one');
  assert.equal((await bob.decrypt('alice@gk.test', { ...sent, device: 1 })).kind, 'repeat');
  for (const type of ['prekey', 'message'] as const) {
    const noise = { type, device: 1, bytes: Buffer.from('noise') };
    assert.equal((await bob.decrypt('alice@gk.test', noise)).kind, 'undecryptable');
  }
});

test('after a loss of state a copy in a new session can be read, and the change of identity is told', async () => {
  const { alice, bob, aliceKeys, aliceBundle, changes } = parties();
  await exchange(alice, 'alice@gk.test', bob, 'bob@gk.test', 'one');
  await exchange(bob, 'bob@gk.test', alice, 'alice@gk.test', 'two');
  aliceKeys.reset();
  const lost = await exchange(bob, 'bob@gk.test', alice, 'alice@gk.test', 'three');
  assert.equal(lost.text, 'undecryptable');
  const again = await bob.encryptAnew('alice@gk.test', plain('three'), aliceBundle());
  const opened = await alice.decrypt('bob@gk.test', { ...again, device: 1 });
  assert.equal(opened.kind === 'plain' && textOf(opened.plain), 'three');
  assert.deepEqual(changes, ['alice@gk.test']);
});

test('a bundle whose signature does not fit is refused', async () => {
  const { bob, aliceBundle } = parties();
  const bundle = aliceBundle();
  const signed = bundle.getChild('signed-prekey');
  assert.ok(signed);
  signed.attrs.sig = Buffer.alloc(64).toString('base64');
  await assert.rejects(bob.encryptAnew('alice@gk.test', plain('x'), bundle), {
    code: 'sandbox-phone/noBundle',
  });
});
