/** A contact's message that cannot be decrypted: asked for five times, shown as missing, and replaced when it comes. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { NetworkLane } from '../../../src/bridge/network-lane.ts';
import type { RoomId } from '../../../src/model/ids.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { BridgeWorld } from './world/bridge-world.ts';
import type { Contact } from './world/contact.ts';
import { type CoreParts, coreParts } from './world/core-parts.ts';

describe('a message that cannot be decrypted', () => {
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
    await start();
  });
  afterEach(async () => await world.close());

  const start = async () => {
    await world.stopCores();
    core = coreParts(world);
    await core.links.open(account.id);
    await core.begin();
  };
  const jid = () => account.enlistment?.jid ?? contact.jid;
  const arrive = async (xml: string) => {
    await world.gatekeeper.links.get(account.id)?.arrive(contact.jid, xml);
    await world.exhaust(
      () => core,
      async ({ networkLane }) => await networkLane.step(NetworkLane.nameOf(account.id, contact.jid)),
    );
  };
  const breaking = (xml: string) =>
    xml.replace(/(<enc[^>]*>)[^<]{40}/, (_all, tag: string) => `${tag}${'A'.repeat(40)}`);
  /** The `count`th copy of a message, whole or broken; 0 is the first. */
  const copy = async (id: string, count: number, isWhole = false) => {
    const whole = (await contact.write(jid(), 'lost', id)).replace(
      ` id="${id}"`,
      count === 0 ? ` id="${id}"` : ` id="${id}.${count}"`,
    );
    await arrive(isWhole ? whole : breaking(whole));
  };
  const requests = async () => {
    const rows = await world.tx(async (tx) => await world.storage.outbox.listUnnumbered(tx, account, 100));
    return rows.flatMap(({ xml }) => {
      const count = /<retry[^>]* count="(\d)"/.exec(xml)?.[1];
      return count === undefined ? [] : [`${count}${xml.includes('<device') ? ' with keys' : ''}`];
    });
  };
  const shown = () =>
    world.homeserver.said
      .filter(({ as }) => as === world.parts.matrix.ghostUserId(account.network, contact.jid))
      .map(({ content }) => content);
  const newId = () => randomBytes(16).toString('hex');

  it('is asked for again at most five times, from the second on with our keys; then its place says that it is final', async () => {
    const id = newId();
    for (let count = 0; count <= 6; count += 1) await copy(id, count);
    assert.deepEqual(await requests(), ['1', '2 with keys', '3 with keys', '4 with keys', '5 with keys']);
    const [placeholder, final, ...more] = shown();
    assert.deepEqual(more, []);
    assert.match(String(placeholder?.body), /has been asked for again/);
    assert.match(
      String((final?.['m.new_content'] as { body?: string })?.body),
      /asking for it again did not help/,
    );
  });

  it('takes its place however late the copy comes, after the final word and a restart, too', async () => {
    const id = newId();
    for (let count = 0; count <= 5; count += 1) await copy(id, count);
    await start();
    await copy(id, 6, true);
    const last = shown().at(-1);
    assert.equal((last?.['m.relates_to'] as { rel_type?: string })?.rel_type, 'm.replace');
    assert.equal((last?.['m.new_content'] as { body?: string })?.body, 'lost');
    assert.equal(await world.tx(async (tx) => (await tx('missing_messages')).length), 0);
  });

  it('is counted on its own, beside others', async () => {
    const [one, other] = [newId(), newId()];
    await copy(one, 0);
    await copy(other, 0);
    await copy(one, 1);
    assert.deepEqual(await requests(), ['1', '1', '2 with keys']);
    assert.equal(shown().length, 2);
    assert.ok(room !== undefined);
  });

  it('that comes again as the same stanza is not asked for twice', async () => {
    const id = newId();
    const broken = breaking(await contact.write(jid(), 'lost', id));
    await arrive(broken);
    await arrive(broken);
    assert.deepEqual(await requests(), ['1']);
  });
});
