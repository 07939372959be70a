import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, it } from 'node:test';
import { systemRandom } from '../../../src/ambient/random.ts';
import { contactId, deviceId, matrixUserId, networkId } from '../../../src/model/ids.ts';
import { type Account, openStorage, type Storage, type Tx } from '../../../src/storage/storage.ts';
import { heldClock } from '../../doubles/held-clock.ts';

const BOB = { contact: contactId('bob@gk.example'), device: deviceId(1) };
const CAROL = { contact: contactId('carol@gk.example'), device: deviceId(1) };
const RECORD = Buffer.from('a private record');

let folder: string;
let storage: Storage;
let clock: ReturnType<typeof heldClock>;
let account: Account;
const tx = async <T>(work: (tx: Tx) => Promise<T>): Promise<T> => await storage.database.transaction(work);

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-records-'));
  clock = heldClock(1_000);
  storage = await openStorage({
    database: { type: 'sqlite', file: path.join(folder, 'bridge.db') },
    masterKey: randomBytes(32),
    clock,
    random: systemRandom,
  });
  account = await tx(async (t) => {
    const made = await storage.accounts.insert(t, networkId('gk'), matrixUserId('@ada:example.org'));
    await storage.signalRecords.insertIdentity(t, made, { registrationId: 7, keyPair: RECORD });
    return made;
  });
});
afterEach(async () => {
  await storage.close();
  await rm(folder, { recursive: true });
});

it('the own identity comes back as it was stored; without one there is none', async () => {
  const { signalRecords } = storage;
  assert.deepEqual(await tx(async (t) => await signalRecords.findIdentity(t, account)), {
    registrationId: 7,
    keyPair: RECORD,
  });
  await tx(async (t) => await signalRecords.deleteOfAccount(t, account));
  assert.equal(await tx(async (t) => await signalRecords.findIdentity(t, account)), undefined);
});

it('ids are taken once each, from three counters', async () => {
  const take = async (counter: 'prekey' | 'kyber' | 'signed', count: number) =>
    await tx(async (t) => await storage.signalRecords.takeIds(t, account, counter, count));
  assert.deepEqual([await take('prekey', 20), await take('prekey', 5), await take('prekey', 1)], [1, 21, 26]);
  assert.deepEqual([await take('kyber', 2), await take('signed', 1)], [1, 1]);
  const stranger = { ...account, id: account.dataKey as unknown as typeof account.id };
  await assert.rejects(
    tx(async (t) => await storage.signalRecords.takeIds(t, stranger, 'prekey', 1)),
    { code: 'storage/rowMissing' },
  );
});

it('a prekey is found by kind and id, and gone when deleted', async () => {
  const { signalRecords } = storage;
  await tx(
    async (t) => await signalRecords.insertPrekeys(t, account, 'one-time', [{ id: 1, record: RECORD }]),
  );
  const find = async (kind: 'one-time' | 'kyber') =>
    await tx(async (t) => await signalRecords.findPrekey(t, account, kind, 1));
  assert.deepEqual(await find('one-time'), { id: 1, record: RECORD, createdAtMs: 1_000 });
  assert.equal(await find('kyber'), undefined);
  const remove = async () =>
    await tx(async (t) => await signalRecords.deletePrekey(t, account, 'one-time', 1));
  assert.deepEqual([await remove(), await remove()], [true, false]);
  assert.equal(await find('one-time'), undefined);
});

it('unconfirmed prekeys are listed oldest first, and not once they are confirmed', async () => {
  const { signalRecords } = storage;
  const made = [3, 1, 2].map((id) => ({ id, record: RECORD }));
  await tx(async (t) => await signalRecords.insertPrekeys(t, account, 'kyber', made));
  await tx(async (t) => await signalRecords.saveUploaded(t, account, 'kyber', [2, 99]));
  const unconfirmed = await tx(async (t) => await signalRecords.listUnconfirmedPrekeys(t, account, 'kyber'));
  assert.deepEqual(
    unconfirmed.map(({ id }) => id),
    [1, 3],
  );
  assert.deepEqual(await tx(async (t) => await signalRecords.listPrekeyCounts(t, account)), [
    { kind: 'kyber', held: 3, unconfirmed: 2, newestCreatedAtMs: 1_000 },
  ]);
});

