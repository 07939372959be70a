import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contactId, deviceId, stanzaId } from '../../../../src/model/ids.ts';
import {
  writeChatState,
  writeMarker,
  writeMessage,
  writeReceipt,
  writeRetry,
} from '../../../../src/network/interop/stanza-writer.ts';

const head = { id: stanzaId('s1'), to: contactId('bob@gk.example') };

test('a message is written as the profile shows it, section 6', () => {
  const xml = writeMessage({
    ...head,
    fromDevice: deviceId(1),
    recipients: [{ device: deviceId(2), type: 'prekey', body: new Uint8Array([251, 255]) }],
    wantsReceipt: true,
  });
  assert.equal(
    xml,
    '<message type="chat" id="s1" to="bob@gk.example">' +
      '<envelope xmlns="urn:drawbridge:interop:1" v="1" device="1"><enc device="2" type="prekey">+/8=</enc></envelope>' +
      '<request xmlns="urn:xmpp:receipts"/><store xmlns="urn:xmpp:hints"/></message>',
  );
});

test('a receipt names the stanza that arrived (XEP-0184)', () => {
  assert.equal(
    writeReceipt({ ...head, stanzaId: stanzaId('<7>') }),
    '<message type="chat" id="s1" to="bob@gk.example"><received xmlns="urn:xmpp:receipts" id="&lt;7&gt;"/>' +
      '<store xmlns="urn:xmpp:hints"/></message>',
  );
});

test('a first retry request brings no bundle', () => {
  assert.equal(
    writeRetry({ ...head, stanzaId: stanzaId('7'), count: 1 }),
    '<message type="chat" id="s1" to="bob@gk.example"><retry xmlns="urn:drawbridge:interop:1" id="7" count="1"/>' +
      '<store xmlns="urn:xmpp:hints"/></message>',
  );
});

test('a message that would end every connection it is sent on is refused', () => {
  const copy = { device: deviceId(1), type: 'message', body: new Uint8Array(100_000) } as const;
  const write = (count: number) =>
    writeMessage({
      ...head,
      fromDevice: deviceId(1),
      recipients: Array.from({ length: count }, () => copy),
      wantsReceipt: true,
    });
  assert.ok(write(1).length > 100_000);
  assert.throws(() => write(2), { code: 'network/tooLarge' });
});

test('a read marker names the stanza up to which all was read (XEP-0333)', () => {
  assert.equal(
    writeMarker({ ...head, stanzaId: stanzaId('7') }),
    '<message type="chat" id="s1" to="bob@gk.example"><displayed xmlns="urn:xmpp:chat-markers:0" id="7"/>' +
      '<store xmlns="urn:xmpp:hints"/></message>',
  );
});

test('a chat state is kept nowhere (XEP-0085, XEP-0334)', () => {
  assert.equal(
    writeChatState({ to: head.to, state: 'composing' }),
    '<message type="chat" to="bob@gk.example"><composing xmlns="http://jabber.org/protocol/chatstates"/>' +
      '<no-store xmlns="urn:xmpp:hints"/></message>',
  );
});
