import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { InboxBacklog } from '../../../src/bridge/inbox-backlog.ts';
import { createLinkStore } from '../../../src/bridge/link-store.ts';
import { stanzaId } from '../../../src/model/ids.ts';
import { networkErrors } from '../../../src/network/errors.ts';
import type { LinkStore } from '../../../src/network/network.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { BridgeWorld } from './world/bridge-world.ts';

const SESSION = { smId: 'sm-1', boundJid: 'interop-1@gk.example/drawbridge' };

describe('the store of a link', () => {
  let world: BridgeWorld;
  let account: Account;
  let store: LinkStore;
  let backlog: InboxBacklog;
  const stored: (readonly string[])[] = [];
  const refused: string[] = [];
  const rejected: string[] = [];
  const sent: string[] = [];

  beforeEach(async () => {
    world = await BridgeWorld.create();
    account = await world.enlisted();
    for (const list of [rejected, stored, refused]) list.length = 0;
    backlog = new InboxBacklog({ limitsOf: () => world.network.inboxLimits, log: world.log });
    store = createLinkStore({
      storage: world.parts.storage,
      account,
      log: world.log,
      backlog,
      isOfUse: ({ xml }) => !xml.includes('useless'),
      onStored: (senders) => stored.push(senders),
      onRefused: (sender, episode) => void refused.push(`${sender} ${episode}`),
      onSent: (rooms) => void sent.push(...rooms),
      onRejected: async (rowId, { code }) => void rejected.push(`${rowId} ${code}`),
    });
  });
  afterEach(async () => await world.close());

  const queue = async (...ids: string[]) => {
    for (const id of ids) {
      const queued = { stanza: stanzaId(id), xml: `<message id="${id}"/>` };
      await world.tx(async (tx) => await world.storage.outbox.insert(tx, account, queued));
    }
  };
  const arrived = (
    id: string | undefined,
    xml = '<message xmlns="jabber:client" type="chat"/>',
    from = 'bob@gk.example/phone',
  ) => ({
    from,
    id,
    digest: createHash('sha256').update(xml).digest('hex'),
    archiveId: undefined,
    delayedAtMs: undefined,
    xml,
  });
  const waiting = async () =>
    await world.tx(
      async (tx) =>
        await tx('network_inbox').where({ state: 'waiting' }).orderBy('seq').select('lane', 'stanza_id'),
    );
  const xmls = (rows: readonly { xml: string }[]) => rows.map(({ xml }) => /id="(.*?)"/.exec(xml)?.[1]);

  it('knows no session before one began, nor one that cannot be resumed', async () => {
    assert.equal(await store.load(), undefined);
    await store.begin({ ...SESSION, smId: undefined });
    assert.equal(await store.load(), undefined);
  });

  it('gives back a session as it was left, with both counts', async () => {
    await queue('a', 'b');
    await store.begin(SESSION);
    await store.storeInbound([arrived('x'), arrived('y')], 2);
    const rows = await store.nextOutbound(10);
    await store.markSent(rows.map(({ rowId }, index) => ({ rowId, number: index + 1 })));
    const { smId, boundJid, handled, sent } = (await store.load()) ?? {};
    assert.deepEqual({ smId, boundJid, handled, sent }, { ...SESSION, handled: 2, sent: 2 });
  });

  it('what is counted is stored and what is stored is counted: a transaction that fails does neither', async () => {
    await store.begin(SESSION);
    await store.storeInbound([arrived('x')], 1);
    world.faults.plan(1, 'fails');
    await assert.rejects(store.storeInbound([arrived('y')], 2), /rolled back/);
    world.faults.revive();
    assert.equal((await store.load())?.handled, 1);
    assert.deepEqual(
      (await waiting()).map(({ stanza_id }) => stanza_id),
      ['x'],
    );
  });

  it('a stanza that comes again adds no row, and counts', async () => {
    await store.begin(SESSION);
    await store.storeInbound([arrived('x')], 1);
    await store.storeInbound([arrived('x'), arrived('y')], 3);
    assert.deepEqual(
      (await waiting()).map(({ stanza_id }) => stanza_id),
      ['x', 'y'],
    );
    assert.equal((await store.load())?.handled, 3);
  });

  it('stanzas without an id are all kept', async () => {
    await store.begin(SESSION);
    await store.storeInbound([arrived(undefined), arrived(undefined)], 2);
    assert.equal((await waiting()).length, 2);
  });

  it('a bounce does not pass for the message whose id it bears, nor the other way round', async () => {
    await store.begin(SESSION);
    const bounces = [
      '<message xmlns="jabber:client" type="error" id="x"/>',
      "<message id='x' type='error'><body/></message>",
      '<message\n type="error"/>',
    ];
    for (const [index, xml] of bounces.entries()) {
      await store.storeInbound([arrived(`x${index}`, xml), arrived(`x${index}`)], 2);
    }
    assert.equal((await waiting()).length, 6);
  });

  it('the lane of a stanza is the bare address it came from', async () => {
    await store.begin(SESSION);
    await store.storeInbound(
      [arrived('1'), arrived('2', undefined, 'eve@gk.example'), arrived('3', undefined, '')],
      3,
    );
    assert.deepEqual(
      (await waiting()).map(({ lane }) => lane),
      ['bob@gk.example', 'eve@gk.example', ''],
    );
  });

  it('what the bridge can do nothing with is counted and not stored (case 5.2)', async () => {
    await store.begin(SESSION);
    await store.storeInbound([arrived('1', '<message>useless</message>')], 1);
    assert.deepEqual(await waiting(), []);
    assert.equal((await store.load())?.handled, 1);
    assert.deepEqual(stored, []);
  });

  it('wakes the senders of what was added, once each, and nobody for a repeat', async () => {
    await store.begin(SESSION);
    const eve = 'eve@gk.example';
    await store.storeInbound([arrived('1'), arrived('2'), arrived('1', undefined, eve)], 3);
    await store.storeInbound([arrived('1'), arrived('3', undefined, eve)], 5);
    assert.deepEqual(stored, [['bob@gk.example', eve], [eve]]);
  });

  it('has no room while too much waits (case 5.3)', async () => {
    await store.begin(SESSION);
    const full = Array.from({ length: 50 }, (_, index) => arrived(`${index}`));
    await store.whenRoom(AbortSignal.abort());
    await store.storeInbound(full, 50);
    await assert.rejects(store.whenRoom(AbortSignal.abort()), { name: 'AbortError' });
  });

  it('passes over what a sender writes beyond their bound while the user has to decide, and says so (case 5.5)', async () => {
    await store.begin(SESSION);
    await store.storeInbound(
      Array.from({ length: 50 }, (_, index) => arrived(`${index}`)),
      50,
    );
    backlog.seen(account.id, 'bob@gk.example', { seq: 7, bytes: 1 }, true);
    await store.storeInbound([arrived('more'), arrived('1', undefined, 'eve@gk.example')], 52);
    assert.equal((await waiting()).length, 51);
    assert.equal((await store.load())?.handled, 52);
    assert.deepEqual(refused, ['bob@gk.example 7']);
  });

  it('rows go out in order, and the same ones again until they are numbered', async () => {
    await queue('a', 'b', 'c');
    assert.deepEqual(xmls(await store.nextOutbound(2)), ['a', 'b']);
    assert.deepEqual(xmls(await store.nextOutbound(2)), ['a', 'b']);
    await store.begin(SESSION);
    const rows = await store.nextOutbound(2);
    await store.markSent(rows.map(({ rowId }, index) => ({ rowId, number: index + 1 })));
    assert.deepEqual(xmls(await store.nextOutbound(2)), ['c']);
    assert.deepEqual(xmls(await store.listUnacked()), ['a', 'b']);
  });

  it('what is acknowledged is done and wiped; what is not goes again in a new session, in order', async () => {
    await queue('a', 'b', 'c');
    await store.begin(SESSION);
    const rows = await store.nextOutbound(3);
    await store.markSent(rows.map(({ rowId }, index) => ({ rowId, number: index + 1 })));
    await store.markAcked(1);
    assert.deepEqual(xmls(await store.listUnacked()), ['b', 'c']);
    await store.begin({ ...SESSION, smId: 'sm-2' });
    assert.deepEqual(xmls(await store.nextOutbound(9)), ['b', 'c']);
    assert.deepEqual(await store.listUnacked(), []);
    const { smId, handled, sent } = (await store.load()) ?? {};
    assert.deepEqual({ smId, handled, sent }, { smId: 'sm-2', handled: 0, sent: 0 });
  });

  it('an acknowledgement that comes twice changes nothing', async () => {
    await queue('a', 'b');
    await store.begin(SESSION);
    const rows = await store.nextOutbound(2);
    await store.markSent(rows.map(({ rowId }, index) => ({ rowId, number: index + 1 })));
    await store.markAcked(1);
    await store.markAcked(1);
    assert.deepEqual(xmls(await store.listUnacked()), ['b']);
  });

  it('marking nothing as sent touches nothing', async () => {
    await store.begin(SESSION);
    await store.markSent([]);
    assert.equal((await store.load())?.sent, 0);
  });

  it('a row that can never be sent is handed to whoever tells its sender', async () => {
    await queue('a');
    const [row] = await store.nextOutbound(1);
    assert.ok(row !== undefined);
    await store.reject(row.rowId, networkErrors.tooLarge());
    assert.deepEqual(rejected, [`${row.rowId} network/tooLarge`]);
  });
});
