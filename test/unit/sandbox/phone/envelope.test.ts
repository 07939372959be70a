import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  bareOf,
  envelopeStanza,
  readEnvelope,
  readStanzaId,
} from '../../../../src/sandbox/phone/envelope.ts';
import { clientLibrary } from '../../../../src/sandbox/phone/xmpp-library.ts';

const { xml } = clientLibrary();
const badEnvelope = { code: 'sandbox-phone/badEnvelope' };
const ciphertext = { type: 'prekey', device: 1, bytes: Buffer.from('secret') } as const;

test('an envelope is the stanza of the profile, section 6', () => {
  assert.equal(
    envelopeStanza('alice@gk.test', '00ff', ciphertext).toString(),
    '<message type="chat" to="alice@gk.test" id="00ff">' +
      '<envelope xmlns="urn:drawbridge:interop:1" v="1" device="1"><enc device="1" type="prekey">c2VjcmV0</enc></envelope>' +
      '<request xmlns="urn:xmpp:receipts"/><store xmlns="urn:xmpp:hints"/></message>',
  );
});

test('what was built is read again', () => {
  const read = readEnvelope(envelopeStanza('alice@gk.test', '00ff', ciphertext));
  assert.equal(read?.device, 1);
  assert.deepEqual(Buffer.from(read?.ciphertext.bytes ?? []), Buffer.from('secret'));
});

test('a message without an envelope has none', () => {
  assert.equal(readEnvelope(xml('message', {}, xml('body', {}, 'hi'))), undefined);
});

test('another version, another device, an unknown type and a sender device out of range are refused', () => {
  const enc = (attributes: Record<string, string>) =>
    xml('enc', { device: '1', type: 'prekey', ...attributes }, 'AA==');
  const envelope = (attributes: Record<string, string>, child = enc({})) =>
    xml(
      'message',
      {},
      xml('envelope', { xmlns: 'urn:drawbridge:interop:1', v: '1', device: '1', ...attributes }, child),
    );
  for (const message of [
    envelope({ v: '2' }),
    envelope({ device: '128' }),
    envelope({ device: 'x' }),
    envelope({}, enc({ device: '2' })),
    envelope({}, enc({ type: 'plain' })),
  ]) {
    assert.throws(() => readEnvelope(message), badEnvelope);
  }
});

test('a retried copy is known by the count behind its id', () => {
  assert.deepEqual(readStanzaId('00ff.2'), { id: '00ff', copy: 2 });
  assert.deepEqual(readStanzaId('00ff'), { id: '00ff', copy: 0 });
  assert.equal(bareOf('a@b/c/d'), 'a@b');
});
