/** Messages that are encrypted and wait since the link is down. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { RoomId } from '../../../src/model/ids.ts';
import { streamErrors } from '../../../src/network/interop/stream/errors.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { BridgeWorld } from './world/bridge-world.ts';
import type { Contact } from './world/contact.ts';
import { type CoreParts, coreParts } from './world/core-parts.ts';
import type { LinkDouble } from './world/gatekeeper-double.ts';

describe('a message in the outbox', () => {
  let world: BridgeWorld;
  let account: Account;
  let contact: Contact;
  let room: RoomId;
  let core: CoreParts;

  beforeEach(async () => {
    world = await BridgeWorld.create({ statusEvents: true });
    account = await world.enlisted();
    contact = world.contact();
    room = await world.portal(account, contact.jid);
    core = coreParts(world);
    core.links.listen({
      stored: () => undefined,
      typing: () => undefined,
      refused: () => undefined,
      online: () => undefined,
      status: () => undefined,
      offline: (id) => core.late.wake(id),
      rejected: async () => undefined,
      sent: () => undefined,
      givenUp: () => undefined,
    });
    await core.links.open(account.id);
    await core.begin();
  });
  afterEach(async () => await world.close());

  const link = (): LinkDouble => {
    const found = world.gatekeeper.links.get(account.id);
    assert.ok(found !== undefined);
    return found;
  };
  const write = async (...texts: string[]) => {
    await world.push(...texts.map((text) => world.event(room, text)));
    await world.exhaust(
      () => core,
      async ({ matrixLane }) => await matrixLane.step(room),
    );
  };
  const fates = async () => await world.tx(async (tx) => await tx('fates').pluck('state'));
  const notices = () =>
    world.homeserver.said.filter(({ content }) => content.msgtype === 'm.notice').map(({ body }) => body);
  const statuses = () =>
    world.homeserver.said.flatMap(({ content }) => ('status' in content ? [content.status] : []));
  const pass = async (ms: number) => {
    world.clock.advance(ms);
    // Whatever the time has woken gets its turns.
    for (let turns = 0; turns < 3; turns += 1) await world.tx(async () => undefined);
    await world.allTold();
  };

  it('is told to be waiting when the link has been down for a quarter of a minute, and not before', async () => {
    await write('hello');
    link().lose(streamErrors.unreachable());
    await pass(14_900);
    assert.deepEqual(await fates(), []);
    await pass(200);
    await world.until(async () => (await fates()).length === 1, 10);
    await world.allTold();
    assert.deepEqual(notices(), [
      '⏳ Your message waits: Gatekeeper cannot be reached. I keep trying, and tell you if it does not get through.',
    ]);
    assert.deepEqual(statuses(), ['PENDING']);
  });

  it('that is written while the link is down is told likewise', async () => {
    await write('first');
    link().lose(streamErrors.notAuthorized({ condition: 'not-authorized' }));
    await write('second');
    await pass(16_000);
    await world.until(async () => (await fates()).length === 2, 100);
    await world.allTold();
    assert.match(notices()[0] ?? '', /Gatekeeper does not let you in/);
  });

  it('is told by one notice for all that wait in its room, and by a status each', async () => {
    link().lose(streamErrors.unreachable());
    await write('one', 'two', 'three');
    await pass(16_000);
    await world.until(async () => (await fates()).length === 3, 100);
    await world.allTold();
    assert.equal(notices().length, 1);
    assert.deepEqual(statuses(), ['PENDING', 'PENDING', 'PENDING']);
  });

  it('is not told of while the link is up', async () => {
    await write('hello');
    await pass(60_000);
    core.late.wake(account.id);
    await pass(60_000);
    assert.deepEqual(await fates(), []);
  });

  it('is not told of when the link came back in time', async () => {
    await write('hello');
    link().lose(streamErrors.unreachable());
    await pass(10_000);
    link().start();
    await pass(60_000);
    assert.deepEqual(await fates(), []);
  });

  it('is told of after a failure to look, too', async () => {
    await write('hello');
    world.faults.plan(0, 'fails');
    link().lose(streamErrors.unreachable());
    await world.until(async () => (await fates()).length === 1, 1_000);
    assert.ok(world.log.entries.some(({ message }) => message === 'waiting messages not noted'));
  });
});

describe('behind a message that waits in the room', () => {
  let world: BridgeWorld;
  let account: Account;
  let contact: Contact;
  let room: RoomId;
  let core: CoreParts;

  beforeEach(async () => {
    world = await BridgeWorld.create({ statusEvents: true });
    account = await world.enlisted();
    contact = world.contact();
    room = await world.portal(account, contact.jid);
    core = coreParts(world);
    await core.links.open(account.id);
    await core.begin();
    world.gatekeeper.fail = (step) => (step === 'bundles' ? streamErrors.offline() : undefined);
  });
  afterEach(async () => {
    world.gatekeeper.fail = undefined;
    await world.close();
  });

  const push = async (...texts: string[]) =>
    await world.push(...texts.map((text) => world.event(room, text)));
  const step = async () => await core.matrixLane.step(room);
  const notices = async () => {
    await world.allTold();
    return world.homeserver.said
      .filter(({ content }) => content.msgtype === 'm.notice')
      .map(({ body }) => body);
  };
  const texts = async () => {
    const rows = await world.tx(async (tx) => await world.storage.outbox.listUnnumbered(tx, account, 100));
    const read = [];
    for (const { xml } of rows)
      read.push((await contact.read(account.enlistment?.jid ?? contact.jid, xml)).text);
    return read.slice(1);
  };

  it('a command is not held up, and messages keep their order', async () => {
    await push('one');
    await step();
    await push('two', '!bridge version', 'three', '!bridge trust');
    assert.equal(await step(), 'more');
    assert.equal(await step(), 'more');
    assert.equal(typeof (await step()), 'object');
    const said = await notices();
    assert.match(said[0] ?? '', /^Drawbridge/);
    assert.equal(said[1], 'There is no changed key to accept here.');
    assert.deepEqual(await texts(), []);
    world.gatekeeper.fail = undefined;
    await world.exhaust(() => core, step);
    assert.deepEqual(await texts(), ['one', 'two', 'three']);
  });

  it('a command that fails waits on its own, and the next one behind it', async () => {
    await push('one');
    await step();
    await push('!bridge version', '!bridge trust');
    let isDown = true;
    world.homeserver.failSend = () => (isDown ? streamErrors.offline() : undefined);
    assert.equal(typeof (await step()), 'object');
    assert.equal(typeof (await step()), 'object');
    assert.deepEqual(await notices(), []);
    isDown = false;
    world.clock.advance(2_000);
    await step();
    await step();
    const said = await notices();
    assert.match(said[0] ?? '', /^Drawbridge/);
    assert.equal(said[1], 'There is no changed key to accept here.');
  });

  it('messages are told to be waiting when their time comes, without a notice each', async () => {
    await push('one', 'two');
    await world.push(world.event(room, { type: 'm.reaction', content: {} }));
    const states = async () => await world.tx(async (tx) => await tx('fates').pluck('state'));
    for (let tries = 0; tries < 6; tries += 1) {
      const result = await step();
      assert.equal(typeof result, 'object');
      if (typeof result === 'object') world.clock.advance(result.notBeforeMs - world.clock.nowMs());
    }
    await push('three');
    let result = await step();
    while (typeof result === 'object' && (await states()).length < 3) {
      world.clock.advance(result.notBeforeMs - world.clock.nowMs());
      result = await step();
    }
    assert.deepEqual(await states(), ['waiting', 'waiting', 'waiting']);
    assert.equal((await notices()).length, 1);
    world.gatekeeper.fail = undefined;
    await world.exhaust(() => core, step);
    assert.deepEqual(await texts(), ['one', 'two', 'three']);
  });
});
