import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { boundarySha256 } from '../../../src/bridge/boundary.ts';
import { boundaryFactsOf } from '../../../src/bridge/boundary-facts.ts';
import { GhostProfiles } from '../../../src/bridge/ghost-profiles.ts';
import { networkErrors } from '../../../src/network/errors.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { BridgeWorld } from './world/bridge-world.ts';
import { coreParts } from './world/core-parts.ts';
import { GK } from './world/gatekeeper-double.ts';

describe('a portal room', () => {
  let world: BridgeWorld;
  let account: Account;

  beforeEach(async () => {
    world = await BridgeWorld.create();
    account = await world.enlisted();
  });
  afterEach(async () => await world.close());

  const ensure = async (contact = world.contact().jid, name?: string) =>
    await coreParts(world).portals.ensure(account, contact, name);

  it('says in its first state what it bridges and where encryption ends, and invites the user from the ghost', async () => {
    const { room, ghost } = await ensure();
    const wish = world.homeserver.portalWishes.get(room);
    const facts = await boundaryFactsOf(world.parts, account);
    assert.equal(wish?.invite, undefined, 'not before the notice stands');
    assert.deepEqual(world.homeserver.invited, [{ room, as: ghost, user: account.user }]);
    assert.equal(wish?.ghost, ghost);
    assert.match(wish?.aliasLocalpart ?? '', /^_interop_portal_[0-9a-f]{32}$/);
    assert.match(wish?.topic ?? '', /Messages are decrypted at the bridge run by Example Org/);
    assert.deepEqual(wish?.bridgeInfo.network, { id: 'gk.example', displayname: 'Gatekeeper' });
    assert.deepEqual(wish?.bridgeInfo.channel, { id: 'bob@gk.example' });
    const [state] = wish?.extraState ?? [];
    assert.equal(state?.type, 'org.drawbridge.e2ee_boundary');
    assert.equal(state?.content.facts_sha256, boundarySha256(facts));
  });

  it('is ready only when its notice stands; the hash of what was told is kept', async () => {
    const portal = await ensure();
    assert.deepEqual(world.homeserver.pinned, [portal.notice]);
    const stored = await world.tx(async (tx) => await world.storage.portals.findByRoom(tx, portal.room));
    assert.equal(stored?.boundarySha256, boundarySha256(await boundaryFactsOf(world.parts, account)));
  });

  it('is made once, however often it is asked for, and by however many at once', async () => {
    const { jid } = world.contact();
    const { portals } = coreParts(world);
    const rooms = await Promise.all([1, 2, 3].map(async () => (await portals.ensure(account, jid)).room));
    await ensure(jid);
    assert.equal(new Set(rooms).size, 1);
    assert.equal(world.homeserver.portalWishes.size, 1);
    assert.equal(world.homeserver.said.length, 1);
  });

  it('bears the name that the network gives its contact: the one just learnt, else the one asked for, else none', async () => {
    const ghostOf = (jid: ReturnType<typeof world.contact>['jid']) =>
      world.homeserver.ghostNames.get(world.parts.matrix.ghostUserId(GK, jid));
    const told = world.contact('told').jid;
    await ensure(told, 'Bob B.');
    assert.equal(ghostOf(told), 'Bob B. (Gatekeeper)');
    const asked = world.contact('asked').jid;
    await ensure(asked);
    assert.equal(ghostOf(asked), 'asked (Gatekeeper)');
    world.gatekeeper.fail = (step) => (step === 'lookup' ? networkErrors.unreachable() : undefined);
    const unknown = world.contact('unknown').jid;
    await ensure(unknown);
    assert.equal(ghostOf(unknown), 'unknown (Gatekeeper)');
  });

  it('a ghost is named again only when its name has changed', async () => {
    const { jid } = world.contact();
    const profiles = new GhostProfiles(world.parts);
    await profiles.ensure(account, jid, 'Bob');
    world.homeserver.ghostNames.clear();
    assert.equal(await profiles.ensure(account, jid, 'Bob'), 'Bob');
    assert.equal(world.homeserver.ghostNames.size, 0);
    await profiles.ensure(account, jid, 'Robert');
    assert.deepEqual([...world.homeserver.ghostNames.values()], ['Robert (Gatekeeper)']);
  });
});
