import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import {
  attachmentBytes,
  decryptAttachment,
  verifyAttachment,
} from '../../../src/media/attachment-cipher.ts';
import type { HostedFile } from '../../../src/media/media.ts';
import { DAY_MS, MediaWorld, NETWORK } from './media-world.ts';
import { collect, inPieces } from './pieces.ts';

const FILE = randomBytes(100_000);
const idOf = ({ url }: HostedFile) => url.slice(url.lastIndexOf('/') + 1);

/** As a contact's phone opens it. */
async function opened(world: MediaWorld, hosted: HostedFile): Promise<Buffer> {
  const file = await world.media.findServed(idOf(hosted));
  assert.ok(file !== undefined);
  const body = await world.media.readServed(file, { start: 0, end: file.sizeBytes });
  const attachment = await collect(verifyAttachment(body as AsyncIterable<Buffer>, hosted));
  const stored = {
    sizeBytes: attachment.length,
    read: (start: number, end: number) => inPieces(attachment.subarray(start, end)),
  };
  return await collect(decryptAttachment(stored, hosted));
}

describe('the media host', () => {
  it('what it hosts is opened by key and digest, and lies encrypted on the disk, under its id alone', async () => {
    await using world = await MediaWorld.start();
    const hosted = await world.host(FILE);
    assert.match(hosted.url, /^https:\/\/bridge\.example\/media\/[\w-]{43}$/);
    assert.deepEqual(await opened(world, hosted), FILE);
    const { hosted: files, spool } = await world.files();
    assert.deepEqual([files, spool], [[idOf(hosted)], []]);
    assert.deepEqual(await world.media.findServed(idOf(hosted)), {
      id: idOf(hosted),
      network: NETWORK,
      sizeBytes: attachmentBytes(FILE.length),
      expiresAtMs: 1_000 + 30 * DAY_MS,
    });
    assert.deepEqual(world.counted, [['hosted', attachmentBytes(FILE.length)]]);
  });

  it('a repeated step finds what the first one hosted; another reference is another file under another key', async () => {
    await using world = await MediaWorld.start();
    const first = await world.host(FILE);
    assert.deepEqual(await world.host(randomBytes(5)), first);
    await world.restart();
    assert.deepEqual(await world.host(randomBytes(5)), first);
    const other = await world.host(FILE, '$event 1');
    assert.notEqual(other.url, first.url);
    assert.ok(!other.key.equals(first.key));
  });

  it('what was acknowledged is served on, and hosted anew if it is asked for again', async () => {
    await using world = await MediaWorld.start();
    const first = await world.host(FILE);
    const { storage, account } = world;
    await storage.database.transaction(
      async (tx) => await storage.hostedMedia.forgetFacts(tx, account.id, '$event 0'),
    );
    assert.deepEqual(await opened(world, first), FILE);
    assert.notEqual((await world.host(FILE)).url, first.url);
    assert.equal(await world.media.findServed(idOf(first)), undefined);
  });

  it('a file expires, and then neither it nor its row is left', async () => {
    await using world = await MediaWorld.start();
    const hosted = await world.host(FILE);
    world.clock.advance(30 * DAY_MS - 1);
    assert.ok(await world.media.findServed(idOf(hosted)));
    world.clock.advance(1);
    assert.equal(await world.media.findServed(idOf(hosted)), undefined);
    await world.media.tidy();
    assert.deepEqual([await world.rows(), await world.files()], [[], { hosted: [], spool: [] }]);
  });

  it('a file of which more comes than is allowed, or was told, leaves nothing', async () => {
    await using world = await MediaWorld.start();
    await assert.rejects(world.host(randomBytes(1_000_001)), { code: 'media/tooLarge' });
    await assert.rejects(world.host(FILE, '$e', { maxBytes: 99_999 }), { code: 'media/tooLarge' });
    await assert.rejects(world.host(Buffer.alloc(0), '$e', { expectedBytes: 1_000_001 }), {
      code: 'media/tooLarge',
    });
    assert.deepEqual([await world.rows(), await world.files()], [[], { hosted: [], spool: [] }]);
    assert.deepEqual(world.counted.at(-1), ['hosted', 'media/tooLarge']);
  });

  it('a source that breaks off leaves nothing', async () => {
    await using world = await MediaWorld.start();
    const broken = world.media.host({
      account: world.account,
      reference: '$event 0',
      open: async () =>
        (async function* () {
          yield FILE;
          throw new Error('broke off');
        })(),
      signal: new AbortController().signal,
    });
    await assert.rejects(broken, /broke off/);
    assert.deepEqual([await world.rows(), await world.files()], [[], { hosted: [], spool: [] }]);
  });

  it('a quota is kept to, for an account and for all, and what has expired makes room', async () => {
    await using world = await MediaWorld.start({ settings: { accountQuotaBytes: 250_000 } });
    await world.host(FILE, '$event 0');
    await world.host(FILE, '$event 1');
    const third = async () => await world.host(FILE, '$event 2');
    await assert.rejects(third, { code: 'media/quotaReached', facts: { of: 'account' } });
    world.clock.advance(30 * DAY_MS);
    await world.media.tidy();
    await third();
    await using small = await MediaWorld.start({ settings: { totalQuotaBytes: 1_000 } });
    await assert.rejects(small.host(FILE), { code: 'media/quotaReached', facts: { of: 'all' } });
  });

  it('a process that died while it wrote leaves neither file nor row after the next start', async () => {
    await using world = await MediaWorld.start();
    const kept = await world.host(FILE, '$event 0');
    const { storage, account } = world;
    const facts = { key: Buffer.alloc(64), digest: Buffer.alloc(32), sizeBytes: 1 };
    // Between the row and the file, and between the file and the end.
    for (const [id, isThere] of [['before', false] as const, ['after', true] as const]) {
      await storage.database.transaction(async (tx) => {
        const medium = { id, reference: id, storedBytes: 5, expiresAtMs: 99 * DAY_MS, facts };
        await storage.hostedMedia.insert(tx, account, medium);
      });
      if (isThere) await writeFile(path.join(world.folder, 'hosted', id), 'bytes');
    }
    await writeFile(path.join(world.folder, 'spool', 'half'), 'bytes');
    await world.restart();
    await world.media.tidy();
    assert.deepEqual(await world.files(), { hosted: [idOf(kept)], spool: [] });
    assert.deepEqual(await world.rows(), [{ id: idOf(kept), state: 'hosted' }]);
    assert.deepEqual(await opened(world, kept), FILE);
  });

  it('a file that the store cannot take is an error, and nothing is served', async () => {
    await using world = await MediaWorld.start();
    await rm(path.join(world.folder, 'hosted'), { recursive: true });
    await assert.rejects(world.host(FILE), { code: 'media/unavailable' });
    assert.deepEqual(
      (await world.rows()).map(({ state }) => state),
      ['leaving'],
    );
    await world.restart();
    assert.ok(await world.host(FILE));
  });

  it('an account that leaves takes its files with it', async () => {
    await using world = await MediaWorld.start();
    const hosted = await world.host(FILE);
    const { storage, account } = world;
    await storage.database.transaction(async (tx) => {
      await storage.hostedMedia.leaveOfAccount(tx, account.id);
      await storage.accounts.delete(tx, account);
    });
    assert.equal(await world.media.findServed(idOf(hosted)), undefined);
    await world.media.tidy();
    assert.deepEqual(await world.files(), { hosted: [], spool: [] });
    assert.deepEqual(await storage.checkConsistency(), []);
  });

  it('an id that was not made here costs no look-up, one that was made here and is gone finds nothing', async () => {
    let lookups = 0;
    await using world = await MediaWorld.start();
    const hosted = await world.host(FILE);
    const { database } = world.storage;
    const counting = {
      transaction: async <T>(work: Parameters<typeof database.transaction<T>>[0]) => {
        lookups += 1;
        return await database.transaction(work);
      },
    };
    Object.defineProperty(world.storage, 'database', { value: { ...counting } });
    const id = idOf(hosted);
    const changed = `${id[0] === 'A' ? 'B' : 'A'}${id.slice(1)}`;
    // 43 characters hold two bits more than 32 bytes: another last character may mean the same bytes.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const respelt = `${id.slice(0, -1)}${alphabet[alphabet.indexOf(id.at(-1) ?? '') + 1]}`;
    assert.deepEqual(Buffer.from(respelt, 'base64url'), Buffer.from(id, 'base64url'));
    const madeUp = ['', 'x', `${id}x`, id.slice(1), changed, respelt, '../../../etc/passwd', 'é'];
    for (let index = 0; index < 10_000; index += 1) madeUp.push(randomBytes(32).toString('base64url'));
    for (const unknown of madeUp) assert.equal(await world.media.findServed(unknown), undefined);
    assert.equal(lookups, 0);
    assert.ok(await world.media.findServed(id));
    assert.equal(lookups, 1);
    Object.defineProperty(world.storage, 'database', { value: database });
  });
});
