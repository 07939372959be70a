import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { BridgeParts } from '../../../src/bridge/parts.ts';
import type { RoomEvent } from '../../../src/matrix/matrix.ts';
import { matrixUserId } from '../../../src/model/ids.ts';
import { ADA, BridgeWorld, MANAGEMENT, OPERATOR } from './world/bridge-world.ts';
import { coreParts } from './world/core-parts.ts';
import { FAULT_MODES } from './world/fault-points.ts';
import { GK } from './world/gatekeeper-double.ts';

describe('agreement', () => {
  let world: BridgeWorld;

  beforeEach(async () => {
    world = await BridgeWorld.create();
    await world.managementRoom();
  });
  afterEach(async () => {
    await world.close();
  });

  const start = (parts: BridgeParts = world.parts) => coreParts(world, parts);
  /** The person says these, and the core answers. */
  const say = async (said: (string | Partial<RoomEvent>)[], parts = world.parts) => {
    await world.push(...said.map((it) => world.event(MANAGEMENT, it)));
    const core = start(parts);
    await world.exhaust(
      () => core,
      async ({ matrixLane }) => await matrixLane.step(MANAGEMENT),
    );
  };
  const answers = () => world.homeserver.bodies(MANAGEMENT);
  const question = () => {
    const asked = world.homeserver.said.findLast(({ body }) => body.includes('Answer'));
    assert.ok(asked !== undefined);
    return asked;
  };
  const react = (key: string, event_id: string): Partial<RoomEvent> => ({
    type: 'm.reaction',
    content: { 'm.relates_to': { rel_type: 'm.annotation', event_id, key } },
  });
  const account = async () => await world.tx(async (tx) => await world.storage.accounts.find(tx, GK, ADA));
  const ledger = async () => await world.tx(async (tx) => await world.storage.consents.findLast(tx, ADA, GK));
  const lines = async () =>
    await world.tx(async (tx) => await tx('consents').select('action').orderBy('seq'));
  const isActive = async () => (await account())?.state === 'active';

  it('opt-in shows where encryption ends and who can read, and asks; nothing is made before the yes', async () => {
    await say(['opt-in']);
    assert.match(question().body, /Example Org operates it and can read them/);
    assert.match(question().body, /Nothing is sent to Gatekeeper before you say yes/);
    assert.equal(await account(), undefined);
    assert.equal(await ledger(), undefined);
    assert.deepEqual(world.gatekeeper.enlistCalls, []);
  });

  it('a yes enlists, and the ledger says who agreed when to which words, and where it can be seen', async () => {
    await say(['opt-in']);
    const yes = world.event(MANAGEMENT, 'yes');
    await say([yes]);
    const line = await ledger();
    assert.deepEqual(line, {
      user: ADA,
      network: GK,
      action: 'opt-in',
      textId: 'opt-in-notice',
      textVersion: 1,
      textSha256: createHash('sha256').update(question().body).digest('hex'),
      language: 'en',
      event: yes.event_id,
      atMs: line?.atMs,
    });
    await world.until(isActive);
    await world.until(() => answers().some((text) => text.startsWith('You are connected to Gatekeeper')));
    assert.equal(world.gatekeeper.enlistCalls.length, 1);
  });

  it('a thumb on the question is a yes; a thumb on anything else is none', async () => {
    await say(['opt-in']);
    await say([react('👍', '$something-else')]);
    assert.equal(await account(), undefined);
    await say([react('👍🏽', question().event)]);
    await world.until(isActive);
  });

  it('what came in before the question was asked does not answer it', async () => {
    await say(['opt-in', 'yes']);
    assert.equal(await account(), undefined);
    assert.deepEqual(await lines(), []);
  });

  it('a question that is a day old is answered by nothing', async () => {
    await say(['opt-in']);
    world.clock.advance(24 * 60 * 60_000);
    await say(['yes']);
    assert.equal(await account(), undefined);
  });

  it('who goes on to something else has not agreed', async () => {
    await say(['opt-in']);
    await say(['version']);
    await say(['yes']);
    assert.equal(await account(), undefined);
  });

  it('a no enlists nothing, closes the question, and leaves no line', async () => {
    await say(['opt-in']);
    await say(['no']);
    assert.equal(answers().at(-1), 'Nothing was sent to Gatekeeper.');
    await say(['yes']);
    assert.match(answers().at(-1) ?? '', /I do not know "yes"/);
    assert.equal(await account(), undefined);
    assert.deepEqual(await lines(), []);
  });

  it('a yes to words that have changed since asks again with the new ones, and only a second yes counts', async () => {
    await say(['opt-in']);
    const before = question().body;
    const moved = world.withSettings({ operator: { ...OPERATOR, name: 'New Owner' } });
    await say(['yes'], moved);
    assert.equal(await account(), undefined);
    assert.deepEqual(await lines(), []);
    assert.ok(answers().includes('What I showed you has changed since. Please read it again.'));
    assert.notEqual(question().body, before);
    assert.match(question().body, /New Owner operates it/);
    await say(['yes'], moved);
    assert.equal((await ledger())?.textSha256, createHash('sha256').update(question().body).digest('hex'));
    await world.until(isActive);
  });

  it('somebody else’s yes in the room agrees to nothing', async () => {
    await say(['opt-in']);
    await say([{ sender: matrixUserId('@eve:example.org'), content: { msgtype: 'm.text', body: 'yes' } }]);
    assert.equal(await account(), undefined);
  });

  it('who may not use the bridge cannot agree, even to a question that was asked before', async () => {
    await say(['opt-in']);
    world.permissions.set(ADA, 'none');
    await say(['yes']);
    assert.match(answers().at(-1) ?? '', /not permitted to use this bridge/);
    assert.equal(await account(), undefined);
  });

  it('a homeserver that the agreement does not cover is told so, and not asked', async () => {
    const eve = matrixUserId('@eve:elsewhere.example');
    await world.tx(async (tx) => {
      await world.storage.managementRooms.delete(tx, MANAGEMENT);
      await world.storage.managementRooms.insert(tx, MANAGEMENT, eve);
    });
    await say([{ sender: eve, content: { msgtype: 'm.text', body: 'opt-in' } }]);
    assert.match(answers().at(-1) ?? '', /not covered by the agreement with Gatekeeper/);
  });

  it('who is connected already is told so', async () => {
    await world.enlisted();
    await say(['opt-in']);
    assert.deepEqual(answers(), ['You are connected to Gatekeeper already.']);
  });

  for (const [mode, when] of FAULT_MODES) {
    it(`${when}, one yes makes one account and one line`, async () => {
      let users = 0;
      const faults = await world.atEveryPoint(mode, async (name) => {
        const user = matrixUserId(`@user-${users++}:example.org`);
        const room = await world.managementRoom(user, `!management-${name}` as typeof MANAGEMENT);
        const said = (body: string) =>
          world.event(room, { sender: user, content: { msgtype: 'm.text', body } });
        for (const event of [said('opt-in'), said('yes')]) {
          await world.push(event).catch(async () => {
            world.faults.revive();
            await world.push(event);
          });
          await world.exhaust(
            () => start(),
            async ({ matrixLane }) => await matrixLane.step(room),
          );
        }
        const found = await world.tx(async (tx) => await world.storage.accounts.find(tx, GK, user));
        assert.ok(found !== undefined);
        const done = () =>
          world.homeserver.bodies(room).filter((text) => text.startsWith('You are connected'));
        const isEnlisted = async () => (await world.account(found.id))?.state === 'active';
        // A wake that died with its process is made again at the next start.
        const core = start();
        // At the fault it fails once; where it is the death of the process, what follows finds it dead.
        await core.begin().catch(async () => await core.begin().catch(() => undefined));
        core.enlistments.wake(found.id);
        await world.until(
          async () => world.faults.isDead || ((await isEnlisted()) && done().length > 0),
          1_000,
        );
        if (world.faults.isDead) {
          await world.stopCores();
          world.faults.revive();
          start().enlistments.wake(found.id);
          await world.until(isEnlisted, 1_000);
        }
        await world.stopCores();
        const questions = world.homeserver.bodies(room).filter((text) => text.includes('Answer with'));
        const of = { matrix_user_id: user };
        const made = await world.tx(async (tx) => [
          (await tx('accounts').where(of)).length,
          (await tx('consents').where(of)).length,
        ]);
        assert.deepEqual([questions.length, ...made], [1, 1, 1]);
        assert.ok(done().length <= 1);
        assert.ok(
          !world.homeserver.bodies(room).some((text) => text.includes('I do not know')),
          'the yes counts once',
        );
        assert.ok(world.gatekeeper.registered.get(user) !== undefined);
      });
      assert.ok(faults >= 20, String(faults));
    });
  }
});
