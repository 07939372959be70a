/** The rules of the table of hosted files, on every database. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemRandom } from '../../src/ambient/random.ts';
import { matrixUserId, networkId } from '../../src/model/ids.ts';
import { type Account, openStorage, type Storage } from '../../src/storage/storage.ts';
import { heldClock } from '../doubles/held-clock.ts';
import type { TestDatabase } from './storage.ts';

const NETWORK = networkId('gk');
const USER = matrixUserId('@ada:example.org');

export function hostedMediaSuite(name: string, create: () => Promise<TestDatabase>): void {
  describe(`hosted files on ${name}`, () => {
    let database: TestDatabase;
    let storage: Storage;
    let clock: ReturnType<typeof heldClock>;

    beforeEach(async () => {
      clock = heldClock(1_000);
      database = await create();
      const masterKey = randomBytes(32);
      storage = await openStorage({ database: database.settings, masterKey, clock, random: systemRandom });
    });
    afterEach(async () => {
      assert.deepEqual(await storage.checkConsistency(), []);
      await storage.close();
      await database.drop();
    });

    const newAccount = async (): Promise<Account> =>
      await storage.database.transaction(async (tx) => await storage.accounts.insert(tx, NETWORK, USER));
    const facts = { key: Buffer.alloc(64, 1), digest: Buffer.alloc(32, 2), sizeBytes: 5 };
    const medium = (id: string, reference: string) => ({
      id,
      reference,
      storedBytes: 600,
      expiresAtMs: clock.nowMs() + 1_000,
      facts,
    });
    const hosted = async (account: Account, id: string, reference: string) =>
      await storage.database.transaction(async (tx) => {
        await storage.hostedMedia.insert(tx, account, medium(id, reference));
        await storage.hostedMedia.markHosted(tx, id);
      });
    const look = async (account: Account, id: string, reference: string) =>
      await storage.database.transaction(async (tx) => ({
        facts: await storage.hostedMedia.findFacts(tx, account, reference),
        isServed: (await storage.hostedMedia.findServed(tx, id)) !== undefined,
        leaving: await storage.hostedMedia.listLeaving(tx, 10),
      }));

    it('one that is being written is neither named nor served; once hosted, it is both', async () => {
      const account = await newAccount();
      await storage.database.transaction(
        async (tx) => await storage.hostedMedia.insert(tx, account, medium('a', '$e 0')),
      );
      assert.deepEqual(await look(account, 'a', '$e 0'), { facts: undefined, isServed: false, leaving: [] });
      await storage.database.transaction(async (tx) => await storage.hostedMedia.markHosted(tx, 'a'));
      assert.deepEqual(await look(account, 'a', '$e 0'), {
        facts: { id: 'a', facts },
        isServed: true,
        leaving: [],
      });
      const found = await storage.database.transaction(
        async (tx) => await storage.hostedMedia.findServed(tx, 'a'),
      );
      assert.deepEqual(found, {
        id: 'a',
        account: account.id,
        network: NETWORK,
        storedBytes: 600,
        expiresAtMs: 2_000,
      });
    });

    it('what was forgotten is served still, but its key is gone', async () => {
      const account = await newAccount();
      await hosted(account, 'a', '$e 0');
      await storage.database.transaction(
        async (tx) => await storage.hostedMedia.forgetFacts(tx, account.id, '$e 0'),
      );
      assert.deepEqual(await look(account, 'a', '$e 0'), { facts: undefined, isServed: true, leaving: [] });
    });

    it('one that expires or is left is served no more, makes room for its reference, and waits to be deleted', async () => {
      const account = await newAccount();
      await hosted(account, 'a', '$e 0');
      await hosted(account, 'b', '$e 1');
      await storage.database.transaction(
        async (tx) => await storage.hostedMedia.leave(tx, account.id, '$e 0'),
      );
      assert.deepEqual(await look(account, 'a', '$e 0'), {
        facts: undefined,
        isServed: false,
        leaving: ['a'],
      });
      await hosted(account, 'c', '$e 0');
      clock.advance(1_000);
      assert.deepEqual(await look(account, 'b', '$e 1'), {
        facts: undefined,
        isServed: false,
        leaving: ['a'],
      });
      await storage.database.transaction(async (tx) => await storage.hostedMedia.leaveExpired(tx));
      assert.deepEqual((await look(account, 'b', '$e 1')).leaving, ['a', 'b', 'c']);
      await storage.database.transaction(async (tx) => {
        assert.deepEqual(await storage.hostedMedia.listLeaving(tx, 1, 'a'), ['b']);
        assert.equal(await storage.hostedMedia.sumBytes(tx, account.id), 1_800);
        for (const id of ['a', 'b', 'c']) await storage.hostedMedia.delete(tx, id);
        assert.equal(await storage.hostedMedia.sumBytes(tx), 0);
      });
    });

    it('what a process was writing when it died leaves; what is served cannot be deleted', async () => {
      const account = await newAccount();
      await hosted(account, 'a', '$e 0');
      await storage.database.transaction(async (tx) => {
        await storage.hostedMedia.insert(tx, account, medium('b', '$e 1'));
        await storage.hostedMedia.leaveUnfinished(tx);
        await storage.hostedMedia.delete(tx, 'a');
        assert.deepEqual(await storage.hostedMedia.listLeaving(tx, 10), ['b']);
        await assert.rejects(storage.hostedMedia.markHosted(tx, 'b'), { code: 'storage/rowMissing' });
      });
      assert.equal((await look(account, 'a', '$e 0')).isServed, true);
    });

    it('an account that goes takes its files with it', async () => {
      const account = await newAccount();
      await hosted(account, 'a', '$e 0');
      await storage.database.transaction(async (tx) => {
        await storage.hostedMedia.leaveOfAccount(tx, account.id);
        await storage.accounts.delete(tx, account);
        assert.deepEqual(await storage.hostedMedia.listLeaving(tx, 10), ['a']);
      });
    });
  });
}
