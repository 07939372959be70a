/** The words of the stream and of the profile's stanzas. */
import { asBytes } from './pieces.ts';

const MESSAGE =
  'xmlns="jabber:client" type="chat" id="ab.1" to="alice-1@gk.example" from="bob@gk.example/phone"';
const KEYS = 'xmlns="urn:drawbridge:interop:keys:1"';

const message = (inside: string, attributes = MESSAGE) => `<message ${attributes}>${inside}</message>`;

const ec = Buffer.concat([Buffer.from([5]), Buffer.alloc(32, 7)]).toString('base64');
const kyber = Buffer.concat([Buffer.from([8]), Buffer.alloc(1568, 7)]).toString('base64');
const sig = Buffer.alloc(64, 7).toString('base64');

/** `<device/>` of a bundle, sound in its form. */
export const deviceSeed =
  `<device ${KEYS} id="1" registration="12345"><identity>${ec}</identity>` +
  `<signed-prekey id="2" sig="${sig}">${ec}</signed-prekey><prekey id="17">${ec}</prekey>` +
  `<kyber id="9" sig="${sig}">${kyber}</kyber></device>`;

/** One of each kind that the profile knows, and some that it must not heed. */
export const stanzaSeeds: readonly string[] = [
  message(
    '<envelope xmlns="urn:drawbridge:interop:1" v="1" device="2"><enc device="1" type="message">BBBB</enc>' +
      '<enc device="3" type="prekey">AAEC</enc></envelope><request xmlns="urn:xmpp:receipts"/>' +
      '<store xmlns="urn:xmpp:hints"/>',
  ),
  message('<received xmlns="urn:xmpp:receipts" id="ab.1"/>'),
  message('<displayed xmlns="urn:xmpp:chat-markers:0" id="ab.1"/>'),
  message('<composing xmlns="http://jabber.org/protocol/chatstates"/>'),
  message('<retry xmlns="urn:drawbridge:interop:1" id="ab.1" count="2"/>'),
  message(`<retry xmlns="urn:drawbridge:interop:1" id="ab.1" count="2">${deviceSeed}</retry>`),
  message('<body>hello &amp; good bye</body>'),
  message(
    '<error type="cancel"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/>' +
      '<text xmlns="urn:ietf:params:xml:ns:xmpp-stanzas" xml:lang="en">no such person</text></error>',
    MESSAGE.replace('chat', 'error'),
  ),
  message(
    `<low ${KEYS} device="3" prekeys="4" kyber="5"/>`,
    'xmlns="jabber:client" type="headline" from="keys.gk.example" to="alice-1@gk.example"',
  ),
  message(
    `<identity-changed ${KEYS} jid="bob@gk.example"/>`,
    'xmlns="jabber:client" type="headline" from="keys.gk.example" to="alice-1@gk.example"',
  ),
  message(
    '<delay xmlns="urn:xmpp:delay" from="gk.example" stamp="2026-03-20T09:46:40Z"/>' +
      '<stanza-id xmlns="urn:xmpp:sid:0" by="alice-1@gk.example" id="arch-1"/><body>late</body>',
  ),
  message(
    '<sent xmlns="urn:xmpp:carbons:2"><forwarded xmlns="urn:xmpp:forward:0"><message xmlns="jabber:client" ' +
      'from="alice-1@gk.example/x" to="mallory@gk.example"><body>forged</body></message></forwarded></sent>',
  ),
];

/** Attribute values and texts; those of the profile first, then those that have hurt others. */
export const stanzaWords: readonly string[] = [
  ...[
    'ab.1',
    'alice-1@gk.example',
    'bob@gk.example',
    'bob@gk.example/phone',
    'keys.gk.example',
    'gk.example',
  ],
  ...[
    'mallory@other.example',
    '@gk.example',
    'a@b@c/d',
    '',
    '/',
    'chat',
    'normal',
    'headline',
    'groupchat',
    'error',
  ],
  ...[
    'jabber:client',
    'jabber:server',
    'urn:drawbridge:interop:1',
    'urn:drawbridge:interop:keys:1',
    'urn:xmpp:receipts',
  ],
  ...[
    'xmlns',
    'xmlns:a',
    'xml:lang',
    'a:b',
    'xmlns:xmlns',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
  ],
  ...[
    '0',
    '1',
    '2',
    '3',
    '5',
    '6',
    '127',
    '128',
    '-1',
    '+1',
    '01',
    '1e3',
    '0x3',
    'NaN',
    'Infinity',
    '2147483648',
  ],
  ...[
    '9999999999',
    '12345678901',
    '16384',
    'AAEC',
    'A AEC',
    'AAE',
    '====',
    ec,
    sig,
    'prekey',
    'message',
    'v',
    'device',
  ],
  ...[
    '2026-03-20T09:46:40Z',
    '9999-99-99T99:99:99Z',
    '0000-01-01T00:00:00+99:99',
    '2026-02-31T00:00:00.123456789Z',
  ],
  ...['&amp;', '&#xD800;', '&#0;', '&#x10FFFF;', '&lt;', '&nosuch;', '\r\n', '\t', '\u0000', '\u0001'].map(
    asBytes,
  ),
  ...['\ufffe', 'ü', '日本', '😀', '\u202e', '\ufeff'].map(asBytes),
];

/** Marks and elements, for where markup may stand. */
export const markupWords: readonly string[] = [
  ...[5, 33].map((depth) => '<a>'.repeat(depth) + '</a>'.repeat(depth)),
  ...[
    '<a>',
    '</a>',
    '<a/>',
    '<a xmlns="urn:x">',
    '<p:a xmlns:p="urn:x" p:b="c">',
    '</p:a>',
    '<message>',
    '</message>',
  ],
  ...[
    '<iq type="get" id="1" from="gk.example"><ping xmlns="urn:xmpp:ping"/></iq>',
    '<presence/>',
    '<r xmlns="urn:xmpp:sm:3"/>',
  ],
  ...[
    '<a xmlns="urn:xmpp:sm:3" h="4294967296"/>',
    '<stream:error><conflict xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error>',
  ],
  ...[
    '<![CDATA[',
    ']]>',
    '<!-- -->',
    '<?xml version="1.0"?>',
    '<?x y?>',
    '<!DOCTYPE a [<!ENTITY b "c">]>',
    '&b;',
  ],
  ...['<', '>', '/>', '</', '"', "'", '=', '&', '<<', '<a b="', ' a="b"', ' a="b" a="b"', '</stream:stream>'],
  ...[
    '\u00ff',
    '\u00c3',
    '\u00c0\u0080',
    '\u00ed\u00a0\u0080',
    '\u00f4\u0090\u0080\u0080',
    '\u00ef\u00bb\u00bf',
  ],
];

/** Names, values and texts of XML. */
export const xmlToken = /[\w:.@/+=;&#-]+/g;
