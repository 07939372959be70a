import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readSigns } from '../../../src/matrix/signs.ts';

const ROOM = '!room:m.example';
const ADA = '@ada:m.example';
const receipt = (content: unknown) => ({ type: 'm.receipt', room_id: ROOM, content });

test('a receipt tells who has read up to which event, and when', () => {
  const content = { $a: { 'm.read': { [ADA]: { ts: 17 }, '@bob:m.example': {} } } };
  assert.deepEqual(readSigns([receipt(content)]), [
    { kind: 'read', room: ROOM, event: '$a', user: ADA, atMs: 17 },
    { kind: 'read', room: ROOM, event: '$a', user: '@bob:m.example', atMs: 0 },
  ]);
});

test('a private receipt is nobody’s business', () => {
  assert.deepEqual(readSigns([receipt({ $a: { 'm.read.private': { [ADA]: { ts: 17 } } } })]), []);
});

test('typing tells the whole list of those who write', () => {
  const typing = (user_ids: unknown) => ({ type: 'm.typing', room_id: ROOM, content: { user_ids } });
  assert.deepEqual(readSigns([typing([ADA, 'nobody', 7]), typing([])]), [
    { kind: 'typing', room: ROOM, users: [ADA] },
    { kind: 'typing', room: ROOM, users: [] },
  ]);
});

test('what is malformed or of another type means nothing, and takes nothing with it', () => {
  const good = receipt({ $a: { 'm.read': { [ADA]: { ts: 1 } } } });
  const bad = [
    {},
    { type: 'm.presence', content: {} },
    { ...good, room_id: 'nowhere' },
    receipt(null),
    receipt({ 'no event': { 'm.read': { [ADA]: {} } } }),
    receipt({ $a: 7, $b: { 'm.read': [] }, $c: { 'm.read': { 'no user': {} } } }),
    { type: 'm.typing', room_id: ROOM, content: { user_ids: 'all' } },
  ];
  assert.equal(readSigns([...bad, good]).length, 1);
});

test('whatever comes, nothing is thrown', () => {
  const anything = fc.record({
    type: fc.constantFrom('m.receipt', 'm.typing'),
    room_id: fc.oneof(fc.constant(ROOM), fc.string()),
    content: fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue()),
  });
  fc.assert(
    fc.property(fc.array(anything), (ephemeral) => {
      readSigns(ephemeral);
    }),
  );
});
