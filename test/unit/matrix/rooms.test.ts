/** Creations that broke off at places where a real Synapse can't be made to stop. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { matrixErrors } from '../../../src/matrix/errors.ts';
import type { Client, Homeserver } from '../../../src/matrix/homeserver.ts';
import { Rooms } from '../../../src/matrix/rooms.ts';
import { hasCode } from '../../../src/model/errors.ts';
import { matrixUserId } from '../../../src/model/ids.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';

const BOT = matrixUserId('@bot:m.example');
const ALICE = matrixUserId('@alice:m.example');

/** `takes`: how many creations find the alias taken. `memberships`: of the bot, a question each; the last one stays. */
function world({ takes, memberships, lost = 0 }: { takes: number; memberships: string[]; lost?: number }) {
  const done: string[] = [];
  const slept: number[] = [];
  const client = {
    createRoom: async () => {
      done.push('create');
      if (takes-- > 0) throw matrixErrors.roomInUse();
      return '!new:m.example';
    },
    lookupRoomAlias: async () => {
      if (lost-- > 0) throw matrixErrors.notFound();
      return { roomId: '!old:m.example', residentServers: [] };
    },
    deleteRoomAlias: async () => void done.push('delete alias'),
    getRoomStateEvent: async (_room: string, _type: string, user: string) => {
      if (user !== BOT) throw matrixErrors.notFound();
      const membership = memberships.length > 1 ? memberships.shift() : memberships[0];
      if (membership === '') throw matrixErrors.forbidden();
      return { membership };
    },
  };
  const homeserver = {
    botUserId: BOT,
    client: async () => client as unknown as Client,
    sendState: async ({ type }: { type: string }) => void done.push(type),
  } as unknown as Homeserver;
  const rooms = new Rooms({
    settings: { ghostPrefix: '_interop_', domain: 'm.example' } as never,
    homeserver,
    clock: { sleep: async (ms) => void slept.push(ms) },
    log: new RecordingLog(),
  });
  return { rooms, done, slept };
}

it('a creation that is still under way is waited for, not replaced', async () => {
  const { rooms, done, slept } = world({ takes: 1, memberships: ['', '', 'join'] });
  assert.equal(await rooms.createManagementRoom(ALICE), '!old:m.example');
  assert.deepEqual([done, slept.length], [['create', 'm.room.member'], 2]);
});

it('a room that nobody can enter is replaced after ten seconds at the most', async () => {
  const { rooms, done, slept } = world({ takes: 1, memberships: [''] });
  assert.equal(await rooms.createManagementRoom(ALICE), '!new:m.example');
  assert.deepEqual(done, ['create', 'delete alias', 'create', 'm.room.member']);
  assert.ok(slept.reduce((sum, ms) => sum + ms, 0) <= 10_000);
});

it('an alias that is gone when it is looked up is taken', async () => {
  const { rooms } = world({ takes: 1, memberships: [''], lost: 1 });
  assert.equal(await rooms.createManagementRoom(ALICE), '!new:m.example');
});

it('an alias that stays taken is told as such, without an end of tries', async () => {
  const { rooms } = world({ takes: 9, memberships: [''] });
  await assert.rejects(rooms.createManagementRoom(ALICE), (failure) => hasCode(failure, 'matrix/roomInUse'));
});
