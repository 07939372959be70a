import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { BotNotices } from '../../../src/bridge/bot-notices.ts';
import { Notices } from '../../../src/bridge/notices.ts';
import { matrixErrors } from '../../../src/matrix/errors.ts';
import { matrixUserId, roomId } from '../../../src/model/ids.ts';
import { ADA, BridgeWorld, MANAGEMENT } from './world/bridge-world.ts';
import { FAULT_MODES } from './world/fault-points.ts';

const EVE = matrixUserId('@eve:example.org');
const ARGS = { network: 'Gatekeeper' };
const RESUMED = 'Gatekeeper has lifted the suspension. Messages are bridged again.';

describe('what the bot has to tell a person', () => {
  let world: BridgeWorld;

  beforeEach(async () => {
    world = await BridgeWorld.create();
  });
  afterEach(async () => {
    world.homeserver.failSend = undefined;
    await world.close();
  });

  const begin = async () => {
    const notices = new BotNotices(world.parts, new Notices(world.parts));
    world.cores.add({ begin: async () => await notices.start(), stop: async () => await notices.stop() });
    await notices.start();
    return notices;
  };
  const queued = async () => await world.tx(async (tx) => (await tx('bot_notices')).length);

  it('is said in their own chat, in the order of queueing, and then forgotten', async () => {
    await world.managementRoom();
    const notices = await begin();
    await notices.tell(ADA, 'first', 'suspended', ARGS);
    world.clock.advance(1);
    await notices.tell(ADA, 'second', 'resumed', ARGS);
    await world.allTold();
    assert.deepEqual(
      world.homeserver.bodies(MANAGEMENT).map((body) => body.includes('lifted')),
      [false, true],
    );
    assert.equal(await queued(), 0);
  });

  it('opens a chat with one who has none, and stays with it', async () => {
    const notices = await begin();
    await notices.tell(ADA, 'first', 'resumed', ARGS);
    await world.allTold();
    await notices.tell(ADA, 'second', 'resumed', ARGS);
    await world.allTold();
    assert.deepEqual(world.homeserver.bodies(roomId('!chat-with-ada:example.org')), [RESUMED, RESUMED]);
    const management = await world.tx(async (tx) => await world.storage.managementRooms.findOfUser(tx, ADA));
    assert.equal(management?.room, '!chat-with-ada:example.org');
  });

  it('with the same key is said once', async () => {
    await world.managementRoom();
    const notices = await begin();
    await notices.tell(ADA, 'one key', 'resumed', ARGS);
    await world.allTold();
    await notices.tell(ADA, 'one key', 'resumed', ARGS);
    await world.allTold();
    assert.deepEqual(world.homeserver.bodies(MANAGEMENT), [RESUMED]);
  });

  it('is not said where the transaction that queued it is undone', async () => {
    await world.managementRoom();
    const notices = await begin();
    const undone = world.tx(async (tx) => {
      await notices.queue(tx, ADA, 'key', 'resumed', ARGS);
      throw new RangeError('undone');
    });
    await assert.rejects(undone, RangeError);
    notices.wake(ADA);
    await world.allTold();
    assert.deepEqual(world.homeserver.said, []);
  });

  it('waits ever longer, up to an hour, while it cannot be said; others are told meanwhile', async () => {
    await world.managementRoom();
    await world.managementRoom(EVE, roomId('!eve'));
    const asked: number[] = [];
    world.homeserver.failSend = ({ room }) => {
      if (room !== MANAGEMENT) return undefined;
      asked.push(world.clock.nowMs());
      return matrixErrors.forbidden({ request: 'send' });
    };
    const notices = await begin();
    await notices.tell(ADA, 'a', 'resumed', ARGS);
    await notices.tell(EVE, 'e', 'resumed', ARGS);
    await world.until(() => world.homeserver.bodies(roomId('!eve')).length === 1);
    await world.until(() => asked.length >= 3, 500);
    const [first = 0, second = 0, third = 0] = asked;
    assert.ok(third - second > second - first - 1_000, String(asked));
    await world.until(() => asked.length >= 15, 10 * 60_000);
    const pauses = asked.slice(1).map((atMs, index) => atMs - (asked[index] ?? 0));
    assert.ok(Math.max(...pauses) >= 30 * 60_000, String(pauses));
    assert.ok(Math.max(...pauses) <= 75 * 60_000, String(pauses));
    world.homeserver.failSend = undefined;
    await world.until(() => world.homeserver.bodies(MANAGEMENT).length === 1, 10 * 60_000);
  });

  for (const [mode, when] of FAULT_MODES) {
    it(`is said once, ${when}`, async () => {
      await world.managementRoom();
      let count = 0;
      const faults = await world.atEveryPoint(mode, async (name) => {
        const key = `key ${name}`;
        const notices = await begin().catch(async () => {
          await world.stopCores();
          world.faults.revive();
          return await begin();
        });
        await notices.tell(ADA, key, 'resumed', ARGS).catch(async () => {
          if (world.faults.isDead) {
            await world.stopCores();
            world.faults.revive();
          }
          await (await begin()).tell(ADA, key, 'resumed', ARGS);
        });
        await world.allTold();
        if (world.faults.isDead) {
          await world.stopCores();
          world.faults.revive();
          await begin();
          await world.allTold();
        }
        count += 1;
        assert.equal(world.homeserver.bodies(MANAGEMENT).length, count);
      });
      assert.ok(faults >= 5, String(faults));
    });
  }
});
