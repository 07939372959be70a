import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseRoomEvent } from '../../../src/matrix/room-event.ts';
import { hasCode } from '../../../src/model/errors.ts';

const sound = {
  event_id: '$a',
  room_id: '!r:m.example',
  sender: '@alice:m.example',
  type: 'm.room.message',
  origin_server_ts: 1_700_000_000_000,
  content: { msgtype: 'm.text', body: 'hi' },
};

describe('a room event', () => {
  it('is taken as it came, without what the bridge does not know', () => {
    const event = { ...sound, state_key: '', unsigned: { age: 1 } };
    assert.deepEqual(parseRoomEvent({ ...event, age: 5, user_id: '@x:y', __proto__: { a: 1 } }), event);
  });

  it('may be stored as JSON and read again', () => {
    assert.deepEqual(parseRoomEvent(JSON.parse(JSON.stringify(parseRoomEvent(sound)))), sound);
  });

  const faults: [string, object][] = [
    ['event_id', { event_id: undefined }],
    ['event_id', { event_id: 'a' }],
    ['room_id', { room_id: 7 }],
    ['sender', { sender: 'alice' }],
    ['type', { type: '' }],
    ['type', { type: 'x'.repeat(256) }],
    ['state_key', { state_key: 1 }],
    ['origin_server_ts', { origin_server_ts: '1' }],
    ['origin_server_ts', { origin_server_ts: 1.5 }],
    ['content', { content: null }],
    ['content', { content: [] }],
    ['content', { content: { a: JSON.parse('['.repeat(100) + ']'.repeat(100)) } }],
  ];
  for (const [member, change] of faults) {
    it(`is refused by name for its ${member}: ${JSON.stringify(change).slice(0, 60)}`, () => {
      assert.throws(
        () => parseRoomEvent({ ...sound, ...change }),
        (failure) => hasCode(failure, 'matrix/badEvent') && failure.facts.member === member,
      );
    });
  }

  it('names its id when that is sound, and nothing of its content', () => {
    assert.throws(
      () => parseRoomEvent({ ...sound, content: 'secret' }),
      (failure) =>
        hasCode(failure, 'matrix/badEvent') &&
        failure.facts.event === '$a' &&
        !failure.message.includes('secret'),
    );
  });

  it('is not lost for what the homeserver remarks about it', () => {
    assert.deepEqual(parseRoomEvent({ ...sound, unsigned: 'junk' }), sound);
  });

  it('raises nothing but its own error, whatever it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (junk, content) => {
        for (const value of [junk, { ...sound, content }, { ...sound, event_id: junk }]) {
          try {
            parseRoomEvent(value);
          } catch (failure) {
            assert.ok(hasCode(failure, 'matrix/badEvent'));
          }
        }
      }),
    );
  });
});
