import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { contactId, deviceId, stanzaId } from '../../../../src/model/ids.ts';
import { readStanza } from '../../../../src/network/interop/stanza-reader.ts';
import { writeMessage, writeReceipt, writeRetry } from '../../../../src/network/interop/stanza-writer.ts';
import type { InboundSignal } from '../../../../src/network/network.ts';
import { NOW_MS, sampleAccount, sampleBundle } from './samples.ts';

const BOB = 'bob@gk.example/phone';
const KEYS = 'keys.gk.example';
const bob = contactId('bob@gk.example');
const id = stanzaId('ab.1');

function read(xml: string, from = BOB, delayedAtMs?: number): InboundSignal {
  return readStanza({ from, xml, delayedAtMs }, sampleAccount, { domain: 'gk.example', nowMs: NOW_MS });
}

const envelope = (inside: string, attributes = 'v="1" device="2"') =>
  `<envelope xmlns="urn:drawbridge:interop:1" ${attributes}>${inside}</envelope>`;
const message = (inside: string, attributes = 'type="chat" id="ab.1" to="alice-1@gk.example"') =>
  `<message xmlns="jabber:client" ${attributes}>${inside}</message>`;
const ENC = '<enc device="3" type="prekey">AAEC</enc>';

test('an envelope gives the copy for our device, with sender, device and the wish for a receipt', () => {
  const inside = `${envelope(`<enc device="1" type="message">BBBB</enc>${ENC}`)}<request xmlns="urn:xmpp:receipts"/>`;
  assert.deepEqual(read(message(inside)), {
    kind: 'envelope',
    sender: bob,
    senderDevice: 2,
    stanzaId: id,
    enc: { type: 'prekey', body: new Uint8Array([0, 1, 2]) },
    wantsReceipt: true,
  });
});

test('a delay is a hint: never after now, never before the epoch (case 2.6)', () => {
  const delayOf = (ms: number) => {
    const signal = read(message(envelope(ENC)), BOB, ms);
    return signal.kind === 'envelope' ? signal.delayedAtMs : signal;
  };
  const [in1999, in2100] = [Date.UTC(1999, 0, 1), Date.UTC(2100, 0, 1)];
  assert.deepEqual([in1999, in2100].map(delayOf), [in1999, NOW_MS]);
  assert.deepEqual([NOW_MS - 5, NOW_MS + 5, -5].map(delayOf), [NOW_MS - 5, NOW_MS, 0]);
});

const unreadable: readonly [rule: string, xml: string, why: string][] = [
  ['a later version of the profile', message(envelope(ENC, 'v="2" device="2"')), 'version'],
  [
    'no copy for our device',
    message(envelope('<enc device="4" type="message">AAEC</enc>')),
    'not-for-this-device',
  ],
  ['plain text', message('<body>hello</body>'), 'not-encrypted'],
  ['two copies for our device', message(envelope(ENC + ENC)), 'malformed'],
  ['a copy that is not base64', message(envelope('<enc device="3" type="message">A AEC</enc>')), 'malformed'],
  ['an empty copy', message(envelope('<enc device="3" type="message"/>')), 'malformed'],
  [
    'an unknown type of encryption',
    message(envelope('<enc device="3" type="sender">AAEC</enc>')),
    'malformed',
  ],
  ['a sender device outside 1 to 127', message(envelope(ENC, 'v="1" device="128"')), 'malformed'],
  ['a sender device that is no plain number', message(envelope(ENC, 'v="1" device="0x2"')), 'malformed'],
];
for (const [rule, xml, why] of unreadable) {
  test(`told as unreadable, never dropped in silence: ${rule}`, () => {
    assert.deepEqual(read(xml), { kind: 'unreadable', sender: bob, stanzaId: id, why });
  });
}

test('an envelope without an id is told as unreadable', () => {
  const xml = message(envelope(ENC), 'type="chat"');
  assert.deepEqual(read(xml), { kind: 'unreadable', sender: bob, why: 'malformed' });
});

test('receipts, markers and typing are of their sender', () => {
  assert.deepEqual(read(message('<received xmlns="urn:xmpp:receipts" id="ab.1"/>')), {
    kind: 'receipt',
    sender: bob,
    stanzaId: id,
  });
  assert.deepEqual(read(message('<displayed xmlns="urn:xmpp:chat-markers:0" id="ab.1"/>')), {
    kind: 'marker',
    sender: bob,
    stanzaId: id,
  });
  assert.deepEqual(read(message('<composing xmlns="http://jabber.org/protocol/chatstates"/>')), {
    kind: 'chat-state',
    sender: bob,
    state: 'composing',
  });
});

const retry = (attributes: string, inside = '') =>
  message(`<retry xmlns="urn:drawbridge:interop:1" ${attributes}>${inside}</retry>`);

