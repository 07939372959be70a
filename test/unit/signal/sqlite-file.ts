import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestDatabase } from '../../suites/storage.ts';

/** An empty SQLite database in a folder of its own. */
export async function sqliteFile(): Promise<TestDatabase> {
  const folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-signal-'));
  return {
    settings: { type: 'sqlite', file: path.join(folder, 'bridge.db') },
    drop: async () => await rm(folder, { recursive: true }),
  };
}
