import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromRoomEvent, toEventContents, toNoticeContents } from '../../../src/matrix/content.ts';
import type { JsonObject } from '../../../src/matrix/json-object.ts';
import type { RoomEvent } from '../../../src/matrix/matrix.ts';
import { eventId, matrixUserId, messageId, roomId } from '../../../src/model/ids.ts';

function event(content: JsonObject, type = 'm.room.message', state_key?: string): RoomEvent {
  return {
    event_id: eventId('$a'),
    room_id: roomId('!r:m.example'),
    sender: matrixUserId('@alice:m.example'),
    type,
    origin_server_ts: 0,
    content,
    ...(state_key === undefined ? {} : { state_key }),
  };
}

describe('from Matrix', () => {
  it('a text without HTML crosses whole, as its client wrote it', () => {
    const body = '> <@bob:m.example> hi\n\nhello *there* \n';
    for (const content of [
      { msgtype: 'm.text', body },
      { msgtype: 'm.text', body, format: 'org.example.markup', formatted_body: '<b>x</b>' },
      { msgtype: 'm.text', body, format: 'org.matrix.custom.html', formatted_body: '<br><b> </b>' },
    ]) {
      assert.deepEqual(fromRoomEvent(event(content)), {
        tone: 'plain',
        content: { kind: 'text', body, ranges: [] },
      });
    }
  });

  it('the HTML of a text, an emote and a notice becomes words with ranges', () => {
    for (const [msgtype, tone] of [
      ['m.text', 'plain'],
      ['m.emote', 'emote'],
      ['m.notice', 'notice'],
    ]) {
      const html = { format: 'org.matrix.custom.html', formatted_body: 'a <b>b</b>' };
      assert.deepEqual(fromRoomEvent(event({ msgtype, body: 'other', ...html })), {
        tone,
        content: { kind: 'text', body: 'a b', ranges: [{ start: 2, length: 1, style: 'bold', value: '' }] },
      });
    }
  });

  it('what an old client quotes before a reply is left out of the reply, and of nothing else', () => {
    const body = '> <@bob:m.example> hi\n\nhello';
    const reply = { 'm.relates_to': { 'm.in_reply_to': { event_id: '$b' } } };
    assert.deepEqual(fromRoomEvent(event({ msgtype: 'm.text', body, ...reply }))?.content, {
      kind: 'text',
      body: 'hello',
      ranges: [],
    });
  });

  it('a link to a user whom the caller knows is a mention', () => {
    const html = '<a href="https://matrix.to/#/@bob:m.example">Bob</a>';
    const content = {
      msgtype: 'm.text',
      body: 'Bob',
      format: 'org.matrix.custom.html',
      formatted_body: html,
    };
    const contactOf = (user: string) => (user === '@bob:m.example' ? 'bob@gk.example' : undefined);
    assert.deepEqual(fromRoomEvent(event(content), { contactOf })?.content, {
      kind: 'text',
      body: 'Bob',
      ranges: [{ start: 0, length: 3, style: 'mention', value: 'bob@gk.example' }],
    });
  });

  it('an emote and a notice are texts in another tone', () => {
    for (const [msgtype, tone] of [
      ['m.emote', 'emote'],
      ['m.notice', 'notice'],
    ]) {
      assert.deepEqual(fromRoomEvent(event({ msgtype, body: 'waves' })), {
        tone,
        content: { kind: 'text', body: 'waves', ranges: [] },
      });
    }
  });

  const text = { msgtype: 'm.text', body: 'hi' };
  const cases: [string, RoomEvent][] = [
    ['malformed', event({ msgtype: 'm.image', body: 'no file' })],
    ['malformed', event({ msgtype: 'm.file', body: 'no file', url: 7, file: 'none' })],
    ['malformed', event({ body: 'no file' }, 'm.sticker')],
    ['encrypted', event({ algorithm: 'm.megolm.v1.aes-sha2' }, 'm.room.encrypted')],
    ['malformed', event({ msgtype: 'm.location', body: 'a' })],
    ['malformed', event({ msgtype: 'm.location', body: 'a', geo_uri: 'geo:91,0' })],
    ['malformed', event({ 'm.relates_to': { rel_type: 'm.annotation' } }, 'm.reaction')],
    ['malformed', event({ ...text, 'm.new_content': text })],
    ['malformed', event({ ...text, 'm.relates_to': { rel_type: 'm.replace', event_id: '$b' } })],
    ['unknown', event({ msgtype: 'org.example.dance', body: 'a' })],
    ['unknown', event({ msgtype: '__proto__', body: 'a' })],
    ['unknown', event({ msgtype: 'constructor', body: 'a' })],
    ['redacted', event({})],
    ['malformed', event({ body: 'no type' })],
    ['malformed', event({ msgtype: 'm.text' })],
    ['malformed', event({ msgtype: 'm.text', body: '' })],
    ['malformed', event({ msgtype: 'm.text', body: { a: 1 } })],
    ['too-long', event({ msgtype: 'm.text', body: 'x'.repeat(1_000_000) })],
  ];
  for (const [what, given] of cases) {
    it(`is told as ${what}: ${JSON.stringify(given.content).slice(0, 70)}`, () => {
      assert.deepEqual(fromRoomEvent(given)?.content, { kind: 'unsupported', what });
    });
  }

  const earlier = { rel_type: 'm.replace', event_id: '$b' };
  const references: [string, RoomEvent, object][] = [
    [
      'an edit',
      event({ ...text, 'm.relates_to': earlier, 'm.new_content': { msgtype: 'm.emote', body: 'waves' } }),
      { tone: 'emote', content: { kind: 'replacement', target: '$b', body: 'waves', ranges: [] } },
    ],
    [
      'a reaction',
      event({ 'm.relates_to': { rel_type: 'm.annotation', event_id: '$b', key: '🎉' } }, 'm.reaction'),
      { tone: 'plain', content: { kind: 'annotation', target: '$b', emoji: '🎉' } },
    ],
    [
      'a deletion',
      event({ redacts: '$b' }, 'm.room.redaction'),
      { tone: 'plain', content: { kind: 'redaction', target: '$b' } },
    ],
    [
      'a reply',
      event({ ...text, 'm.relates_to': { 'm.in_reply_to': { event_id: '$b' } } }),
      { tone: 'plain', content: { kind: 'text', body: 'hi', ranges: [] }, replyTo: '$b' },
    ],
    [
      'a place',
      event({ msgtype: 'm.location', body: 'Here', geo_uri: 'geo:52.5,-13.25;u=35' }),
      {
        tone: 'plain',
        content: { kind: 'location', latitude: 52.5, longitude: -13.25, name: 'Here' },
      },
    ],
  ];
  for (const [what, given, read] of references) {
    it(`${what} is read with what it refers to`, () => {
      assert.deepEqual(fromRoomEvent(given), read);
    });
  }

  it('a place is written as it is read', () => {
    const place = { kind: 'location', latitude: -1.5, longitude: 179, name: '' } as const;
    const [content] = toEventContents(place, '');
    assert.deepEqual(content, { msgtype: 'm.location', body: '📍 -1.5, 179', geo_uri: 'geo:-1.5,179' });
  });

  it('state and the notes of clients to themselves are no messages', () => {
    assert.equal(fromRoomEvent(event({ membership: 'join' }, 'm.room.member', '@a:b')), undefined);
    assert.equal(fromRoomEvent(event(text, 'm.room.message', '')), undefined);
    assert.equal(fromRoomEvent(event({}, 'org.example.note')), undefined);
    assert.equal(fromRoomEvent(event({}, 'toString')), undefined);
  });

  it('an unpaired surrogate becomes U+FFFD', () => {
    const read = fromRoomEvent(event({ msgtype: 'm.text', body: 'a\ud800b' }));
    assert.deepEqual(read?.content, { kind: 'text', body: 'a\ufffdb', ranges: [] });
  });

  it('no content raises an error', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), (junk, body) => {
        fromRoomEvent(event(junk));
        fromRoomEvent(event({ ...junk, msgtype: 'm.text', body, 'm.relates_to': body }));
      }),
    );
  });
});

