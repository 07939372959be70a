import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { it } from 'node:test';
import { Database } from '../../../src/storage/database.ts';
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
hostedMediaSuite('SQLite', sqliteFile);

it('an SQLite file belongs to one process: a second opening is refused', async () => {
  const { settings, drop } = await sqliteFile();
  const first = await Database.open(settings);
  await first.migrate();
  await assert.rejects(Database.open(settings), { code: 'storage/inUse' });
  await first.close();
  await drop();
});

it('a database that cannot be reached is told as such', async () => {
  const nowhere = Database.open({
    type: 'sqlite',
    file: path.join(tmpdir(), 'no', 'such', 'folder', 'bridge.db'),
  });
  await assert.rejects(nowhere, { code: 'storage/unreachable' });
});
