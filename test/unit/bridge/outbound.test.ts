import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { outboundMessageId } from '../../../src/bridge/derived-ids.ts';
import { eventId, matrixUserId, type RoomId, stanzaId } from '../../../src/model/ids.ts';
import { networkErrors } from '../../../src/network/errors.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { BridgeWorld } from './world/bridge-world.ts';
import type { Contact } from './world/contact.ts';
import { coreParts } from './world/core-parts.ts';
import { FAULT_MODES } from './world/fault-points.ts';

const HOUR_MS = 60 * 60_000;

describe('from Matrix to the network', () => {
  let world: BridgeWorld;
  let account: Account;
  let contact: Contact;
  let room: RoomId;
  let contacts = 0;

  before(async () => {
    world = await BridgeWorld.create();
    account = await world.enlisted();
  });
  afterEach(() => {
    world.gatekeeper.fail = undefined;
  });
  after(async () => await world.close());

  /** A new conversation. */
  const converse = async (name = `person-${contacts++}`) => {
    contact = world.contact(name);
    room = await world.portal(account, contact.jid);
  };
  const start = async () => {
    const core = coreParts(world);
    await core.links.open(account.id);
    return core;
  };
  const work = async () => await world.exhaust(start, async (core) => await core.matrixLane.step(room));
  const rows = async () =>
    await world.tx(async (tx) => await world.storage.outbox.listUnnumbered(tx, account, 1_000));
  const jidOf = (of: Account) => of.enlistment?.jid ?? contact.jid;
  /** What the contact makes of the outbox, in order; the outbox is empty afterwards. */
  const received = async () => {
    const all = [];
    for (const [index, { rowId, xml }] of (await rows()).entries()) {
      if (xml.includes(`to="${contact.jid}"`)) all.push(await contact.read(jidOf(account), xml));
      await world.tx(
        async (tx) => await world.storage.outbox.saveNumbers(tx, [{ rowId, number: index + 1 }]),
      );
    }
    await world.tx(
      async (tx) => await world.storage.outbox.settleUpTo(tx, account.id, Number.MAX_SAFE_INTEGER),
    );
    return all;
  };
  const reply = () => world.homeserver.bodies(room, world.parts.matrix.botUserId);
  const waiting = async () =>
    await world.tx(async (tx) => await world.storage.matrixInbox.findNext(tx, room));

  it('the first message is preceded by one notice to the contact, the next ones by none', async () => {
    await converse();
    await world.push(world.event(room, 'one'), world.event(room, 'two'));
    await work();
    const seen = await received();
    assert.deepEqual(
      seen.map(({ kind }) => kind),
      ['notice', 'text', 'text'],
    );
    assert.match(seen[0]?.text ?? '', /@ada:example\.org.*Example Org/s);
    assert.deepEqual(
      seen.slice(1).map(({ text }) => text),
      ['one', 'two'],
    );
  });

  for (const [mode, when] of FAULT_MODES) {
    it(`${when}, the contact gets the message once, under its own id`, async () => {
      const faults = await world.atEveryPoint(mode, async (name) => {
        await converse(`out-${name}`);
        const event = world.event(room, `text ${name}`);
        // What the homeserver is not answered, it sends again.
        await world.push(event).catch(async () => {
          world.faults.revive();
          await world.push(event);
        });
        await work();
        const secret = await world.tx(async (tx) => await world.storage.idSecret(tx, account.dataKey));
        const seen = await received();
        assert.deepEqual(
          seen.map(({ kind, text }) => (kind === 'text' ? text : kind)),
          ['notice', `text ${name}`],
        );
        assert.equal(seen[1]?.id, outboundMessageId(secret, event.event_id, 0));
        assert.equal(await waiting(), undefined);
        assert.deepEqual(reply(), [], 'nothing was lost, so nobody is told of a loss');
      });
      // Intake, session, encryption and outbox: fewer points would mean that the case no longer goes through them.
      assert.ok(faults >= 15, String(faults));
    });
  }

  it('a row that is settled adds nothing to the outbox when it is worked again', async () => {
    await converse();
    const event = world.event(room, 'once');
    await world.push(event);
    const row = await waiting();
    assert.ok(row !== undefined);
    const core = await start();
    await core.matrixLane.step(room);
    const before = await rows();
    const portal = await world.tx(async (tx) => await world.storage.portals.findByRoom(tx, room));
    assert.ok(portal !== undefined);
    const again = core.outbound.bridge(portal, account, event, row);
    await assert.rejects(again, { code: 'storage/rowMissing' });
    assert.deepEqual(await rows(), before);
    await received();
  });

  it('an event whose time lies in the future is sent with the present one', async () => {
    await converse();
    const event = world.event(room, 'from the future');
    await world.push({ ...event, origin_server_ts: world.clock.nowMs() + HOUR_MS });
    await work();
    const secret = await world.tx(async (tx) => await world.storage.idSecret(tx, account.dataKey));
    const id = outboundMessageId(secret, event.event_id, 0);
    const record = await world.tx(async (tx) => {
      const portal = await world.storage.portals.findByRoom(tx, room);
      return portal && (await world.storage.messages.find(tx, portal.id, 'outbound', id));
    });
    assert.equal(record?.sentAtMs, world.clock.nowMs());
    assert.equal(record?.stanza, stanzaId(id));
    await received();
  });

  it('an emote is a text that names who does it', async () => {
    await converse();
    await world.push(world.event(room, { content: { msgtype: 'm.emote', body: 'waves' } }));
    await work();
    assert.deepEqual((await received()).at(-1)?.text, '* ada waves');
  });

  const refusals: Readonly<Record<string, { event: object; says: RegExp }>> = {
    'a message of somebody else in the room': {
      event: { sender: matrixUserId('@eve:example.org'), content: { msgtype: 'm.text', body: 'let me in' } },
      says: /Only @ada:example\.org can write to Gatekeeper/,
    },
    'a poll': {
      event: { type: 'm.poll.start', content: {} },
      says: /cannot send this kind of message yet \(poll\)/,
    },
    'an encrypted event': { event: { type: 'm.room.encrypted' }, says: /It is encrypted/ },
  };
  for (const [what, { event, says }] of Object.entries(refusals)) {
    it(`${what} is not sent, and its sender reads why`, async () => {
      await converse();
      await world.push(world.event(room, event));
      await work();
      assert.deepEqual(await received(), []);
      assert.equal(reply().length, 1);
      assert.match(reply()[0] ?? '', says);
      assert.equal(await waiting(), undefined);
    });
  }

  it('a text over the limit, counted in characters, is sent as several messages, in order', async () => {
    await converse();
    await world.push(world.event(room, '👍'.repeat(2_001)));
    await work();
    assert.deepEqual(
      (await received()).filter(({ kind }) => kind === 'text').map(({ text }) => [...text].length),
      [1_000, 1_000, 1],
    );
    assert.deepEqual(reply(), []);
  });

  it('a text exactly at the limit is sent', async () => {
    await converse();
    await world.push(world.event(room, '👍'.repeat(1_000)));
    await work();
    assert.equal((await received()).at(-1)?.text, '👍'.repeat(1_000));
  });

  it('a state event and an unknown event are settled without a word', async () => {
    await converse();
    await world.push(
      world.event(room, { type: 'm.room.topic', state_key: '', content: { topic: 'x' } }),
      world.event(room, { type: 'org.example.other' }),
    );
    await work();
    assert.deepEqual([await received(), reply(), await waiting()], [[], [], undefined]);
  });

  it('while a network cannot be reached the message waits; when it is too old it fails visibly', async () => {
    await converse();
    await world.push(world.event(room, 'hello?'));
    world.gatekeeper.fail = (step) => (step === 'bundles' ? networkErrors.unreachable() : undefined);
    const core = await start();
    const first = await core.matrixLane.step(room);
    assert.ok(typeof first === 'object', 'it waits');
    assert.deepEqual([await received(), reply()], [[], []]);
    world.clock.advance(24 * HOUR_MS + 1);
    await work();
    assert.deepEqual(await received(), []);
    assert.equal(reply().length, 1);
    assert.match(reply()[0] ?? '', /It waited too long for Gatekeeper/);
    assert.ok(world.counted.includes('bridge/tooOld'));
  });

  it('a message for a suspended account is refused, and one for an account that leaves as well', async () => {
    const other = await world.enlisted(matrixUserId('@sam:example.org'));
    for (const [state, says] of [
      ['suspended', /suspended your connection/],
      ['leaving', /not connected to Gatekeeper/],
    ] as const) {
      contact = world.contact(`for-${state}`);
      room = await world.portal(other, contact.jid);
      await world.tx(async (tx) => await world.storage.accounts.saveState(tx, other.id, state));
      await world.push(world.event(room, { sender: other.user, content: { msgtype: 'm.text', body: 'hi' } }));
      await work();
      assert.match(reply()[0] ?? '', says);
    }
  });

  it('a network that was taken out of the configuration is told as a fault of the bridge', async () => {
    await converse();
    await world.push(world.event(room, 'hello'));
    const parts = { ...world.parts, networks: new Map() };
    await world.exhaust(
      () => coreParts(world, parts),
      async (core) => await core.matrixLane.step(room),
    );
    assert.equal(await waiting(), undefined);
    assert.equal(reply().length, 1);
    assert.match(reply()[0] ?? '', /bridge\/networkUnknown/);
  });

  it('a kind that the network does not take is refused by its name', async () => {
    const other = await world.enlisted(matrixUserId('@tim:example.org'));
    const { enlistment } = other;
    assert.ok(enlistment !== undefined);
    const none = { ...enlistment, capabilities: [] };
    await world.tx(async (tx) => await world.storage.accounts.saveEnlistment(tx, other, none, 'hash'));
    contact = world.contact('picky');
    room = await world.portal(other, contact.jid);
    await world.push(world.event(room, { sender: other.user, content: { msgtype: 'm.text', body: 'hi' } }));
    await work();
    assert.match(reply()[0] ?? '', /Gatekeeper does not take this kind of message \(text\)/);
  });

  it('what does not parse any more is settled with a code, and the next event of the room goes on', async () => {
    await converse();
    const good = world.event(room, 'after the broken one');
    await world.tx(async (tx) => {
      await world.storage.matrixInbox.insert(tx, [
        { event: eventId('$broken'), room, sender: good.sender, type: 'm.room.message', json: '{' },
      ]);
    });
    await world.push(good);
    await work();
    assert.equal((await received()).at(-1)?.text, 'after the broken one');
  });
});
