/** The table's own rules are in the issuer's suite, which runs on both databases; here is what needs no issuer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../../src/ambient/clock.ts';
import { systemRandom } from '../../../src/ambient/random.ts';
import { hasCode } from '../../../src/model/errors.ts';
import { Database } from '../../../src/storage/database.ts';
import { IssuerKeys } from '../../../src/storage/issuer-keys.ts';
import { Sealer } from '../../../src/storage/sealer.ts';

async function withTable(prepared: boolean, work: (database: Database, keys: IssuerKeys) => Promise<void>) {
  const database = await Database.open({ type: 'sqlite', file: ':memory:' });
  try {
    await database.migrate();
    const sealer = new Sealer({ masterKey: Buffer.alloc(32, 1), random: systemRandom, clock: systemClock });
    if (prepared) await database.transaction(async (tx) => await sealer.prepare(tx));
    await work(database, new IssuerKeys({ sealer }));
  } finally {
    await database.close();
  }
}

test('before the first start there are no keys', async () => {
  await withTable(true, async (database, keys) => {
    assert.deepEqual(await database.transaction(async (tx) => await keys.list(tx)), []);
  });
});

test('a database whose sealer was never prepared cannot be locked for a rotation', async () => {
  await withTable(false, async (database, keys) => {
    await assert.rejects(
      database.transaction(async (tx) => await keys.lock(tx)),
      (failure) => hasCode(failure, 'storage/rowMissing'),
    );
  });
});

test('a row of an algorithm that we do not sign with is refused', async () => {
  await withTable(true, async (database, keys) => {
    const record = {
      alg: 'ES256',
      publicJwk: '{}',
      createdAtMs: 1,
      signsFromMs: 1,
      signsUntilMs: undefined,
    } as const;
    await database.transaction(async (tx) => {
      await keys.insert(tx, { ...record, kid: 'a' }, Buffer.from('private'));
      await tx('issuer_keys').update({ alg: 'HS256' });
    });
    await assert.rejects(database.transaction(async (tx) => await keys.list(tx)));
  });
});
