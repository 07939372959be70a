/** What the two lanes do with a step that failed: the advice of the error decides. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { NetworkLane } from '../../../src/bridge/network-lane.ts';
import { matrixErrors } from '../../../src/matrix/errors.ts';
import type { RoomId } from '../../../src/model/ids.ts';
import { networkErrors } from '../../../src/network/errors.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { BridgeWorld, MANAGEMENT } from './world/bridge-world.ts';
import type { Contact } from './world/contact.ts';
import { type CoreParts, coreParts } from './world/core-parts.ts';

let world: BridgeWorld;
let account: Account;
let contact: Contact;
let room: RoomId;
let core: CoreParts;

beforeEach(async () => {
  world = await BridgeWorld.create();
  account = await world.enlisted();
  contact = world.contact();
  room = await world.portal(account, contact.jid);
  core = coreParts(world);
  await core.links.open(account.id);
  await core.begin();
});
afterEach(async () => await world.close());

describe('an event of a room that failed', () => {
  const step = async () => await core.matrixLane.step(room);
  const notices = async () => {
    await world.allTold();
    return world.homeserver.bodies(room, world.parts.matrix.botUserId);
  };
  const waits = async () =>
    (await world.tx(async (tx) => await world.storage.matrixInbox.findNext(tx, room)))?.attempts;
  /** @param times how often the keys service fails. */
  const failing = (make: () => Error, times = Number.POSITIVE_INFINITY) => {
    let failures = 0;
    world.gatekeeper.fail = (at) => (at === 'bundles' && failures++ < times ? make() : undefined);
  };
  const stepAtItsTime = async () => {
    const result = await step();
    if (typeof result === 'object') world.clock.advance(result.notBeforeMs - world.clock.nowMs());
    return result;
  };

  it('waits and is tried again where a retry can help, longer each time, however often', async () => {
    failing(() => networkErrors.unreachable(), 12);
    await world.push(world.event(room, 'hello'));
    const waited: number[] = [];
    for (let result = await step(); typeof result === 'object'; result = await step()) {
      waited.push(result.notBeforeMs - world.clock.nowMs());
      world.clock.advance(waited.at(-1) ?? 0);
    }
    assert.equal(waited.length, 12);
    for (const [index, ms] of waited.entries()) {
      const bound = Math.min(300_000, 1_000 * 2 ** index);
      assert.ok(ms >= bound / 2 && ms <= bound, `${ms} after failure ${index + 1}`);
    }
    assert.equal(await waits(), undefined);
    assert.equal((await notices()).length, 1, 'that it waits is said once');
    assert.match((await notices())[0] ?? '', /Your message waits: Gatekeeper cannot be reached/);
  });

  it('is not tried before its time, whoever wakes the lane', async () => {
    failing(() => networkErrors.unreachable());
    await world.push(world.event(room, 'hello'));
    const first = await step();
    assert.deepEqual(await step(), first);
    assert.equal(await waits(), 1);
  });

  it('does not wait the longer for a clock that is set back', async () => {
    failing(() => networkErrors.unreachable(), 1);
    await world.push(world.event(room, 'hello'));
    assert.equal(typeof (await step()), 'object');
    world.clock.advance(-60 * 60_000);
    assert.equal(await step(), 'more');
    assert.equal(await waits(), undefined);
  });

  it('waits at least as long as the other side asks for', async () => {
    failing(() => networkErrors.rateLimited({ retryAfterMs: 90_000 }));
    await world.push(world.event(room, 'hello'));
    assert.deepEqual(await step(), { notBeforeMs: world.clock.nowMs() + 90_000 });
  });

  it('holds up those behind it: order is kept', async () => {
    failing(() => networkErrors.unreachable(), 1);
    await world.push(world.event(room, 'first'), world.event(room, 'second'));
    await world.exhaust(() => core, step);
    const xml = await world.tx(async (tx) => await world.storage.outbox.listUnnumbered(tx, account, 10));
    const texts = [];
    for (const row of xml)
      texts.push((await contact.read(account.enlistment?.jid ?? contact.jid, row.xml)).text);
    assert.deepEqual(texts.slice(1), ['first', 'second']);
  });

  for (const [advice, failure] of [
    ['never', networkErrors.forbidden()],
    ['after-user', networkErrors.suspended()],
  ] as const) {
    it(`is given up at once where the advice is ${advice}, and its sender reads the reason`, async () => {
      failing(() => failure);
      await world.push(world.event(room, 'hello'));
      assert.equal(await step(), 'more');
      assert.equal(await waits(), undefined);
      assert.equal((await notices()).length, 1);
      assert.match((await notices())[0] ?? '', /^⚠️ Your message was not bridged: /);
      assert.ok(world.counted.includes(failure.code) && world.counted.includes('outbound failed'));
    });
  }

  it('with something that has no name is given up after five attempts', async () => {
    failing(() => new RangeError('a bug'));
    await world.push(world.event(room, 'hello'));
    for (let attempt = 1; attempt < 5; attempt += 1) assert.equal(typeof (await stepAtItsTime()), 'object');
    assert.equal(await stepAtItsTime(), 'more');
    assert.match((await notices())[0] ?? '', /under internal\/unexpected/);
  });

  it('of which it is not known whether it arrived is told as such', async () => {
    failing(() => Object.assign(networkErrors.forbidden(), { arrived: 'unknown' }));
    await world.push(world.event(room, 'hello'));
    await step();
    assert.match((await notices())[0] ?? '', /may not have been bridged/);
  });

  it('whose sender cannot be told yet is told later; the room goes on meanwhile', async () => {
    let isDown = true;
    failing(() => networkErrors.forbidden(), 1);
    world.homeserver.failSend = () =>
      isDown ? matrixErrors.homeserverUnreachable({ request: 'send' }) : undefined;
    await world.push(world.event(room, 'hello'));
    assert.equal(await step(), 'more');
    assert.equal(await waits(), undefined);
    assert.deepEqual(world.homeserver.bodies(room), []);
    isDown = false;
    assert.equal((await notices()).length, 1);
  });
});

