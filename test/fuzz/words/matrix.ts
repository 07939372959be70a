/** The words of Matrix: events as homeservers push them, and what people type to the bot. */
import { jsonWords } from './json.ts';

const event = (members: string) =>
  `{"event_id":"$a:m.example","room_id":"!r:m.example","sender":"@alice:m.example","origin_server_ts":1774000000000,${members}}`;

export const eventSeeds: readonly string[] = [
  event(
    '"type":"m.room.message","content":{"msgtype":"m.text","body":"!bridge start-chat \\"+49 170 1234567\\" gk"}',
  ),
  event(
    '"type":"m.room.message","content":{"msgtype":"m.text","body":"yes","format":"org.matrix.custom.html",' +
      '"formatted_body":"<b>yes</b>","m.relates_to":{"m.in_reply_to":{"event_id":"$q"}},"m.mentions":{"user_ids":["@b:m"]}}',
  ),
  event(
    '"type":"m.room.message","content":{"msgtype":"m.emote","body":"waves"},"unsigned":{"age":3,"transaction_id":"1"}',
  ),
  event(
    '"type":"m.room.message","content":{"msgtype":"m.text","body":"* new","m.new_content":{"msgtype":"m.text","body":"new"},' +
      '"m.relates_to":{"rel_type":"m.replace","event_id":"$q"}}',
  ),
  event(
    '"type":"m.room.message","content":{"msgtype":"m.audio","body":"a.ogg","url":"mxc://m/a","org.matrix.msc3245.voice":{},' +
      '"info":{"size":3,"duration":7}}',
  ),
  event(
    '"type":"m.reaction","content":{"m.relates_to":{"rel_type":"m.annotation","event_id":"$q","key":"👍🏽"}}',
  ),
  event('"type":"m.room.redaction","redacts":"$q","content":{"redacts":"$q","reason":"x"}'),
  event(
    '"type":"m.room.member","state_key":"@_interop_gk_bob=40gk.example:m.example","content":{"membership":"invite","is_direct":true}',
  ),
  event('"type":"m.room.encrypted","content":{"algorithm":"m.megolm.v1.aes-sha2","ciphertext":"x"}'),
];

export const eventWords: readonly string[] = [
  ...jsonWords,
  ...[
    '"$q"',
    '"m.room.message"',
    '"m.text"',
    '"m.notice"',
    '"m.image"',
    '"m.replace"',
    '"m.annotation"',
    '"content"',
  ],
  ...[
    '"body"',
    '"msgtype"',
    '"m.relates_to"',
    '"m.new_content"',
    '"state_key"',
    '"unsigned"',
    '"type"',
    '"event_id"',
  ],
  ...[
    '"👎"',
    '"✔️"',
    '"YES!"',
    '"@_interop_gk_bob=40gk.example:m.example"',
    '"@_interop_gk_=zz:m.example"',
    '"@:m"',
  ],
];

export const typedSeeds: readonly string[] = [
  '!bridge start-chat @alice gk',
  'start-chat "+49 (170) 123-45/67" gk',
  "opt-in «gk two» „gk three“ “gk” 'x'",
  'start-chat id:abc-1',
  'help',
  '!BRIDGE  status\u00a0gk',
];

export const typedWords: readonly string[] = [
  ...[
    '!bridge',
    '"',
    "'",
    '“',
    '”',
    '„',
    '«',
    '»',
    ' ',
    '\u00a0',
    '\n',
    '\u2028',
    '\u0000',
    '+',
    '+0',
    '+49',
    '@',
    'id:',
  ],
  ...[
    'start-chat',
    'opt-in',
    'constructor',
    '__proto__',
    'İ',
    'ß',
    'ﬁ',
    'e\u0301',
    '\u202e',
    '😀',
    '\ud800',
    '\udc00',
    'ﷺ',
  ],
];
