/** What a message costs the database, counted: docs/delivery.md, "What a message costs", says the same. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { NetworkLane } from '../../../src/bridge/network-lane.ts';
import type { Tx } from '../../../src/storage/storage.ts';
import { BridgeWorld } from './world/bridge-world.ts';
import { coreParts } from './world/core-parts.ts';

type Cost = { transactions: number; writes: number };

/** Counts the transactions that write, and their writing statements, while `work` runs. */
async function costOf(world: BridgeWorld, work: () => Promise<void>): Promise<Cost> {
  const { database } = world.parts.storage;
  const real = database.transaction.bind(database);
  const cost: Cost = { transactions: 0, writes: 0 };
  database.transaction = async <T>(step: (tx: Tx) => Promise<T>): Promise<T> => {
    let writes = 0;
    const result = await real(async (tx) => {
      tx.on('query', ({ sql }: { sql: string }) => {
        if (/^\s*(insert|update|delete)/i.test(sql)) writes += 1;
      });
      return await step(tx);
    });
    if (writes > 0) cost.transactions += 1;
    cost.writes += writes;
    return result;
  };
  try {
    await work();
  } finally {
    database.transaction = real;
  }
  return cost;
}

it('a message costs as many transactions and writes as docs/delivery.md says', async () => {
  const world = await BridgeWorld.create({ statusEvents: true });
  const account = await world.enlisted();
  const contact = world.contact('bob');
  const room = await world.portal(account, contact.jid);
  const core = coreParts(world);
  const nothing = () => undefined;
  core.links.listen({
    stored: nothing,
    typing: nothing,
    refused: nothing,
    online: nothing,
    status: nothing,
    offline: nothing,
    rejected: async () => undefined,
    sent: (rooms) => {
      for (const of of rooms) core.fates.wake(of);
    },
    givenUp: nothing,
  });
  await core.links.open(account.id);
  await core.begin();
  const link = world.gatekeeper.links.get(account.id);
  const jid = account.enlistment?.jid;
  assert.ok(link !== undefined && jid !== undefined);
  const outbound = async (text: string) => {
    await world.push(world.event(room, text));
    while ((await core.matrixLane.step(room)) === 'more');
    await link.carry();
    await world.allTold();
  };
  const inbound = async (text: string) => {
    await link.arrive(contact.jid, await contact.write(jid, text));
    const lane = NetworkLane.nameOf(account.id, contact.jid);
    while ((await core.networkLane.step(lane)) === 'more');
    await link.carry();
  };
  // The first ones begin the session and tell the contact where the encryption ends.
  await outbound('first');
  await inbound('first');
  const cost = {
    outbound: await costOf(world, async () => await outbound('hello')),
    inbound: await costOf(world, async () => await inbound('hello')),
  };
  await world.close();
  const page = readFileSync(path.join(import.meta.dirname, '../../../docs/delivery.md'), 'utf8');
  for (const [way, words] of [
    ['outbound', 'Matrix to network, until the network’s server has it and the sender is told'],
    ['inbound', 'network to Matrix, until the contact’s receipt is on its way'],
  ] as const) {
    const { transactions, writes } = cost[way];
    assert.ok(
      page.includes(`| ${words} | ${transactions} | ${writes} |`),
      `${way}: ${JSON.stringify(cost[way])}`,
    );
  }
});
