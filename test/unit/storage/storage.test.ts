import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { it } from 'node:test';
import { Database } from '../../../src/storage/database.ts';
import { failedMessagesSuite } from '../../suites/failed-messages.ts';
import { hostedMediaSuite } from '../../suites/hosted-media.ts';
import { storageSuite } from '../../suites/storage.ts';

async function sqliteFile() {
  const folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-storage-'));
  return {
    settings: { type: 'sqlite', file: path.join(folder, 'bridge.db') } as const,
    drop: async () => await rm(folder, { recursive: true }),
  };
}

storageSuite('SQLite', sqliteFile);
failedMessagesSuite('SQLite', sqliteFile);
hostedMediaSuite('SQLite', sqliteFile);

it('an SQLite file belongs to one process: a second opening is refused', async () => {
  const { settings, drop } = await sqliteFile();
  const first = await Database.open(settings);
  await first.migrate();
  await assert.rejects(Database.open(settings), { code: 'storage/inUse' });
  await first.close();
  await drop();
});

it('a full disk is told as such, undoes the transaction whole, and is well again with room', async () => {
  const { settings, drop } = await sqliteFile();
  const database = await Database.open(settings);
  const fill = async (bytes: number) =>
    await database.transaction(async (tx) => {
      await tx.raw('insert into filling values (zeroblob(?))', [10]);
      await tx.raw('insert into filling values (zeroblob(?))', [bytes]);
    });
  const count = async () =>
    await database.transaction(async (tx) => (await tx.raw('select count(*) as n from filling'))[0].n);
  const allow = async (pages: number) =>
    await database.transaction(async (tx) => await tx.raw(`pragma max_page_count = ${pages}`));
  await database.transaction(async (tx) => await tx.raw('create table filling (bytes blob)'));
  await allow(10);
  await assert.rejects(fill(1_000_000), { code: 'storage/diskFull', retry: 'later' });
  assert.equal(await count(), 0);
  await allow(100_000);
  await fill(1_000_000);
  assert.equal(await count(), 2);
  await database.close();
  await drop();
});

it('a database that cannot be reached is told as such', async () => {
  const nowhere = Database.open({
    type: 'sqlite',
    file: path.join(tmpdir(), 'no', 'such', 'folder', 'bridge.db'),
  });
  await assert.rejects(nowhere, { code: 'storage/unreachable' });
});
