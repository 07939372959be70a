import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { NetworkLane } from '../../../src/bridge/network-lane.ts';
import type { ContactId, EventId, RoomId } from '../../../src/model/ids.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { BridgeWorld } from './world/bridge-world.ts';
import type { Contact } from './world/contact.ts';
import { coreParts } from './world/core-parts.ts';
import { FAULT_MODES } from './world/fault-points.ts';
import type { LinkDouble } from './world/gatekeeper-double.ts';

describe('what a contact does about earlier messages', () => {
  let world: BridgeWorld;
  let account: Account;
  let jid: ContactId;
  let contact: Contact;
  let contacts = 0;

  before(async () => {
    world = await BridgeWorld.create();
    account = await world.enlisted();
    assert.ok(account.enlistment !== undefined);
    jid = account.enlistment.jid;
    await start();
  });
  after(async () => await world.close());

  const start = async () => {
    const core = coreParts(world);
    await core.links.open(account.id);
    return core;
  };
  const link = (): LinkDouble => {
    const found = world.gatekeeper.links.get(account.id);
    assert.ok(found !== undefined);
    return found;
  };
  const stranger = () => {
    contact = world.contact(`person-${contacts++}`);
  };
  const work = async () =>
    await world.exhaust(
      start,
      async (core) => await core.networkLane.step(NetworkLane.nameOf(account.id, contact.jid)),
    );
  /** @returns the message's id, 32 hexadecimal digits. */
  const receives = async (body: Readonly<Record<string, unknown>>): Promise<string> => {
    const id = randomBytes(16).toString('hex');
    const stanza = await contact.writeContent(jid, body, id);
    await link().arrive(contact.jid, stanza);
    await work();
    return id;
  };
  const portal = async () => {
    const found = await world.tx(async (tx) => await world.storage.portals.find(tx, account.id, contact.jid));
    assert.ok(found?.room !== undefined);
    return found as typeof found & { room: RoomId };
  };
  const ghost = () => world.parts.matrix.ghostUserId(account.network, contact.jid);
  const shown = async () => {
    const { room } = await portal();
    return world.homeserver.said.filter((said) => said.room === room && said.as === ghost());
  };
  const last = async () => {
    const said = (await shown()).at(-1);
    assert.ok(said !== undefined);
    return said;
  };
  const redacted = async () => {
    const { room } = await portal();
    return world.homeserver.redacted.filter((it) => it.room === room).map(({ event }) => event);
  };
  /** A message of the user's that the contact has. @returns the ids on both sides. */
  const userWrites = async (body: string): Promise<{ event: EventId; message: string }> => {
    const { room, id } = await portal();
    const event = world.event(room, body);
    await world.push(event);
    await world.exhaust(start, async (core) => await core.matrixLane.step(room));
    const record = await world.tx(
      async (tx) => await world.storage.messages.findByEvent(tx, id, event.event_id),
    );
    assert.ok(record !== undefined);
    return { event: event.event_id, message: record.message };
  };
  const bytes = (id: string) => Buffer.from(id, 'hex');
  const relation = (said: { content: Readonly<Record<string, unknown>> }) => said.content['m.relates_to'];

  it('a reply to a message that is here answers it', async () => {
    stranger();
    await receives({ text: { body: 'first' } });
    const first = await last();
    const own = await userWrites('mine');
    await receives({
      text: { body: 'to you' },
      reply: { target: bytes(own.message), targetIsOwn: false, excerpt: 'mine' },
    });
    assert.deepEqual(relation(await last()), { 'm.in_reply_to': { event_id: own.event } });
    assert.equal((await last()).body, 'to you');
    assert.notEqual(first.event, own.event);
  });

  it('a reply to what is not here quotes its first words', async () => {
    stranger();
    await receives({
      text: { body: 'yes' },
      reply: { target: randomBytes(16), targetIsOwn: true, excerpt: 'shall we?' },
    });
    const said = await last();
    assert.equal(relation(said), undefined);
    assert.match(said.body, /shall we\?\n\n?yes$/);
  });

  it('an edit takes the place of the contact’s own message, whoever else’s id it names', async () => {
    stranger();
    const id = await receives({ text: { body: 'helo' } });
    const original = await last();
    const own = await userWrites('mine');
    await receives({ edit: { target: bytes(id), text: { body: 'hello' } } });
    const edit = await last();
    assert.deepEqual(relation(edit), { rel_type: 'm.replace', event_id: original.event });
    assert.deepEqual(edit.content['m.new_content'], { msgtype: 'm.text', body: 'hello' });
    await receives({ edit: { target: bytes(own.message), text: { body: 'you said this' } } });
    assert.equal(relation(await last()), undefined, 'nobody edits the words of another');
    assert.match((await last()).body, /not here\) you said this$/);
  });

  it('a second edit, too, takes the place of the first event', async () => {
    stranger();
    const id = await receives({ text: { body: 'one' } });
    const original = await last();
    for (const body of ['two', 'three']) {
      await receives({ edit: { target: bytes(id), text: { body } } });
      assert.deepEqual(relation(await last()), { rel_type: 'm.replace', event_id: original.event });
    }
  });

  it('an edit of a text in several events leaves one, and the next edit none of the others', async () => {
    stranger();
    const id = await receives({ text: { body: 'word '.repeat(12_000) } });
    const before = (await shown()).length;
    assert.ok(before > 1);
    await receives({ edit: { target: bytes(id), text: { body: 'short' } } });
    assert.equal((await redacted()).length, before - 1);
  });

  it('a deletion takes away the contact’s own message, all of it, and nobody else’s', async () => {
    stranger();
    const id = await receives({ text: { body: 'word '.repeat(12_000) } });
    const events = (await shown()).map(({ event }) => event);
    const own = await userWrites('mine');
    await receives({ revoke: { target: bytes(own.message) } });
    assert.deepEqual(await redacted(), []);
    await receives({ revoke: { target: bytes(id) } });
    await receives({ revoke: { target: bytes(id) } });
    assert.deepEqual(await redacted(), events);
    const count = (await shown()).length;
    await receives({ edit: { target: bytes(id), text: { body: 'still here' } } });
    await receives({ reaction: { target: bytes(id), targetIsOwn: true, emoji: '🎉' } });
    assert.equal((await shown()).length, count, 'what is deleted stays so');
  });

  it('a reaction stands at the message, once, and is taken away again', async () => {
    stranger();
    await receives({ text: { body: 'hello' } });
    const own = await userWrites('mine');
    const react = async (emoji: string, remove = false) =>
      await receives({ reaction: { target: bytes(own.message), targetIsOwn: false, emoji, remove } });
    await react('🎉');
    await react('🎉');
    const reactions = (await shown()).filter((said) => relation(said) !== undefined);
    assert.deepEqual(reactions.map(relation), [{ rel_type: 'm.annotation', event_id: own.event, key: '🎉' }]);
    await react('👎', true);
    assert.deepEqual(await redacted(), []);
    await react('🎉', true);
    await react('🎉', true);
    assert.deepEqual(await redacted(), [reactions[0]?.event]);
  });

  it('where the network has one reaction each, a new one takes the place of the old', async () => {
    const { enlistment } = account;
    assert.ok(enlistment !== undefined);
    await world.tx(async (tx) => {
      const limits = { ...enlistment.limits, oneReactionEach: true };
      await world.storage.accounts.saveEnlistment(tx, account, { ...enlistment, limits }, 'hash');
    });
    stranger();
    await receives({ text: { body: 'hello' } });
    const own = await userWrites('mine');
    for (const emoji of ['🎉', '👍']) await receives({ reaction: { target: bytes(own.message), emoji } });
    const [first, second] = (await shown()).filter((said) => relation(said) !== undefined);
    assert.deepEqual(await redacted(), [first?.event]);
    assert.ok(second !== undefined);
  });

  it('a reaction to what is not here is told', async () => {
    stranger();
    await receives({ reaction: { target: randomBytes(16), targetIsOwn: false, emoji: '🎉' } });
    assert.match((await last()).body, /reacted with 🎉 to a message that is not here/);
  });

  for (const [mode, when] of FAULT_MODES) {
    it(`${when}, each of them happens once`, async () => {
      let id = '';
      const prepare = async () => {
        stranger();
        id = await receives({ text: { body: 'helo' } });
      };
      const faults = await world.atEveryPoint(
        mode,
        async () => {
          const bodies = [
            { reaction: { target: bytes(id), targetIsOwn: true, emoji: '🎉' } },
            { revoke: { target: bytes(id) } },
          ];
          for (const body of bodies) {
            const stanza = await contact.writeContent(jid, body, randomBytes(16).toString('hex'));
            // What is not stored is not acknowledged, and comes again.
            await link()
              .arrive(contact.jid, stanza)
              .catch(async () => {
                world.faults.revive();
                await link().arrive(contact.jid, stanza);
              });
          }
          await work();
          assert.equal((await shown()).length, 2);
          assert.equal((await redacted()).length, 1);
        },
        prepare,
      );
      assert.ok(faults >= 30, String(faults));
    });
  }

  it('a timer is told when it changes, and what has one disappears in its time', async () => {
    stranger();
    await receives({ text: { body: 'stays' } });
    await receives({ text: { body: 'goes' }, expiresInS: 86_400 });
    const goes = await last();
    await receives({ text: { body: 'goes, too' }, expiresInS: 86_400 });
    const { room } = await portal();
    const notices = () =>
      world.homeserver.bodies(room, world.parts.matrix.botUserId).filter((it) => it.includes('disappear'));
    assert.equal(notices().length, 1);
    assert.match(notices()[0] ?? '', /after a day/);
    const core = await start();
    assert.equal(typeof (await core.disappearing.step()), 'object');
    assert.deepEqual(await redacted(), []);
    world.clock.advance(86_400_000);
    assert.equal(await core.disappearing.step(), 'more');
    assert.equal(await core.disappearing.step(), 'idle');
    const gone = await redacted();
    assert.equal(gone.length, 2);
    assert.ok(gone.includes(goes.event));
    await receives({ text: { body: 'stays again' } });
    assert.match(notices().at(-1) ?? '', /turned disappearing messages off/);
  });
});
