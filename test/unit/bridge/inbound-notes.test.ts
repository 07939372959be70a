import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { NetworkLane } from '../../../src/bridge/network-lane.ts';
import type { RoomId } from '../../../src/model/ids.ts';
import { networkErrors } from '../../../src/network/errors.ts';
import { streamErrors } from '../../../src/network/interop/stream/errors.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { BridgeWorld } from './world/bridge-world.ts';
import type { Contact } from './world/contact.ts';
import { type CoreParts, coreParts } from './world/core-parts.ts';

describe('what a stanza tells about a message', () => {
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
  });
  afterEach(async () => await world.close());

  const notices = () => world.homeserver.bodies(room, world.parts.matrix.botUserId);
  const arrive = async (xml: string, from: string = contact.jid) => {
    await world.gatekeeper.links.get(account.id)?.arrive(from, xml);
    await world.exhaust(
      () => core,
      async ({ networkLane }) => await networkLane.step(NetworkLane.nameOf(account.id, from)),
    );
  };
  /** @returns the stanza's id in the outbox, its row, and the record of the message. */
  const sent = async (text = 'hello') => {
    const event = world.event(room, text);
    await world.push(event);
    await world.exhaust(
      () => core,
      async ({ matrixLane }) => await matrixLane.step(room),
    );
    const row = (await world.tx(async (tx) => await world.storage.outbox.listUnnumbered(tx, account, 10))).at(
      -1,
    );
    const stanza = /\bid="([0-9a-f]{32})"/.exec(row?.xml ?? '')?.[1] ?? '';
    return { event, stanza, rowId: row?.rowId ?? '' };
  };
  const record = async (stanza: string) =>
    await world.tx(async (tx) => {
      const portal = await world.storage.portals.findByRoom(tx, room);
      return portal && (await world.storage.messages.findByStanza(tx, portal.id, 'outbound', stanza));
    });
  const receipt = (stanza: string, id: string) =>
    `<message xmlns="jabber:client" type="chat" id="${id}"><received xmlns="urn:xmpp:receipts" id="${stanza}"/></message>`;
  const bounce = (stanza: string) =>
    `<message xmlns="jabber:client" type="error" id="${stanza}"><error type="cancel"><service-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>`;

  it('a receipt marks our message delivered, and is counted once', async () => {
    const { stanza } = await sent();
    await arrive(receipt(stanza, 'r1'));
    assert.equal((await record(stanza))?.deliveredAtMs, world.clock.nowMs());
    await arrive(receipt(stanza, 'r2'));
    assert.equal(world.counted.filter((it) => it === 'outbound delivered').length, 1);
  });

  it('a receipt from somebody else for our message changes nothing (case 2.4)', async () => {
    const { stanza } = await sent();
    const eve = world.contact('eve');
    await world.portal(account, eve.jid);
    await arrive(receipt(stanza, 'r1'), eve.jid);
    assert.equal((await record(stanza))?.deliveredAtMs, undefined);
  });

  it('a receipt for what was never sent is settled (case 2.4)', async () => {
    await arrive(receipt('nothing', 'r1'));
    assert.ok(!world.counted.includes('outbound delivered'));
  });

  it('a bounce of our message is told to its sender, in reply to it', async () => {
    const { stanza, event } = await sent();
    await arrive(bounce(stanza));
    const said = world.homeserver.said.at(-1);
    assert.match(said?.body ?? '', /not bridged: Gatekeeper sent it back \(service-unavailable\)/);
    assert.deepEqual(said?.content['m.relates_to'], { 'm.in_reply_to': { event_id: event.event_id } });
    assert.deepEqual(said?.content['m.mentions'], { user_ids: [account.user] });
  });

  it('a bounce from somebody else, or of what was never sent, is told to nobody (case 2.5)', async () => {
    const { stanza } = await sent();
    const eve = world.contact('eve');
    await world.portal(account, eve.jid);
    await arrive(bounce(stanza), eve.jid);
    await arrive(bounce('nothing'));
    assert.deepEqual(notices(), []);
  });

  it('a changed key is said in the portal, once a notice of the keys service', async () => {
    const changed = `<message xmlns="jabber:client" type="headline" id="h1"><identity-changed xmlns="urn:drawbridge:interop:keys:1" jid="${contact.jid}"/></message>`;
    await arrive(changed, 'keys.gk.example');
    await arrive(changed, 'keys.gk.example');
    assert.equal(notices().length, 1);
    assert.match(notices()[0] ?? '', /encryption key of bob has changed/);
  });

  it('a changed key is believed from the keys service only', async () => {
    await arrive(
      `<message xmlns="jabber:client" type="headline" id="h1"><identity-changed xmlns="urn:drawbridge:interop:keys:1" jid="${contact.jid}"/></message>`,
      'eve@gk.example',
    );
    assert.deepEqual(notices(), []);
  });

  it('a stanza that can never be sent leaves the outbox, and the sender of what it carried reads why', async () => {
    const { rowId, event } = await sent();
    await core.begin();
    await core.notes.rejected(account, rowId, networkErrors.tooLarge());
    await world.allTold();
    assert.match(notices()[0] ?? '', /not bridged: It is too large for Gatekeeper/);
    const said = world.homeserver.said.at(-1);
    assert.deepEqual(said?.content['m.relates_to'], { 'm.in_reply_to': { event_id: event.event_id } });
    const rest = await world.tx(async (tx) => await world.storage.outbox.listUnnumbered(tx, account, 10));
    assert.ok(rest.every((row) => row.rowId !== rowId));
    await core.notes.rejected(account, rowId, networkErrors.tooLarge());
    await world.allTold();
    assert.equal(notices().length, 1, 'once');
  });

  it('a rejected stanza that carried no message of anybody is told to nobody', async () => {
    await sent();
    const [notice] = await world.tx(async (tx) => await world.storage.outbox.listUnnumbered(tx, account, 1));
    await core.notes.rejected(account, notice?.rowId ?? '', streamErrors.stanzaRejected());
    await world.allTold();
    assert.deepEqual(notices(), []);
  });
});
