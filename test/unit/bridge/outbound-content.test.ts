import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import { NetworkLane } from '../../../src/bridge/network-lane.ts';
import type { RoomEvent } from '../../../src/matrix/matrix.ts';
import type { CapabilityLimits, SendableKind } from '../../../src/model/capabilities.ts';
import { type ContactId, eventId, matrixUserId, type RoomId } from '../../../src/model/ids.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { BridgeWorld } from './world/bridge-world.ts';
import type { Contact, Received } from './world/contact.ts';
import { coreParts } from './world/core-parts.ts';
import { FAULT_MODES } from './world/fault-points.ts';
import type { LinkDouble } from './world/gatekeeper-double.ts';

const ALL: readonly SendableKind[] = ['text', 'reaction', 'edit', 'revoke', 'location'];

describe('what the user does about earlier messages', () => {
  let world: BridgeWorld;
  let account: Account;
  let jid: ContactId;
  let contact: Contact;
  let room: RoomId;
  let contacts = 0;
  const read = new Set<string>();

  before(async () => {
    world = await BridgeWorld.create();
    account = await world.enlisted();
    assert.ok(account.enlistment !== undefined);
    jid = account.enlistment.jid;
    await start();
  });
  after(async () => await world.close());
  beforeEach(async () => {
    await takes(ALL);
    await link().carry();
    await converse();
  });

  const start = async () => {
    const core = coreParts(world);
    await core.links.open(account.id);
    return core;
  };
  const takes = async (kinds: readonly SendableKind[], limits: Partial<CapabilityLimits> = {}) => {
    const { enlistment } = account;
    assert.ok(enlistment !== undefined);
    await world.tx(async (tx) => {
      const told = { ...enlistment, capabilities: kinds, limits: { ...enlistment.limits, ...limits } };
      await world.storage.accounts.saveEnlistment(tx, account, told, 'hash');
    });
  };
  const converse = async () => {
    contact = world.contact(`person-${contacts++}`);
    room = await world.portal(account, contact.jid);
  };
  const link = (): LinkDouble => {
    const found = world.gatekeeper.links.get(account.id);
    assert.ok(found !== undefined);
    return found;
  };
  const work = async () => await world.exhaust(start, async (core) => await core.matrixLane.step(room));
  const push = async (said: string | Partial<RoomEvent>) => {
    const event = world.event(room, said);
    world.homeserver.events.set(event.event_id, event);
    await world.push(event).catch(async () => {
      world.faults.revive();
      await world.push(event);
    });
    return event.event_id;
  };
  const does = async (said: string | Partial<RoomEvent>) => {
    const event = await push(said);
    await work();
    return event;
  };
  const edits = async (target: string, body: string) =>
    await does({
      content: {
        msgtype: 'm.text',
        body: `* ${body}`,
        'm.new_content': { msgtype: 'm.text', body },
        'm.relates_to': { rel_type: 'm.replace', event_id: target },
      },
    });
  const reacts = async (target: string, key: string) =>
    await does({
      type: 'm.reaction',
      content: { 'm.relates_to': { rel_type: 'm.annotation', event_id: target, key } },
    });
  const redacts = async (target: string) =>
    await does({ type: 'm.room.redaction', content: { redacts: target } });
  /** What the contact gets out of the outbox, each stanza once. */
  const received = async (): Promise<Received[]> => {
    const rows = await world.tx(
      async (tx) => await world.storage.outbox.listUnnumbered(tx, account, 100_000),
    );
    const seen: Received[] = [];
    for (const { rowId, xml } of rows) {
      if (read.has(rowId) || !xml.includes(`to="${contact.jid}"`)) continue;
      read.add(rowId);
      seen.push(await contact.read(jid, xml));
    }
    // Receipts hold nothing.
    return seen.filter(({ kind, content }) => kind !== 'notice' && content !== undefined);
  };
  const receives = async (body: Readonly<Record<string, unknown>>) => {
    const id = randomBytes(16).toString('hex');
    await link().arrive(contact.jid, await contact.writeContent(jid, body, id));
    await world.exhaust(
      start,
      async (core) => await core.networkLane.step(NetworkLane.nameOf(account.id, contact.jid)),
    );
    const shown = world.homeserver.said.at(-1);
    assert.ok(shown !== undefined);
    return { id, event: shown.event };
  };
  const told = () => world.homeserver.bodies(room, world.parts.matrix.botUserId);
  const hex = (bytes: unknown) => Buffer.from(bytes as Uint8Array).toString('hex');

  it('a reply names what it answers, with its first words', async () => {
    const theirs = await receives({ text: { body: 'hello' } });
    const own = await does('a question '.repeat(30));
    const [question] = await received();
    const answering = (target: string) => ({
      content: { msgtype: 'm.text', body: 'yes', 'm.relates_to': { 'm.in_reply_to': { event_id: target } } },
    });
    await does(answering(own));
    await does(answering(theirs.event));
    await does(answering('$nobody-knows'));
    const [toOwn, toTheirs, toNothing] = (await received()).map(({ content }) => content?.reply);
    assert.equal(hex(toOwn?.target), question?.id);
    assert.equal(toOwn?.targetIsOwn, true);
    assert.equal(toOwn?.excerpt, 'a question '.repeat(30).slice(0, 100));
    assert.equal(hex(toTheirs?.target), theirs.id);
    assert.notEqual(toTheirs?.targetIsOwn, true);
    assert.equal(toNothing, undefined);
  });

  it('an edit names the message that it changes, again and again', async () => {
    const event = await does('helo');
    await edits(event, 'hello');
    await edits(event, 'hello!');
    const [original, ...changes] = await received();
    assert.deepEqual(
      changes.map(({ content }) => [
        hex(content?.edit?.target),
        (content?.edit?.text as { body: string } | undefined)?.body,
      ]),
      [
        [original?.id, 'hello'],
        [original?.id, 'hello!'],
      ],
    );
  });

  it('an edit of a text that went as several messages takes the others back', async () => {
    const event = await does('x'.repeat(2_500));
    await edits(event, 'short');
    const [first, second, third, change, ...revokes] = await received();
    assert.equal(hex(change?.content?.edit?.target), first?.id);
    assert.deepEqual(
      revokes.map(({ content }) => hex(content?.revoke?.target)),
      [second?.id, third?.id],
    );
  });

  it('an edit after the network’s time is refused, with the time', async () => {
    await takes(ALL, { editS: 900 });
    const event = await does('helo');
    world.clock.advance(901_000);
    await edits(event, 'hello');
    assert.equal((await received()).length, 1);
    assert.match(told().at(-1) ?? '', /takes changes for 15 minutes/);
  });

  it('where the network knows no edits, the new words go as a message', async () => {
    await takes(['text']);
    const event = await does('helo');
    await edits(event, 'hello');
    assert.deepEqual(
      (await received()).map(({ text }) => text),
      ['helo', '* hello'],
    );
  });

  it('an edit of what never crossed, or of the contact’s words, is refused', async () => {
    const theirs = await receives({ text: { body: 'hello' } });
    await edits('$nobody-knows', 'a');
    await edits(theirs.event, 'b');
    assert.deepEqual(await received(), []);
    assert.equal(told().filter((body) => body.includes('not there any more')).length, 2);
  });

  it('a reaction names its message, and is taken away again', async () => {
    const theirs = await receives({ text: { body: 'hello' } });
    const reaction = await reacts(theirs.event, '🎉');
    await redacts(reaction);
    await redacts(reaction);
    const sent = (await received()).map(({ content }) => content?.reaction);
    assert.deepEqual(
      sent.map((it) => [hex(it?.target), it?.emoji, it?.remove === true]),
      [
        [theirs.id, '🎉', false],
        [theirs.id, '🎉', true],
      ],
    );
  });

  it('where the network has one reaction each, the earlier one is taken away in the room', async () => {
    await takes(ALL, { oneReactionEach: true });
    const theirs = await receives({ text: { body: 'hello' } });
    const first = await reacts(theirs.event, '🎉');
    await reacts(theirs.event, '👍');
    assert.deepEqual(
      (await received()).map(({ content }) => content?.reaction?.emoji),
      ['🎉', '👍'],
    );
    assert.deepEqual(
      world.homeserver.redacted.filter((it) => it.room === room).map(({ event }) => event),
      [first],
    );
  });

  it('a deletion takes back every message that the event became, once', async () => {
    const event = await does('x'.repeat(1_500));
    await redacts(event);
    await redacts(event);
    const [first, second, ...revokes] = await received();
    assert.deepEqual(
      revokes.map(({ content }) => hex(content?.revoke?.target)),
      [first?.id, second?.id],
    );
    const kept = await world.tx(async (tx) => await tx('sent_messages').where({ contact_id: contact.jid }));
    assert.equal(kept.filter((row) => [first?.id, second?.id].includes(row.message_id)).length, 0);
    await reacts(event, '🎉');
    assert.match(told().at(-1) ?? '', /not there any more/);
  });

  it('a deletion after the network’s time is refused: the contact still has it', async () => {
    await takes(ALL, { deleteS: 7_200 });
    const event = await does('oops');
    world.clock.advance(7_201_000);
    await redacts(event);
    assert.equal((await received()).length, 1);
    assert.match(told().at(-1) ?? '', /for 2 hours .* the other person still has it/);
  });

  it('what its author deletes before it was sent is never sent, and nothing is left of it', async () => {
    const event = await push('oops');
    await push({ type: 'm.room.redaction', content: { redacts: event } });
    await work();
    assert.deepEqual(await received(), []);
    const row = await world.tx(async (tx) => await tx('matrix_inbox').where({ event_id: event }).first());
    assert.equal(row.sealed_event, null);
  });

  it('a deletion by anybody else takes nothing back from the contact', async () => {
    const event = await push('stays');
    const eve = matrixUserId('@eve:example.org');
    await push({ type: 'm.room.redaction', sender: eve, content: { redacts: event } });
    await work();
    assert.deepEqual(
      (await received()).map(({ text }) => text),
      ['stays'],
    );
    assert.deepEqual(told(), []);
  });

  it('a deletion of the contact’s message stays on this side', async () => {
    const theirs = await receives({ text: { body: 'hello' } });
    await redacts(theirs.event);
    assert.deepEqual(await received(), []);
  });

  it('a place is sent as one, or as a link where the network knows none', async () => {
    const place = { content: { msgtype: 'm.location', body: 'Here', geo_uri: 'geo:1.5,-2' } };
    await does(place);
    await takes(['text']);
    await does(place);
    const [sent, degraded] = await received();
    assert.deepEqual(sent?.content?.location, { latitude: 1.5, longitude: -2, name: 'Here' });
    assert.match(degraded?.text ?? '', /^📍 Here\nhttps:.*mlat=1\.5&mlon=-2$/);
  });

  it('what is sent under a timer bears it, and disappears here, too', async () => {
    await receives({ text: { body: 'goes' }, expiresInS: 60 });
    const event = await does('goes, too');
    assert.equal((await received()).at(-1)?.content?.expiresInS, 60);
    const due = await world.tx(
      async (tx) => await world.storage.expirations.listDue(tx, world.clock.nowMs() + 61_000, 100),
    );
    assert.ok(due.some((it) => it.event === eventId(event)));
  });

  for (const [mode, when] of FAULT_MODES) {
    it(`${when}, each of them reaches the contact once`, async () => {
      let event = '';
      const faults = await world.atEveryPoint(
        mode,
        async () => {
          await edits(event, 'hello');
          const reaction = await reacts(event, '🎉');
          await redacts(reaction);
          await redacts(event);
          const kinds = (await received()).map(({ content }) => content?.body);
          assert.deepEqual(kinds, ['text', 'edit', 'reaction', 'reaction', 'revoke']);
        },
        async () => {
          // What was read is settled, or each round would read it again.
          await link().carry();
          await converse();
          event = await does('helo');
        },
      );
      assert.ok(faults >= 30, String(faults));
    });
  }
});
