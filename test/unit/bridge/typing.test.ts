import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RoomId } from '../../../src/model/ids.ts';
import { parseStanza } from '../../../src/network/interop/stream/stream.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { ADA, BridgeWorld } from './world/bridge-world.ts';
import type { Contact } from './world/contact.ts';
import { type CoreParts, coreParts } from './world/core-parts.ts';

const STATES = 'http://jabber.org/protocol/chatstates';

describe('who is writing', () => {
  let world: BridgeWorld;
  let account: Account;
  let contact: Contact;
  let room: RoomId;
  let core: CoreParts;

  before(async () => {
    world = await BridgeWorld.create();
    world.gatekeeper.kinds = ['text', 'typing'];
    account = await world.enlisted();
    contact = world.contact('bob');
    room = await world.portal(account, contact.jid);
    core = coreParts(world);
    await core.links.open(account.id);
  });
  after(async () => await world.close());

  const writes = async (...users: (typeof ADA)[]) => {
    world.clock.advance(30_000);
    await core.typing.toNetwork({ kind: 'typing', room, users });
  };
  const told = () => {
    const link = world.gatekeeper.links.get(account.id);
    return link?.sentNow.splice(0).map(
      (xml) =>
        parseStanza(xml)
          .getChildElements()
          .find((it) => it.attrs.xmlns === STATES)?.name,
    );
  };

  it('the contact sees when the user begins and stops, and nobody else', async () => {
    await writes();
    await writes('@eve:example.org' as typeof ADA);
    assert.deepEqual(told(), []);
    await writes(ADA);
    await writes('@eve:example.org' as typeof ADA);
    assert.deepEqual(told(), ['composing', 'paused']);
  });

  it('changes in no time are told once; the end is told always', async () => {
    await writes(ADA);
    for (let times = 0; times < 100; times += 1) {
      await core.typing.toNetwork({ kind: 'typing', room, users: [] });
      await core.typing.toNetwork({ kind: 'typing', room, users: [ADA] });
    }
    await core.typing.toNetwork({ kind: 'typing', room, users: [] });
    assert.deepEqual(told(), ['composing', 'paused']);
  });

  it('one who does not share it is not seen writing', async () => {
    await world.tx(async (tx) => await core.choices.save(tx, ADA, 'typing', false));
    await writes(ADA);
    assert.deepEqual(told(), []);
    await world.tx(async (tx) => await core.choices.save(tx, ADA, 'typing', true));
  });

  it('a network that does not take it is told nothing', async () => {
    const shy = await BridgeWorld.create();
    const shyAccount = await shy.enlisted();
    const shyRoom = await shy.portal(shyAccount, contact.jid);
    const shyCore = coreParts(shy);
    await shyCore.links.open(shyAccount.id);
    await shyCore.typing.toNetwork({ kind: 'typing', room: shyRoom, users: [ADA] });
    assert.deepEqual(shy.gatekeeper.links.get(shyAccount.id)?.sentNow, []);
    await shy.close();
  });

  it('the room sees when the contact begins and stops, however often they say so', async () => {
    const states = ['composing', 'composing', 'active', 'paused', 'composing'] as const;
    for (const state of states) await core.typing.toMatrix(account, contact.jid, state);
    const as = world.parts.matrix.ghostUserId(account.network, contact.jid);
    assert.deepEqual(world.homeserver.typing, [
      { room, as, forMs: 30_000 },
      { room, as, forMs: 0 },
    ]);
  });

  it('a homeserver that does not take it costs nothing but the sign', async () => {
    world.clock.advance(60_000);
    world.faults.plan(0, 'fails');
    await core.typing.toMatrix(account, contact.jid, 'composing');
    assert.ok(world.faults.firedAt !== undefined);
    world.faults.revive();
  });
});
