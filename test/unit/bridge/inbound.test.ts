import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import { NetworkLane } from '../../../src/bridge/network-lane.ts';
import { matrixErrors } from '../../../src/matrix/errors.ts';
import { type ContactId, messageId, type RoomId } from '../../../src/model/ids.ts';
import { parseStanza } from '../../../src/network/interop/stream/stream.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { BridgeWorld } from './world/bridge-world.ts';
import type { Contact } from './world/contact.ts';
import { coreParts } from './world/core-parts.ts';
import { FAULT_MODES } from './world/fault-points.ts';
import type { LinkDouble } from './world/gatekeeper-double.ts';

const BROKEN_ENVELOPE =
  '<envelope xmlns="urn:drawbridge:interop:1" v="1" device="1"><enc device="1" type="message">?</enc></envelope>';

describe('from the network to Matrix', () => {
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
  afterEach(() => {
    world.homeserver.failSend = undefined;
  });
  after(async () => await world.close());

  const stranger = (name = `person-${contacts++}`) => {
    contact = world.contact(name);
  };
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
  const lane = () => NetworkLane.nameOf(account.id, contact.jid);
  const work = async () => await world.exhaust(start, async (core) => await core.networkLane.step(lane()));
  const room = async (): Promise<RoomId> => {
    const portal = await world.tx(
      async (tx) => await world.storage.portals.find(tx, account.id, contact.jid),
    );
    assert.ok(portal?.room !== undefined, 'there is a room');
    return portal.room;
  };
  const ghost = () => world.parts.matrix.ghostUserId(account.network, contact.jid);
  const shown = async () => world.homeserver.bodies(await room(), ghost());
  const notes = async () => world.homeserver.bodies(await room(), world.parts.matrix.botUserId).slice(1);
  const waiting = async () =>
    await world.tx(async (tx) => await world.storage.networkInbox.findNext(tx, account, contact.jid));
  /** Stanza ids that the outbox tells this contact to have arrived. */
  const receipts = async () => {
    const rows = await world.tx(async (tx) => await world.storage.outbox.listUnnumbered(tx, account, 1_000));
    return rows
      .map(({ xml }) => parseStanza(xml))
      .filter((stanza) => stanza.attrs.to === contact.jid)
      .map((stanza) => stanza.getChild('received', 'urn:xmpp:receipts')?.attrs.id);
  };

  it('the boundary notice is the first event of a new room, then come the messages in order, as the ghost', async () => {
    stranger();
    await link().arrive(
      contact.jid,
      await contact.write(jid, 'one'),
      await contact.write(jid, 'two'),
      await contact.write(jid, 'three'),
    );
    await work();
    const said = world.homeserver.said.filter(({ room: at }) => at === world.homeserver.said.at(-1)?.room);
    assert.match(
      said[0]?.body ?? '',
      /^This room is a chat with .* on Gatekeeper\.\n.*not end-to-end encrypted/,
    );
    assert.equal(said[0]?.as, world.parts.matrix.botUserId);
    assert.deepEqual(await shown(), ['one', 'two', 'three']);
    assert.ok(world.homeserver.pinned.includes(said[0]?.event ?? ('$none' as never)));
    assert.equal(await waiting(), undefined);
  });

  for (const [mode, when] of FAULT_MODES) {
    it(`${when}, the room shows the message once and the contact gets one receipt`, async () => {
      const faults = await world.atEveryPoint(mode, async (name) => {
        stranger(`in-${name}`);
        const stanza = await contact.write(jid, `text ${name}`);
        const id = parseStanza(stanza).attrs.id;
        // What is not stored is not acknowledged, and comes again.
        await link()
          .arrive(contact.jid, stanza)
          .catch(async () => {
            world.faults.revive();
            await link().arrive(contact.jid, stanza);
          });
        await work();
        assert.deepEqual(await shown(), [`text ${name}`]);
        assert.deepEqual(await notes(), [], 'nothing was lost, so nothing is told of a loss');
        assert.deepEqual(await receipts(), [id]);
        assert.equal(await waiting(), undefined);
        const rooms = [...world.homeserver.portalWishes.values()].filter(({ ghost: of }) => of === ghost());
        assert.equal(rooms.length, 1);
      });
      // Session, journal, ghost, room, notice, pin, message, receipt: fewer would mean that the case misses some.
      assert.ok(faults >= 40, String(faults));
    });
  }

  it('a stanza that comes again adds nothing; its ciphertext under another id is not shown a second time either (case 2.10)', async () => {
    stranger();
    const stanza = await contact.write(jid, 'once');
    await link().arrive(contact.jid, stanza, stanza);
    await work();
    const renamed = stanza.replace(/ id="[^"]*"/, ` id="${'0'.repeat(32)}"`);
    await link().arrive(contact.jid, renamed);
    await work();
    assert.deepEqual(await shown(), ['once']);
    assert.deepEqual(await notes(), []);
  });

  it('another message under a stanza id that its sender used before is shown all the same (case 2.9)', async () => {
    stranger();
    const [first, second] = [await contact.write(jid, 'one'), await contact.write(jid, 'two')];
    const id = /id="([0-9a-f]{32})"/.exec(first)?.[1] ?? '';
    const reused = second.replace(/id="[0-9a-f]{32}"/, `id="${id}"`);
    await link().arrive(contact.jid, first, reused, reused);
    await work();
    assert.deepEqual(await shown(), ['one', 'two']);
  });

  it('a message id that was shown before is not shown again, even in a new ciphertext (case 2.10)', async () => {
    stranger();
    const id = randomBytes(16).toString('hex');
    await link().arrive(contact.jid, await contact.write(jid, 'as sent', id));
    await work();
    const again = (await contact.write(jid, 'as sent', id)).replace(` id="${id}"`, ` id="${id}.1"`);
    const attempts = () => [...world.homeserver.attempts.values()].reduce((sum, times) => sum + times, 0);
    const before = attempts();
    await link().arrive(contact.jid, again);
    await work();
    assert.deepEqual(await shown(), ['as sent']);
    assert.equal(attempts(), before, 'the homeserver does not remember for ever: it is not asked');
  });

  it('the receipt goes out only after the message stands in the room', async () => {
    stranger();
    world.homeserver.failSend = ({ as }) =>
      as === ghost() ? matrixErrors.homeserverUnreachable({ request: 'send' }) : undefined;
    await link().arrive(contact.jid, await contact.write(jid, 'wait for it'));
    const core = await start();
    let steps = 0;
    for (let result = await core.networkLane.step(lane()); result === 'more'; steps += 1) {
      result = await core.networkLane.step(lane());
    }
    assert.ok(steps > 0);
    assert.equal((await waiting())?.state, 'decrypted');
    assert.deepEqual(await receipts(), []);
    world.homeserver.failSend = undefined;
    await work();
    assert.deepEqual(await shown(), ['wait for it']);
    assert.equal((await receipts()).length, 1);
  });

  it('no receipt goes out where the operator has switched them off', async () => {
    stranger();
    const silent = { ...world.network, sendReceipts: false };
    const parts = { ...world.parts, networks: new Map([[account.network, silent]]) };
    await link().arrive(contact.jid, await contact.write(jid, 'quietly'));
    await world.exhaust(
      () => coreParts(world, parts),
      async (core) => await core.networkLane.step(lane()),
    );
    assert.deepEqual(await shown(), ['quietly']);
    assert.deepEqual(await receipts(), []);
  });

  const unreadable: Readonly<Record<string, { stanza: () => Promise<string>; says: RegExp }>> = {
    'an envelope whose ciphertext is not base64': {
      stanza: async () => chat(BROKEN_ENVELOPE),
      says: /could not be shown: It is malformed/,
    },
    'a good ciphertext of what is no content': {
      stanza: async () =>
        await contact.writeBytes(jid, new Uint8Array(160).fill(0xff), randomBytes(16).toString('hex')),
      says: /could not be shown: It is malformed/,
    },
    'plain text': {
      stanza: async () => chat('<body>in clear</body>'),
      says: /could not be shown: /,
    },
  };
  for (const [what, { stanza, says }] of Object.entries(unreadable)) {
    it(`${what} leaves a placeholder, and the next message is shown`, async () => {
      stranger();
      await link().arrive(contact.jid, await stanza());
      await work();
      assert.equal((await notes()).length, 1);
      assert.match((await notes())[0] ?? '', says);
      assert.ok(!(await notes())[0]?.includes('in clear'));
      await link().arrive(contact.jid, await contact.write(jid, 'all is well'));
      await work();
      assert.deepEqual(await shown(), ['all is well']);
    });
  }

  it('a ciphertext that does not open is asked for again; its late copy takes the place that was kept for it (case 2.15)', async () => {
    stranger();
    const id = randomBytes(16).toString('hex');
    const broken = (await contact.write(jid, 'lost', id)).replace(
      /(<enc[^>]*>)[^<]{40}/,
      (_all, tag: string) => `${tag}${'A'.repeat(40)}`,
    );
    await link().arrive(contact.jid, broken);
    await work();
    assert.equal((await shown()).length, 1);
    const place = world.homeserver.said.at(-1);
    const rows = await world.tx(async (tx) => await world.storage.outbox.listUnnumbered(tx, account, 1_000));
    assert.equal(rows.filter(({ xml }) => xml.includes('<retry') && xml.includes(`id="${id}"`)).length, 1);
    const again = (await contact.write(jid, 'lost', id)).replace(` id="${id}"`, ` id="${id}.1"`);
    await link().arrive(contact.jid, again);
    await work();
    const { content } = world.homeserver.said.at(-1) ?? {};
    assert.deepEqual(content?.['m.relates_to'], { rel_type: 'm.replace', event_id: place?.event });
    assert.equal((content?.['m.new_content'] as { body?: string } | undefined)?.body, 'lost');
    assert.equal((await shown()).length, 2);
  });

  for (const [mode, when] of FAULT_MODES) {
    it(`the placeholder of an unreadable message is said once, ${when}`, async () => {
      await world.atEveryPoint(mode, async (name) => {
        stranger(`broken-${name}`);
        const stanza = chat(BROKEN_ENVELOPE);
        await link()
          .arrive(contact.jid, stanza)
          .catch(async () => {
            world.faults.revive();
            await link().arrive(contact.jid, stanza);
          });
        await work();
        assert.equal((await notes()).length, 1);
        assert.equal(await waiting(), undefined);
      });
    });
  }

  it('a kind of content that is not carried yet is told as a note of the ghost', async () => {
    stranger();
    // A body of a later schema is none that we know.
    await link().arrive(contact.jid, await contact.writeContent(jid, {}, randomBytes(16).toString('hex')));
    await work();
    assert.match((await shown())[0] ?? '', /sent something that this bridge cannot show yet \(unknown\)/);
  });

  it('the boundary notice of another service is shown as what it says about itself', async () => {
    stranger();
    const boundaryNotice = {
      operatorName: 'X',
      operatorContact: 'x',
      mode: 'provider',
      text: 'we can read this',
    };
    await link().arrive(
      contact.jid,
      await contact.writeContent(jid, { boundaryNotice }, randomBytes(16).toString('hex')),
    );
    await work();
    assert.deepEqual(await shown(), [
      `${contact.jid.split('@')[0]} writes through a service that says: we can read this`,
    ]);
  });

  it('under a changed key nothing is shown until the user trusts it; the room says so once', async () => {
    stranger();
    await link().arrive(contact.jid, await contact.write(jid, 'with the old phone'));
    await work();
    contact.reinstall();
    await link().arrive(
      contact.jid,
      await contact.write(jid, 'with the new phone'),
      await contact.write(jid, 'and more'),
    );
    const core = await start();
    const held = await core.networkLane.step(lane());
    assert.ok(typeof held === 'object', 'it waits');
    world.clock.advance(held.notBeforeMs - world.clock.nowMs());
    await core.networkLane.step(lane());
    assert.deepEqual(await shown(), ['with the old phone']);
    assert.equal((await notes()).length, 1);
    assert.match((await notes())[0] ?? '', /encryption key of .* has changed.*"!bridge trust"/s);
    await world.push(world.event(await room(), '!bridge trust'));
    const at = await room();
    await world.exhaust(
      () => core,
      async (parts) => await parts.matrixLane.step(at),
    );
    assert.deepEqual(core.wokenInbound, [contact.jid], 'the lane is woken, without waiting for its hour');
    await work();
    assert.deepEqual(await shown(), ['with the old phone', 'with the new phone', 'and more']);
  });

  it('a message that was too large is told in the room, once (case 2.11)', async () => {
    stranger();
    const discarded = chat('<discarded xmlns="urn:drawbridge:discarded:1"/>');
    await link().arrive(contact.jid, await contact.write(jid, 'before'), discarded, discarded);
    await work();
    assert.deepEqual(await shown(), ['before']);
    assert.equal((await notes()).length, 1);
    assert.match((await notes())[0] ?? '', /could not be shown: It is larger/);
  });

  it('what nobody has to see is not shown: typing, read markers, requests to send again, and what is not for us', async () => {
    stranger();
    await link().arrive(
      contact.jid,
      chat('<composing xmlns="http://jabber.org/protocol/chatstates"/>'),
      chat('<displayed xmlns="urn:xmpp:chat-markers:0" id="x"/>'),
      chat('<retry xmlns="urn:drawbridge:interop:1" id="x" count="1"/>'),
      '<message xmlns="jabber:client" type="groupchat" id="g"><body>x</body></message>',
    );
    const rows = await world.tx(
      async (tx) => await tx('network_inbox').where({ lane: contact.jid }).pluck('seq'),
    );
    assert.equal(rows.length, 2, 'the request and the mark are stored, nothing else (case 5.2)');
    const before = world.homeserver.said.length;
    await work();
    assert.equal(await waiting(), undefined);
    assert.equal(world.homeserver.said.length, before);
  });

  it('what was sent to somebody else is not sent to who asks for it (case 2.14)', async () => {
    stranger();
    const owner = contact;
    const message = messageId(randomBytes(16).toString('hex'));
    const content = Buffer.from('secret');
    await world.tx(
      async (tx) =>
        await world.storage.sentMessages.insert(tx, account, {
          message,
          contact: owner.jid,
          content,
          keepMs: 60_000,
        }),
    );
    stranger();
    const count = async () =>
      await world.tx(async (tx) => (await world.storage.outbox.listUnnumbered(tx, account, 1_000)).length);
    const before = await count();
    const ask = chat(`<retry xmlns="urn:drawbridge:interop:1" id="${message}" count="1"/>`);
    await link().arrive(contact.jid, ask);
    await work();
    assert.equal(await count(), before);
    contact = owner;
    await link().arrive(contact.jid, ask);
    await work();
    assert.equal(await count(), before + 1, 'its own contact gets it');
  });

  it('nothing is worked for an account that leaves', async () => {
    stranger();
    await link().arrive(contact.jid, await contact.write(jid, 'too late'));
    await world.tx(async (tx) => await world.storage.accounts.saveState(tx, account.id, 'leaving'));
    const core = await start();
    assert.equal(await core.networkLane.step(lane()), 'idle');
    assert.ok((await waiting()) !== undefined);
    await world.tx(async (tx) => await world.storage.accounts.saveState(tx, account.id, 'active'));
  });

  function chat(child: string): string {
    return `<message xmlns="jabber:client" type="chat" id="${randomBytes(8).toString('hex')}">${child}</message>`;
  }
});