describe('to Matrix', () => {
  it('a text is one m.text, and comes back as the same text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (body) => {
        const [content, ...more] = toEventContents({ kind: 'text', body, ranges: [] }, '');
        assert.deepEqual([content, more], [{ msgtype: 'm.text', body }, []]);
        assert.deepEqual(fromRoomEvent(event(content ?? {}))?.content, { kind: 'text', body, ranges: [] });
      }),
    );
  });

  it('a boundary notice is a notice in its own words', () => {
    const notice = {
      kind: 'boundary-notice',
      operatorName: 'Ada',
      operatorContact: 'ada@example.org',
      mode: 'provider',
      text: 'Ends here',
    } as const;
    assert.deepEqual(toEventContents(notice, 'note'), [{ msgtype: 'm.notice', body: 'Ends here' }]);
  });

  it('what is not carried is a notice in the words of the core', () => {
    const target = messageId('0'.repeat(32));
    assert.deepEqual(toEventContents({ kind: 'revoke', target }, 'a deletion'), [
      { msgtype: 'm.notice', body: 'a deletion' },
    ]);
  });

  it('a long text is cut between words, loses nothing, and no part is above 48,000 bytes of JSON', () => {
    for (const word of ['word ', '😀 ', '"\\ ', '\u0001']) {
      const text = word.repeat(30_000);
      const bodies = toNoticeContents(text).map((content) => String(content.body));
      assert.ok(bodies.length > 1);
      assert.equal(bodies.join(''), text);
      for (const body of bodies) assert.ok(Buffer.byteLength(JSON.stringify(body)) <= 48_002);
      if (word.includes(' ')) for (const body of bodies) assert.ok(body.endsWith(' '));
    }
  });

  it('a long formatted text is cut with its ranges, and each part fits an event with its HTML', () => {
    const body = '"word" '.repeat(9_000).trimEnd();
    const ranges = Array.from({ length: 1_000 }, (_, index) => ({
      start: index * 60,
      length: 55,
      style: index % 2 === 0 ? ('bold' as const) : ('link' as const),
      value: index % 2 === 0 ? '' : `https://m.example/${'x'.repeat(400)}${index}`,
    }));
    const contents = toEventContents({ kind: 'text', body, ranges }, '');
    assert.equal(contents.map((content) => String(content.body)).join(''), body);
    for (const content of contents) assert.ok(Buffer.byteLength(JSON.stringify(content)) <= 56_100);
    const html = contents.map((content) => String(content.formatted_body)).join('');
    for (let index = 1; index < 1_000; index += 2) assert.ok(html.includes(`x${index}">`), String(index));
  });

  it('what is nearly all addresses of links goes without them rather than not at all', () => {
    const body = 'ab'.repeat(10_000);
    const ranges = Array.from({ length: 1_000 }, (_, index) => ({
      start: index,
      length: 1,
      style: 'link' as const,
      value: `https://m.example/${index}/${'x'.repeat(3_000)}`,
    }));
    const contents = toEventContents({ kind: 'text', body, ranges }, '');
    assert.equal(contents.map((content) => String(content.body)).join(''), body);
    for (const content of contents) assert.ok(Buffer.byteLength(JSON.stringify(content)) <= 56_100);
  });

  it('a character of two halves is never cut in two', () => {
    const bodies = toNoticeContents('😀'.repeat(30_000)).map((content) => String(content.body));
    assert.ok(bodies.length > 1);
    for (const body of bodies) assert.ok(!/\p{Surrogate}/u.test(body));
  });
});
