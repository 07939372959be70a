/** The suites that the unit tests run on SQLite, on a real PostgreSQL: one cluster, a database for each test. */

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../src/ambient/clock.ts';
import { systemRandom } from '../../src/ambient/random.ts';
import { type Postgres, startPostgres } from '../../src/sandbox/postgres/postgres.ts';
import { Database } from '../../src/storage/database.ts';
import { Sealer } from '../../src/storage/sealer.ts';
import { failedMessagesSuite } from '../suites/failed-messages.ts';
import { hostedMediaSuite } from '../suites/hosted-media.ts';
import { issuerSuite } from '../suites/issuer.ts';
import { signalSuite } from '../suites/signal.ts';
import { storageSuite, type TestDatabase } from '../suites/storage.ts';
import { newToolbox } from './bridge-world.ts';

describe('on a real PostgreSQL', () => {
  let dir: string;
  let postgres: Postgres;
  let made = 0;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'drawbridge-suites-'));
    postgres = await startPostgres({ toolbox: newToolbox(), dir });
  });
  after(async () => {
    await postgres?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const create = async (): Promise<TestDatabase> => {
    made += 1;
    const url = await postgres.createDatabase(`suite_${made}`);
    // The cluster is deleted as a whole.
    return { settings: { type: 'postgres', url, maxConnections: 5 }, drop: async () => undefined };
  };

  it('a server that goes away costs the transactions of that time, and the process keeps its lock', async () => {
    const { settings } = await create();
    const database = await Database.open(settings);
    await database.lockForProcess();
    const answers = async () => await database.transaction(async (tx) => await tx.raw('select 1'));
    await answers();
    await postgres.kill();
    await assert.rejects(answers(), { code: 'storage/unreachable', retry: 'later' });
    await postgres.restart();
    await answers();
    const second = await Database.open(settings);
    await assert.rejects(second.lockForProcess(), { code: 'storage/inUse' });
    await second.close();
    await database.close();
  });

  it('a process that lost its lock to another does nothing more', async () => {
    const { settings } = await create();
    const first = await Database.open(settings);
    await first.lockForProcess();
    await postgres.restart();
    const second = await Database.open(settings);
    await second.lockForProcess();
    const work = first.transaction(async () => assert.fail('worked without the lock'));
    await assert.rejects(work, { code: 'storage/inUse' });
    await second.close();
    await first.transaction(async (tx) => await tx.raw('select 1'));
    await first.close();
  });

  storageSuite('PostgreSQL', create);
  failedMessagesSuite('PostgreSQL', create);
  hostedMediaSuite('PostgreSQL', create);
  signalSuite('PostgreSQL', create);
  issuerSuite('PostgreSQL', async () => {
    const { settings } = await create();
    const database = await Database.open(settings);
    await database.migrate();
    const sealer = new Sealer({ masterKey: Buffer.alloc(32, 1), random: systemRandom, clock: systemClock });
    await database.transaction(async (tx) => await sealer.prepare(tx));
    return { database, sealer, close: async () => await database.close() };
  });
});
