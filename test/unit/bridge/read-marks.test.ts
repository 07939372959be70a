import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { NetworkLane } from '../../../src/bridge/network-lane.ts';
import { eventId, type RoomId } from '../../../src/model/ids.ts';
import { parseStanza } from '../../../src/network/interop/stream/stream.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { ADA, BridgeWorld } from './world/bridge-world.ts';
import type { Contact } from './world/contact.ts';
import { coreParts } from './world/core-parts.ts';

const MARKERS = 'urn:xmpp:chat-markers:0';

describe('how far each side has read', () => {
  let world: BridgeWorld;
  let account: Account;
  let contact: Contact;
  let room: RoomId;

  before(async () => {
    world = await BridgeWorld.create();
    world.gatekeeper.kinds = ['text', 'boundary-notice', 'read-marker', 'typing'];
    account = await world.enlisted();
    contact = world.contact('bob');
    await arrive('one', 'two', 'three');
    const portal = await world.tx(
      async (tx) => await world.storage.portals.find(tx, account.id, contact.jid),
    );
    assert.ok(portal?.room !== undefined);
    room = portal.room;
  });
  after(async () => await world.close());

  const start = async () => {
    const core = coreParts(world);
    await core.links.open(account.id);
    return core;
  };
  const work = async () =>
    await world.exhaust(
      start,
      async (core) => await core.networkLane.step(NetworkLane.nameOf(account.id, contact.jid)),
    );
  const arrive = async (...texts: readonly string[]) => {
    await start();
    const jid = account.enlistment?.jid;
    const link = world.gatekeeper.links.get(account.id);
    assert.ok(jid !== undefined && link !== undefined);
    for (const text of texts) await link.arrive(contact.jid, await contact.write(jid, text));
    await work();
  };
  const eventOf = (body: string) => {
    const found = world.homeserver.said.find((said) => said.body === body);
    assert.ok(found !== undefined, body);
    return found.event;
  };
  const stanzaOfEvent = async (event: string) => {
    const row = await world.tx(async (tx) => await tx('messages').where({ event_id: event }).first());
    return row.stanza_id as string;
  };
  const read = async (event: string, user: string = ADA, type = 'm.read') =>
    await world.pushAll(
      [],
      [
        {
          type: 'm.receipt',
          room_id: room,
          content: { [event]: { [type]: { [user]: { ts: world.clock.nowMs() } } } },
        },
      ],
    );
  /** The stanzas up to which the outbox tells the contact that all was read. */
  const told = async () => {
    const rows = await world.tx(async (tx) => await world.storage.outbox.listUnnumbered(tx, account, 1_000));
    return rows.flatMap(({ xml }) => parseStanza(xml).getChild('displayed', MARKERS)?.attrs.id ?? []);
  };

  it('a receipt of anybody else, or a private one, tells the contact nothing', async () => {
    assert.deepEqual((await read(eventOf('one'), '@eve:example.org')).accounts, []);
    assert.deepEqual((await read(eventOf('one'), ADA, 'm.read.private')).accounts, []);
    assert.deepEqual(await told(), []);
  });

  it('a receipt of the user tells the contact, once, and never backwards', async () => {
    assert.deepEqual((await read(eventOf('two'))).accounts, [account.id]);
    assert.deepEqual((await read(eventOf('two'))).accounts, []);
    assert.deepEqual((await read(eventOf('one'))).accounts, []);
    assert.deepEqual(await told(), [await stanzaOfEvent(eventOf('two'))]);
  });

  it('a receipt for a notice means the newest message before it', async () => {
    assert.deepEqual((await read('$a-notice')).accounts, [account.id]);
    assert.equal((await told()).at(-1), await stanzaOfEvent(eventOf('three')));
  });

  it('one who does not share receipts tells nothing', async () => {
    await arrive('four');
    const { choices } = await start();
    await world.tx(async (tx) => await choices.save(tx, ADA, 'read-receipts', false));
    assert.deepEqual((await read(eventOf('four'))).accounts, []);
    await world.tx(async (tx) => await choices.save(tx, ADA, 'read-receipts', true));
    assert.deepEqual((await read(eventOf('four'))).accounts, [account.id]);
  });

  it('a contact’s marker for a message of ours becomes a receipt of the ghost; for anything else nothing', async () => {
    const event = world.event(room, 'hello');
    await world.push(event);
    await world.exhaust(start, async (at) => await at.matrixLane.step(room));
    const stanza = await stanzaOfEvent(event.event_id);
    const marker = (id: string) =>
      `<message type="chat" to="${account.enlistment?.jid}"><displayed xmlns="${MARKERS}" id="${id}"/></message>`;
    const link = world.gatekeeper.links.get(account.id);
    await link?.arrive(contact.jid, marker('never-sent'), marker(stanza));
    await work();
    const as = world.parts.matrix.ghostUserId(account.network, contact.jid);
    assert.deepEqual(world.homeserver.reads, [{ room, as, event: eventId(event.event_id) }]);
  });
});
