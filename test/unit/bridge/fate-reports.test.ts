/** The table of docs/delivery.md, row by row: what a client and a person see of each state of a message. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { matrixErrors } from '../../../src/matrix/errors.ts';
import { eventId, type RoomId } from '../../../src/model/ids.ts';
import type { Account, FateState } from '../../../src/storage/storage.ts';
import { BridgeWorld } from './world/bridge-world.ts';
import { coreParts } from './world/core-parts.ts';
import { FAULT_MODES } from './world/fault-points.ts';

const EVENT = eventId('$message');

describe('what became of a message', () => {
  let world: BridgeWorld;
  let account: Account;
  let room: RoomId;

  const setUp = async (statusEvents: boolean) => {
    world = await BridgeWorld.create({ statusEvents });
    account = await world.enlisted();
    room = await world.portal(account, world.contact().jid);
  };
  beforeEach(async () => await setUp(true));
  afterEach(async () => {
    world.homeserver.failSend = undefined;
    await world.close();
  });

  const begin = async () => {
    const core = coreParts(world);
    await core.begin();
    return core;
  };
  const save = async (state: FateState, more: { reason?: string; errorCode?: string } = {}, event = EVENT) =>
    await world.tx(
      async (tx) => await world.storage.fates.save(tx, { event, room, account: account.id, state, ...more }),
    );
  const become = async (
    state: FateState,
    more: { reason?: string; errorCode?: string } = {},
    event = EVENT,
  ) => {
    const core = await begin();
    await save(state, more, event);
    core.fates.wake(room);
    await world.allTold();
  };
  const statuses = () =>
    world.homeserver.said.flatMap(({ content }) => ('status' in content ? [content] : []));
  const notices = () =>
    world.homeserver.said.flatMap(({ content }) => (content.msgtype === 'm.notice' ? [content] : []));

  const UNREACHABLE = { reason: 'reason-network-unreachable', errorCode: 'bridge/linkDown' };
  for (const [state, more, status, reason, notice] of [
    [
      'waiting',
      UNREACHABLE,
      'PENDING',
      'm.bridge_unavailable',
      /^⏳ Your message waits: Gatekeeper cannot be reached\./,
    ],
    ['sent', {}, 'SUCCESS', undefined, undefined],
    ['delivered', {}, 'SUCCESS', undefined, undefined],
    [
      'failed',
      { reason: 'reason-not-your-chat' },
      'FAIL_PERMANENT',
      'm.no_permission',
      /^⚠️ Your message was not bridged: Only /,
    ],
    [
      'failed',
      { reason: 'reason-unsupported' },
      'FAIL_PERMANENT',
      'com.beeper.unsupported_event',
      /^⚠️ Your message was not bridged/,
    ],
    [
      'maybe-failed',
      { reason: 'reason-too-old', errorCode: 'bridge/tooOld' },
      'FAIL_RETRIABLE',
      'm.event_too_old',
      /^⚠️ Your message may not have been bridged: It waited too long/,
    ],
    [
      'failed',
      { reason: 'of a later release', errorCode: 'network/new' },
      'FAIL_PERMANENT',
      'm.foreign_network_error',
      /under network\/new/,
    ],
  ] as const) {
    it(`${state}${reason === undefined ? '' : `, ${reason}`}: ${status}${notice === undefined ? ', in silence' : ' and a notice in reply'}`, async () => {
      await begin();
      const args = more as { reason?: string; errorCode?: string };
      const what = args.reason === 'reason-unsupported' ? { reasonArgs: { what: 'location' } } : {};
      await world.tx(
        async (tx) =>
          await world.storage.fates.save(tx, {
            event: EVENT,
            room,
            account: account.id,
            state,
            ...args,
            ...what,
          }),
      );
      const core = await begin();
      core.fates.wake(room);
      await world.allTold();
      const [told, ...others] = statuses();
      assert.deepEqual(others, []);
      assert.equal(told?.status, status);
      assert.equal(told?.reason, reason);
      assert.equal(told?.network, 'gk');
      assert.deepEqual(told?.['m.relates_to'], { rel_type: 'm.reference', event_id: EVENT });
      assert.deepEqual(
        told?.delivered_to_users,
        state === 'delivered'
          ? [world.parts.matrix.ghostUserId(account.network, world.contact().jid)]
          : undefined,
      );
      if (notice === undefined) return assert.deepEqual(notices(), []);
      assert.equal(notices().length, 1);
      assert.match(String(notices()[0]?.body), notice);
      assert.deepEqual(notices()[0]?.['m.relates_to'], { 'm.in_reply_to': { event_id: EVENT } });
      assert.deepEqual(notices()[0]?.['m.mentions'], { user_ids: [account.user] });
    });
  }

  it('is told by notices alone where status events are switched off', async () => {
    await world.close();
    await setUp(false);
    await become('waiting', UNREACHABLE);
    await become('sent');
    assert.deepEqual(statuses(), []);
    assert.equal(notices().length, 1);
  });

  it('a state that cannot follow the one before is not told', async () => {
    await become('delivered');
    await become('sent');
    await become('waiting', UNREACHABLE);
    await become('failed', { reason: 'reason-bounced' });
    assert.deepEqual(
      statuses().map(({ status }) => status),
      ['SUCCESS'],
    );
  });

  it('each state that follows is told', async () => {
    await become('waiting', UNREACHABLE);
    await become('sent');
    await become('delivered');
    assert.deepEqual(
      statuses().map(({ status }) => status),
      ['PENDING', 'SUCCESS', 'SUCCESS'],
    );
    assert.equal(notices().length, 1);
  });

  it('a room with many is told all, oldest first', async () => {
    const core = await begin();
    const events = Array.from({ length: 45 }, (_, index) => eventId(`$m${index}`));
    for (const event of events) {
      world.clock.advance(1);
      await save('sent', {}, event);
    }
    core.fates.wake(room);
    await world.allTold();
    assert.deepEqual(
      statuses().map((content) => (content['m.relates_to'] as { event_id: string }).event_id),
      events,
    );
  });

  it('is told later where the homeserver is away, and given up where the room refuses it', async () => {
    let isDown = true;
    world.homeserver.failSend = () =>
      isDown ? matrixErrors.homeserverUnreachable({ request: 'send' }) : undefined;
    const core = await begin();
    await save('failed', { reason: 'reason-not-connected' });
    core.fates.wake(room);
    await world.until(() => world.log.entries.some(({ message }) => message === 'message status not told'));
    isDown = false;
    await world.allTold();
    assert.equal(notices().length, 1);
    world.homeserver.failSend = () => matrixErrors.forbidden({ request: 'send' });
    await save('failed', { reason: 'reason-not-connected' }, eventId('$another'));
    core.fates.wake(room);
    await world.allTold();
    assert.equal(notices().length, 1);
    assert.ok(world.log.entries.some(({ message }) => message === 'message status refused'));
  });

  for (const [mode, when] of FAULT_MODES) {
    it(`is told once, ${when}`, async () => {
      const faults = await world.atEveryPoint(mode, async (name) => {
        const event = eventId(`$event-${name}`);
        const before = { statuses: statuses().length, notices: notices().length };
        await save('failed', { reason: 'reason-not-connected' }, event);
        for (;;) {
          const begun = await begin().then(
            () => true,
            () => false,
          );
          if (begun) await world.allTold();
          if (begun && !world.faults.isDead) break;
          await world.stopCores();
          world.faults.revive();
        }
        assert.equal(statuses().length, before.statuses + 1);
        assert.equal(notices().length, before.notices + 1);
      });
      assert.ok(faults >= 8, String(faults));
    });
  }
});