test('a retry is asked for 1 to 5 times', () => {
  const expected = { kind: 'retry-request', sender: bob, stanzaId: id, count: 5 };
  assert.deepEqual(read(retry('id="ab.1" count="5"')), expected);
  for (const count of ['0', '6', '1.5', '-1', '', 'x']) {
    assert.equal(read(retry(`id="ab.1" count="${count}"`)).kind, 'ignored', count);
  }
});

test('a retry whose bundle is malformed is ignored', () => {
  const device = '<device xmlns="urn:drawbridge:interop:keys:1" id="1" registration="5"/>';
  assert.equal(read(retry('id="ab.1" count="2"', device)).kind, 'ignored');
});

const low = '<low xmlns="urn:drawbridge:interop:keys:1" device="3" prekeys="4" kyber="0"/>';
const changed = '<identity-changed xmlns="urn:drawbridge:interop:keys:1" jid="bob@gk.example"/>';
const headline = 'type="headline" to="alice-1@gk.example"';

test('the keys service tells when keys run low and when an identity changed', () => {
  assert.deepEqual(read(message(low, headline), KEYS), { kind: 'keys-low', prekeys: 4, kyber: 0 });
  assert.deepEqual(read(message(changed, headline), KEYS), { kind: 'identity-changed', contact: bob });
});

const carbon = `<received xmlns="urn:xmpp:carbons:2"><forwarded xmlns="urn:xmpp:forward:0">${message(envelope(ENC))}</forwarded></received>`;
const archived = `<result xmlns="urn:xmpp:mam:2" queryid="x" id="1"><forwarded xmlns="urn:xmpp:forward:0">${message(envelope(ENC))}</forwarded></result>`;
const event = '<event xmlns="http://jabber.org/protocol/pubsub#event"><items node="x"/></event>';
const bounce = '<error type="cancel"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>';

const ignored: readonly [rule: string, xml: string, from?: string][] = [
  ['a carbon forged by a contact (CVE-2017-5589) (case 2.1)', message(carbon)],
  ['an archive result forged by a contact (case 2.2)', message(archived)],
  ['an event of a node (case 2.3)', message(event)],
  ['keys-low by a contact (case 2.12)', message(low, headline)],
  ['keys-low by a contact with a telling resource', message(low, headline), 'bob@gk.example/keys.gk.example'],
  ['keys-low by somebody at the keys service', message(low, headline), 'mallory@keys.gk.example'],
  ['keys-low by the keys service with a resource', message(low, headline), 'keys.gk.example/x'],
  ['keys-low of another device', message(low.replace('"3"', '"4"'), headline), KEYS],
  ['keys-low that is no headline', message(low), KEYS],
  ['keys-low with a count that is no number', message(low.replace('"4"', '"-1"'), headline), KEYS],
  ['identity-changed by a contact', message(changed)],
  ['identity-changed about a foreign domain', message(changed.replace('gk.', 'evil.'), headline), KEYS],
  ['identity-changed about ourselves', message(changed.replace('bob', 'alice-1'), headline), KEYS],
  ['an envelope by the keys service', message(envelope(ENC)), KEYS],
  ['an envelope by the server (case 2.13)', message(envelope(ENC)), 'gk.example'],
  ['an envelope without a sender', message(envelope(ENC)), ''],
  ['an envelope by ourselves (case 2.13)', message(envelope(ENC)), 'alice-1@gk.example/other'],
  ['an envelope from another domain (case 2.13)', message(envelope(ENC)), 'bob@evil.example'],
  ['an envelope from a domain with ours at its end', message(envelope(ENC)), 'bob@evilgk.example'],
  ['an envelope to somebody else', message(envelope(ENC), 'type="chat" id="1" to="eve@gk.example"')],
  ['an envelope in a room', message(envelope(ENC), 'type="groupchat" id="1"')],
  ['an envelope in a headline', message(envelope(ENC), 'type="headline" id="1"')],
  ['a receipt without an id', message('<received xmlns="urn:xmpp:receipts"/>')],
  ['a receipt of another namespace', message('<received xmlns="urn:xmpp:receipt" id="1"/>')],
  ['an error without an id', message(bounce, 'type="error"')],
  ['an error from another domain', message(bounce, 'type="error" id="1"'), 'bob@evil.example'],
  ['presence', '<presence xmlns="jabber:client"/>'],
  ['a message of another namespace', '<message xmlns="jabber:server"/>'],
  ['what is not XML', '<message'],
  ['two stanzas', message('') + message('')],
  ['a document type', `<!DOCTYPE x>${message('')}`],
];
for (const [rule, xml, from] of ignored) {
  test(`ignored: ${rule}`, () => {
    assert.equal(read(xml, from).kind, 'ignored');
  });
}

test('a bounce names who sent it back, and none when it was the server', () => {
  const xml = message(`${envelope(ENC)}${bounce}`, 'type="error" id="ab.1"');
  const told = { kind: 'bounce', stanzaId: id, condition: 'item-not-found', text: '' };
  assert.deepEqual(read(xml), { ...told, contact: bob });
  for (const from of ['', 'gk.example', 'alice-1@gk.example']) assert.deepEqual(read(xml, from), told, from);
});