describe('a stanza that failed', () => {
  const lane = () => NetworkLane.nameOf(account.id, contact.jid);
  const step = async () => await core.networkLane.step(lane());
  const stepAtItsTime = async () => {
    const result = await step();
    if (typeof result === 'object') world.clock.advance(result.notBeforeMs - world.clock.nowMs());
    return result;
  };
  const told = async () => {
    await world.allTold();
    return world.homeserver.bodies(MANAGEMENT);
  };
  const arrive = async () => {
    const { enlistment } = account;
    assert.ok(enlistment !== undefined);
    await world.gatekeeper.links
      .get(account.id)
      ?.arrive(contact.jid, await contact.write(enlistment.jid, 'hello'));
  };
  const ghost = () => world.parts.matrix.ghostUserId(account.network, contact.jid);
  const failing = (make: () => Error) => {
    world.homeserver.failSend = ({ as }) => (as === ghost() ? make() : undefined);
  };

  beforeEach(async () => {
    await world.managementRoom();
  });

  it('waits while a retry can help, however often', async () => {
    failing(() => matrixErrors.homeserverUnreachable({ request: 'send' }));
    await arrive();
    await step();
    for (let attempt = 1; attempt <= 20; attempt += 1) assert.equal(typeof (await stepAtItsTime()), 'object');
    assert.deepEqual(await told(), []);
    world.homeserver.failSend = undefined;
    await world.exhaust(() => core, step);
    assert.deepEqual(world.homeserver.bodies(room, ghost()), ['hello']);
  });

  it('that is refused is tried twice more, and then the person reads that it could not be shown', async () => {
    failing(() => matrixErrors.forbidden({ request: 'send' }));
    await arrive();
    await step();
    assert.equal(typeof (await stepAtItsTime()), 'object');
    assert.equal(typeof (await stepAtItsTime()), 'object');
    assert.equal(await stepAtItsTime(), 'more');
    assert.equal(await step(), 'idle');
    assert.deepEqual(await told(), ['⚠️ A message from bob could not be shown: Your homeserver refused it.']);
    assert.ok(world.counted.includes('inbound failed'));
  });

  it('with something that has no name is given up after five attempts (case 4.5)', async () => {
    failing(() => new RangeError('a bug'));
    await arrive();
    await step();
    for (let attempt = 1; attempt < 5; attempt += 1) assert.equal(typeof (await stepAtItsTime()), 'object');
    assert.equal(await stepAtItsTime(), 'more');
    assert.match((await told())[0] ?? '', /under internal\/unexpected/);
  });

  it('is left where its network is not configured any more, for the day when it is again', async () => {
    await arrive();
    const without = coreParts(world, { ...world.parts, networks: new Map() });
    assert.equal(await without.networkLane.step(lane()), 'idle');
    await world.exhaust(() => core, step);
    assert.deepEqual(world.homeserver.bodies(room, ghost()), ['hello']);
  });
});
