/** A contact who cannot decrypt a message of ours asks for it again. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { NetworkLane } from '../../../src/bridge/network-lane.ts';
import type { RoomId } from '../../../src/model/ids.ts';
import { networkErrors } from '../../../src/network/errors.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { BridgeWorld } from './world/bridge-world.ts';
import type { Contact } from './world/contact.ts';
import { type CoreParts, coreParts } from './world/core-parts.ts';

describe('a request to have a message again', () => {
  let world: BridgeWorld;
  let account: Account;
  let contact: Contact;
  let room: RoomId;
  let core: CoreParts;
  let requests = 0;

  beforeEach(async () => {
    world = await BridgeWorld.create();
    account = await world.enlisted();
    contact = world.contact();
    room = await world.portal(account, contact.jid);
    core = coreParts(world);
    await core.links.open(account.id);
    await core.begin();
  });
  afterEach(async () => {
    world.gatekeeper.fail = undefined;
    await world.close();
  });

  const jid = () => account.enlistment?.jid ?? contact.jid;
  const outbox = async () =>
    await world.tx(async (tx) => await world.storage.outbox.listUnnumbered(tx, account, 100));
  /** Sends a text. @returns its stanza's id. */
  const sent = async (text: string) => {
    await world.push(world.event(room, text));
    await world.exhaust(
      () => core,
      async ({ matrixLane }) => await matrixLane.step(room),
    );
    return /\bid="([0-9a-f]{32})"/.exec((await outbox()).at(-1)?.xml ?? '')?.[1] ?? '';
  };
  const ask = async (stanza: string, count: number, from = contact) => {
    const xml = `<message xmlns="jabber:client" id="ask-${requests++}"><retry xmlns="urn:drawbridge:interop:1" id="${stanza}" count="${count}"/></message>`;
    await world.gatekeeper.links.get(account.id)?.arrive(from.jid, xml);
    await world.exhaust(
      () => core,
      async ({ networkLane }) => await networkLane.step(NetworkLane.nameOf(account.id, from.jid)),
    );
  };
  const copies = async (stanza: string) =>
    (await outbox()).filter(({ xml }) => xml.includes(` id="${stanza}.`)).map(({ xml }) => xml);

  it('is answered by a copy in a new session, which the contact can read', async () => {
    const stanza = await sent('hello');
    await ask(stanza, 1);
    const [copy, ...more] = await copies(stanza);
    assert.deepEqual(more, []);
    assert.ok(copy?.includes(`id="${stanza}.1"`) && copy.includes('type="prekey"'));
    // The content bears the first id, so the reader of this double refuses the copy's only after having read it.
    await assert.rejects(contact.read(jid(), copy ?? ''), /content and stanza bear different ids/);
  });

  it('is answered once for each count, in whatever order they come', async () => {
    const stanza = await sent('hello');
    for (const count of [1, 1, 3, 2, 3]) await ask(stanza, count);
    assert.deepEqual(
      (await copies(stanza)).map((xml) => / id="[0-9a-f]{32}\.(\d)"/.exec(xml)?.[1]),
      ['1', '3'],
    );
  });

  it('is answered five times at most', async () => {
    const stanza = await sent('hello');
    for (let count = 1; count <= 7; count += 1) await ask(stanza, count);
    assert.equal((await copies(stanza)).length, 5);
  });

  it('from somebody else, or for what was never sent, is not answered', async () => {
    const stanza = await sent('hello');
    const before = (await outbox()).length;
    await ask(stanza, 1, world.contact('mallory'));
    await ask('f'.repeat(32), 1);
    await ask('no such form of id', 1);
    assert.equal((await outbox()).length, before);
  });

  it('after the time for which messages are kept is not answered', async () => {
    const stanza = await sent('hello');
    world.clock.advance(world.network.keepSentMs);
    await ask(stanza, 1);
    assert.deepEqual(await copies(stanza), []);
    const codes = await world.tx(async (tx) => await tx('network_inbox').pluck('error_code'));
    assert.deepEqual(codes, ['bridge/retryNotKept']);
  });

  it('is answered after a restart, and waits while the contact’s keys cannot be had', async () => {
    const stanza = await sent('hello');
    await world.stopCores();
    core = coreParts(world);
    await core.links.open(account.id);
    let failures = 0;
    world.gatekeeper.fail = (step) =>
      step === 'bundles' && failures++ < 3 ? networkErrors.unreachable() : undefined;
    await ask(stanza, 1);
    assert.equal(failures, 4);
    assert.equal((await copies(stanza)).length, 1);
  });
});