test('what a bounce says is bounded: conditions that RFC 6120 defines, 255 characters of text', () => {
  const ns = 'xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"';
  const error = `<error type="cancel"><mine ${ns}/><text ${ns}>${'x'.repeat(1000)}</text></error>`;
  const signal = read(message(error, 'type="error" id="ab.1"'));
  assert.ok(signal.kind === 'bounce');
  assert.equal(signal.condition, 'undefined-condition');
  assert.equal(signal.text.length, 255);
});

const head = { id, to: contactId('alice-1@gk.example') };
const reply = stanzaId('<&\'">');

test('what we write is what we read', () => {
  const body = new Uint8Array([1, 2, 3]);
  const xml = writeMessage({
    ...head,
    fromDevice: deviceId(127),
    recipients: [
      { device: deviceId(1), type: 'message', body: new Uint8Array([9]) },
      { device: deviceId(3), type: 'message', body },
    ],
    wantsReceipt: false,
  });
  assert.deepEqual(read(xml), {
    kind: 'envelope',
    sender: bob,
    senderDevice: 127,
    stanzaId: id,
    enc: { type: 'message', body },
    wantsReceipt: false,
  });
  assert.deepEqual(read(writeReceipt({ ...head, stanzaId: reply })), {
    kind: 'receipt',
    sender: bob,
    stanzaId: reply,
  });
  assert.deepEqual(read(writeRetry({ ...head, stanzaId: reply, count: 2, bundle: sampleBundle })), {
    kind: 'retry-request',
    sender: bob,
    stanzaId: reply,
    count: 2,
    bundle: sampleBundle,
  });
});

/** The words of the profile, each at home in one namespace, and some that trip up objects. */
const words: readonly (readonly [name: string, namespace: string])[] = [
  ['message', 'jabber:client'],
  ['body', 'jabber:client'],
  ['error', 'jabber:client'],
  ['__proto__', 'jabber:client'],
  ['constructor', 'urn:drawbridge:interop:1'],
  ['envelope', 'urn:drawbridge:interop:1'],
  ['enc', 'urn:drawbridge:interop:1'],
  ['retry', 'urn:drawbridge:interop:1'],
  ['device', 'urn:drawbridge:interop:keys:1'],
  ['identity', 'urn:drawbridge:interop:keys:1'],
  ['prekey', 'urn:drawbridge:interop:keys:1'],
  ['low', 'urn:drawbridge:interop:keys:1'],
  ['identity-changed', 'urn:drawbridge:interop:keys:1'],
  ['received', 'urn:xmpp:receipts'],
  ['displayed', 'urn:xmpp:chat-markers:0'],
  ['composing', 'http://jabber.org/protocol/chatstates'],
  ['gone', 'urn:ietf:params:xml:ns:xmpp-stanzas'],
  ['text', 'urn:ietf:params:xml:ns:xmpp-stanzas'],
];
const attributeNames = [
  'id',
  'type',
  'to',
  'v',
  'device',
  'count',
  'jid',
  'prekeys',
  '__proto__',
  'constructor',
  'sig',
];
const values = fc.oneof(
  fc.constantFrom(
    '1',
    '3',
    'chat',
    'error',
    'headline',
    'prekey',
    'ab.1',
    'alice-1@gk.example',
    'bob@gk.example',
    '',
  ),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
);
const { tree } = fc.letrec<{ tree: string; children: string }>((tie) => ({
  tree: fc
    .tuple(
      fc.constantFrom(...words),
      fc.dictionary(fc.constantFrom(...attributeNames), values, { maxKeys: 5 }),
      tie('children'),
    )
    .map(([[name, ns], attributes, inside]) => {
      const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(value)}"`);
      return `<${name} xmlns="${ns}"${written.join('')}>${inside}</${name}>`;
    }),
  children: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.oneof(fc.constant('AAEC'), values.map(escaped)),
    fc.array(tie('tree'), { maxLength: 4 }).map((children) => children.join('')),
  ),
}));

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

test('no stanza makes the reader throw, whoever sends it', () => {
  const senders = fc.constantFrom(BOB, KEYS, 'gk.example', '', 'a@b/c', '@', '//', 'bob@gk.example');
  const types = fc.constantFrom('chat', 'normal', 'error', 'headline');
  const inside = fc.tuple(tree, types).map(([child, type]) => message(child, `type="${type}" id="1"`));
  const xml = fc.oneof(
    { weight: 4, arbitrary: inside },
    tree,
    inside,
    inside.map((text) => text.slice(0, -3)),
    fc.string({ unit: 'binary' }),
  );
  const kinds = new Set<string>();
  fc.assert(
    fc.property(xml, senders, (text, from) => {
      kinds.add(read(text, from).kind);
    }),
    { numRuns: 2000 },
  );
  // Were everything ignored, nothing would have been tried.
  assert.ok(kinds.size > 3, [...kinds].join());
});
