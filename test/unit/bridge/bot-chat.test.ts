import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { RoomEvent } from '../../../src/matrix/matrix.ts';
import { type MatrixUserId, matrixUserId, networkId, type RoomId, roomId } from '../../../src/model/ids.ts';
import { networkErrors } from '../../../src/network/errors.ts';
import { ADA, BridgeWorld, MANAGEMENT } from './world/bridge-world.ts';
import { coreParts } from './world/core-parts.ts';
import { FAULT_MODES } from './world/fault-points.ts';
import { GK } from './world/gatekeeper-double.ts';

const EVE = matrixUserId('@eve:example.org');

describe('the bot', () => {
  let world: BridgeWorld;

  beforeEach(async () => {
    world = await BridgeWorld.create();
  });
  afterEach(async () => await world.close());

  const take = async (room: RoomId, said: string | Partial<RoomEvent>, core = coreParts(world)) => {
    await world.push(world.event(room, said));
    await world.exhaust(
      () => core,
      async ({ matrixLane }) => await matrixLane.step(room),
    );
    return core;
  };
  const invite = (user: MatrixUserId, sender = ADA): Partial<RoomEvent> => ({
    type: 'm.room.member',
    state_key: user,
    sender,
    content: { membership: 'invite' },
  });
  const member = (user: MatrixUserId, membership: string, sender = user): Partial<RoomEvent> => ({
    type: 'm.room.member',
    state_key: user,
    sender,
    content: { membership },
  });
  const bot = () => world.parts.matrix.botUserId;
  const answers = (room = MANAGEMENT) => world.homeserver.bodies(room, bot());
  const isManaged = async (room = MANAGEMENT) =>
    (await world.tx(async (tx) => await world.storage.managementRooms.find(tx, room))) !== undefined;

  describe('when it is invited', () => {
    it('into a direct chat, joins, greets once, and listens there', async () => {
      await take(MANAGEMENT, invite(bot()));
      assert.deepEqual(world.homeserver.joined, [{ room: MANAGEMENT, as: bot() }]);
      assert.deepEqual(answers(), ['Hello. I connect you with Gatekeeper. Write "help" for what I can do.']);
      assert.ok(await isManaged());
    });

    it('into a group, says why and leaves', async () => {
      world.homeserver.memberCounts.set(MANAGEMENT, 3);
      await take(MANAGEMENT, invite(bot()));
      assert.deepEqual(world.homeserver.left, [
        { room: MANAGEMENT, as: bot(), reason: 'I work in direct chats only.' },
      ]);
      assert.equal(await isManaged(), false);
      assert.deepEqual(answers(), []);
    });

    for (const [mode, when] of FAULT_MODES) {
      it(`${when}, greets once`, async () => {
        await world.atEveryPoint(mode, async (name) => {
          const room = roomId(`!invited-${name}`);
          const event = world.event(room, invite(bot()));
          await world.push(event).catch(async () => {
            world.faults.revive();
            await world.push(event);
          });
          await world.exhaust(
            () => coreParts(world),
            async ({ matrixLane }) => await matrixLane.step(room),
          );
          assert.equal(answers(room).length, 1);
        });
      });
    }
  });

  it('a ghost that is invited into a room of its own says how a chat is begun, and leaves', async () => {
    const ghost = world.parts.matrix.ghostUserId(GK, world.contact().jid);
    await take(MANAGEMENT, invite(ghost));
    assert.deepEqual(world.homeserver.left, [
      {
        room: MANAGEMENT,
        as: ghost,
        reason: "To chat with this contact, write start-chat to the bridge's bot.",
      },
    ]);
  });

  it('the invitation of anybody else is none of its business', async () => {
    await take(MANAGEMENT, invite(EVE));
    assert.deepEqual([world.homeserver.joined, world.homeserver.left, answers()], [[], [], []]);
  });

  it('when its person leaves, it leaves and forgets the room; when somebody else does, it stays', async () => {
    await world.managementRoom();
    await take(MANAGEMENT, member(EVE, 'leave'));
    assert.equal(await isManaged(), true);
    await take(MANAGEMENT, member(ADA, 'leave'));
    assert.equal(await isManaged(), false);
    assert.deepEqual(
      world.homeserver.left.map(({ as }) => as),
      [bot()],
    );
  });

  describe('in its direct chat', () => {
    beforeEach(async () => {
      await world.managementRoom();
    });

    it('answers only to the person whose chat it is', async () => {
      await take(MANAGEMENT, { sender: EVE, content: { msgtype: 'm.text', body: 'help' } });
      assert.deepEqual(answers(), []);
    });

    it('takes a command with the prefix and without, in any case of letters', async () => {
      for (const line of ['version', '!bridge version', 'VERSION', ' !BRIDGE  Version '])
        await take(MANAGEMENT, line);
      assert.equal(answers().length, 4);
      assert.equal(new Set(answers()).size, 1);
      assert.match(answers()[0] ?? '', /^Drawbridge 0\.0\.1.*Source: https:\/\/source\.example\.org$/);
    });

    it('a notice is a program’s word and gets no answer', async () => {
      await take(MANAGEMENT, { content: { msgtype: 'm.notice', body: 'help' } });
      assert.deepEqual(answers(), []);
    });

    for (const [mode, when] of FAULT_MODES) {
      it(`its answer replies to the command, once, ${when}`, async () => {
        const faults = await world.atEveryPoint(mode, async () => {
          const event = world.event(MANAGEMENT, 'version');
          await world.push(event).catch(async () => {
            world.faults.revive();
            await world.push(event);
          });
          await world.exhaust(
            () => coreParts(world),
            async ({ matrixLane }) => await matrixLane.step(MANAGEMENT),
          );
          const replies = world.homeserver.said.filter(({ content }) => {
            const relation = content['m.relates_to'] as
              | { 'm.in_reply_to'?: { event_id?: string } }
              | undefined;
            return relation?.['m.in_reply_to']?.event_id === event.event_id;
          });
          assert.equal(replies.length, 1);
        });
        assert.ok(faults >= 10, String(faults));
      });
    }

    it('help names every command with what it does', async () => {
      await take(MANAGEMENT, 'help');
      const [said = ''] = answers();
      for (const name of [
        'help',
        'opt-in',
        'status',
        'start-chat <identifier>',
        'trust',
        'opt-out',
        'version',
      ]) {
        assert.match(said, new RegExp(`^${name}.* — .+$`, 'm'), name);
      }
      assert.match(said, /put !bridge before them/);
    });

    it('only the prefix is a cry for help, and so are the words of other bridges', async () => {
      await take(MANAGEMENT, '!bridge');
      await take(MANAGEMENT, 'commands');
      assert.equal(answers()[0], answers()[1]);
      assert.match(answers()[0] ?? '', /^Commands/);
    });

    it('an unknown command gets the nearest one suggested, or help', async () => {
      await take(MANAGEMENT, 'opt-inn');
      await take(MANAGEMENT, 'xyzzyxyzzy');
      assert.match(answers()[0] ?? '', /Did you mean "opt-in"\?/);
      assert.match(answers()[1] ?? '', /Write "help"/);
    });

    it('too many arguments or too few get the usage', async () => {
      await take(MANAGEMENT, 'start-chat');
      await take(MANAGEMENT, 'version please');
      assert.deepEqual(answers(), ['Usage: start-chat <identifier> [network]', 'Usage: version']);
    });

    it('who may not use the bridge is told whom to ask, and may still leave it and read its version', async () => {
      world.permissions.set(ADA, 'none');
      for (const line of ['help', 'opt-in', 'status', 'start-chat @bob', 'trust'])
        await take(MANAGEMENT, line);
      assert.equal(answers().length, 5);
      for (const text of answers()) {
        assert.equal(
          text,
          'You are not permitted to use this bridge. Its operator is Example Org (mailto:admin@example.org).',
        );
      }
      await take(MANAGEMENT, 'opt-out');
      await take(MANAGEMENT, 'version');
      assert.match(answers()[5] ?? '', /You are not connected to Gatekeeper/);
      assert.match(answers()[6] ?? '', /^Drawbridge/);
    });

    it('trust has nothing to accept here', async () => {
      await take(MANAGEMENT, 'trust');
      assert.deepEqual(answers(), ['There is no changed key to accept here.']);
    });

    it('a network that is not configured is told with those that are', async () => {
      await take(MANAGEMENT, 'opt-in nowhere');
      assert.deepEqual(answers(), ['I do not know a network "nowhere". There is: gk.']);
    });

    it('a network may be named by its id or its name', async () => {
      await take(MANAGEMENT, 'opt-out GK');
      await take(MANAGEMENT, 'opt-out gatekeeper');
      assert.deepEqual(answers(), Array(2).fill('You are not connected to Gatekeeper.'));
    });

    it('where several networks are configured, one has to be named', async () => {
      const other = { ...world.network, adapter: { ...world.network.adapter, id: networkId('other') } };
      const networks = new Map([...world.parts.networks, [networkId('other'), other]]);
      await take(MANAGEMENT, 'opt-in', coreParts(world, { ...world.parts, networks }));
      assert.deepEqual(answers(), ['Which network? There is: gk, other.']);
    });

    it('status says how each connection stands, with the key’s fingerprint in groups of four', async () => {
      await take(MANAGEMENT, 'status');
      assert.match(answers()[0] ?? '', /not connected to any network/);
      const account = await world.enlisted();
      await take(MANAGEMENT, 'status');
      assert.match(
        answers()[1] ?? '',
        /^Gatekeeper: connected as interop-1\. Link: closed\. Key fingerprint: ([0-9a-f]{4} ){15}[0-9a-f]{4}\.$/,
      );
      await world.tx(
        async (tx) => await world.storage.accounts.saveState(tx, account.id, 'suspended', 'spam'),
      );
      await take(MANAGEMENT, 'status');
      assert.match(answers()[2] ?? '', /^Gatekeeper: suspended by the network\..* Reason: spam$/);
    });

    it('start-chat opens a room and names it; each other outcome has its words', async () => {
      await take(MANAGEMENT, 'start-chat @bob');
      assert.match(answers()[0] ?? '', /^You are not connected to Gatekeeper/);
      await world.enlisted();
      world.contact('bob');
      for (const line of ['start-chat @bob', 'start-chat @shy', 'start-chat @nobody', 'start-chat 12']) {
        await take(MANAGEMENT, line);
      }
      const [, done, shy, unknown, bad] = answers();
      assert.match(
        done ?? '',
        /^Here is the chat with bob: https:\/\/matrix\.to\/#\/!portal-0\?via=example\.org$/,
      );
      assert.match(shy ?? '', /^shy is on Gatekeeper, but does not take messages from other services/);
      assert.equal(unknown, 'Gatekeeper does not know nobody.');
      assert.match(bad ?? '', /^"12" is neither a phone number/);
      assert.equal(world.homeserver.portalWishes.size, 1);
    });

    it('a command that cannot reach the network is tried again; a refusal is told', async () => {
      await world.enlisted();
      world.contact('bob');
      let isDown = true;
      world.gatekeeper.fail = () => (isDown ? networkErrors.unreachable() : undefined);
      const core = coreParts(world);
      await world.push(world.event(MANAGEMENT, 'start-chat @bob'));
      assert.equal(typeof (await core.matrixLane.step(MANAGEMENT)), 'object');
      assert.deepEqual(answers(), []);
      isDown = false;
      world.clock.advance(5_000);
      await core.matrixLane.step(MANAGEMENT);
      assert.match(answers()[0] ?? '', /^Here is the chat/);
      world.gatekeeper.fail = () => networkErrors.suspended();
      await take(MANAGEMENT, 'start-chat @bob');
      assert.match(answers()[1] ?? '', /has suspended your connection/);
    });
  });

  describe('in a portal', () => {
    it('takes a command behind the prefix only, and the contact never sees it', async () => {
      const account = await world.enlisted();
      const room = await world.portal(account, world.contact().jid);
      await take(room, '!bridge version');
      assert.match(answers(room)[0] ?? '', /^Drawbridge/);
      const queued = await world.tx(async (tx) => await world.storage.outbox.listUnnumbered(tx, account, 10));
      assert.deepEqual(queued, []);
    });

    it('opting in and out belongs into the direct chat', async () => {
      const account = await world.enlisted();
      const room = await world.portal(account, world.contact().jid);
      await take(room, '!bridge opt-out');
      await take(room, '!bridge opt-in');
      assert.deepEqual(answers(room), Array(2).fill('Please do this in our direct chat.'));
    });

    it('nobody but the owner can accept a key', async () => {
      const account = await world.enlisted();
      const room = await world.portal(account, world.contact().jid);
      await take(room, { sender: EVE, content: { msgtype: 'm.text', body: '!bridge trust' } });
      assert.deepEqual(answers(room), ['There is no changed key to accept here.']);
    });
  });
});