it('only confirmed prekeys are dropped as too old, the oldest first', async () => {
  const { signalRecords } = storage;
  const made = [1, 2, 3, 4, 5].map((id) => ({ id, record: RECORD }));
  await tx(async (t) => await signalRecords.insertPrekeys(t, account, 'one-time', made));
  await tx(async (t) => await signalRecords.saveUploaded(t, account, 'one-time', [2, 3, 4, 5]));
  await tx(async (t) => await signalRecords.deleteOldestPrekeys(t, account, 'one-time', 2));
  const left = await tx(async (t) => await t('signal_prekeys').orderBy('key_id').pluck('key_id'));
  assert.deepEqual(left, [1, 4, 5]);
});

it('replaced keys go after their time, and the uses of a last-resort key with it', async () => {
  const { signalRecords } = storage;
  await tx(async (t) => {
    for (const id of [1, 2]) {
      await signalRecords.insertPrekeys(t, account, 'last-resort', [{ id, record: RECORD }]);
      await signalRecords.insertKyberUse(t, account, { kyberId: id, signedId: 1, baseKeySha256: 'aa' });
    }
    await signalRecords.saveReplaced(t, account, 'last-resort', 2);
  });
  const usesAfter = async (beforeMs: number) =>
    await tx(async (t) => {
      await signalRecords.deleteReplaced(t, account, beforeMs);
      return await t('signal_kyber_uses').pluck('kyber_id');
    });
  assert.deepEqual(await usesAfter(1_000), [1, 2]);
  assert.deepEqual(await usesAfter(1_001), [2]);
  assert.equal(
    (await tx(async (t) => await signalRecords.findNewestPrekey(t, account, 'last-resort')))?.id,
    2,
  );
});

it('a use of a last-resort key is noted once', async () => {
  const note = async (baseKeySha256: string) =>
    await tx(
      async (t) =>
        await storage.signalRecords.insertKyberUse(t, account, { kyberId: 1, signedId: 1, baseKeySha256 }),
    );
  assert.deepEqual([await note('aa'), await note('aa'), await note('bb')], [true, false, true]);
});

it('a session is replaced by a later one, each contact’s device having its own', async () => {
  const { signalRecords } = storage;
  await tx(async (t) => {
    await signalRecords.saveSession(t, account, BOB, Buffer.from('first'));
    await signalRecords.saveSession(t, account, CAROL, Buffer.from('other'));
    await signalRecords.saveSession(t, account, BOB, Buffer.from('second'));
    assert.deepEqual(await signalRecords.findSession(t, account, BOB), Buffer.from('second'));
    assert.deepEqual(await signalRecords.findSession(t, account, CAROL), Buffer.from('other'));
    assert.deepEqual(await signalRecords.listSessionDevices(t, account, BOB.contact), [BOB.device]);
    await signalRecords.deleteSession(t, account, BOB);
    assert.equal(await signalRecords.findSession(t, account, BOB), undefined);
    assert.deepEqual(await signalRecords.findSession(t, account, CAROL), Buffer.from('other'));
  });
});

it('a sealed record moved to another row does not open', async () => {
  const { signalRecords } = storage;
  await tx(async (t) => await signalRecords.saveSession(t, account, BOB, RECORD));
  await tx(async (t) => await t('signal_sessions').update({ contact_id: CAROL.contact }));
  await assert.rejects(
    tx(async (t) => await signalRecords.findSession(t, account, CAROL)),
    { code: 'storage/sealBroken' },
  );
});

it('a pending identity key stands beside the trusted one until it takes its place', async () => {
  const { signalRecords } = storage;
  const [old, changed] = [Buffer.alloc(33, 1), Buffer.alloc(33, 2)];
  const list = async () =>
    await tx(async (t) => await signalRecords.listRemoteIdentities(t, account, BOB.contact));
  await tx(async (t) => await signalRecords.insertRemoteIdentity(t, account, BOB, old));
  clock.advance(500);
  await tx(async (t) => await signalRecords.savePendingIdentity(t, account, BOB, changed));
  const seen = { device: BOB.device, firstSeenMs: 1_000, changedAtMs: 1_500 };
  assert.deepEqual(await list(), [{ ...seen, key: old, pendingKey: changed }]);
  await tx(async (t) => await signalRecords.saveRemoteIdentity(t, account, BOB, changed));
  assert.deepEqual(await list(), [{ ...seen, key: changed }]);
});
