/** Hosted files in a bucket, on a server that checks signatures and permissions as Amazon's does. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { decryptAttachment, verifyAttachment } from '../../src/media/attachment-cipher.ts';
import type { S3Settings } from '../../src/media/media.ts';
import { DAY_MS, MediaWorld } from '../unit/media/media-world.ts';
import { collect, inPieces } from '../unit/media/pieces.ts';
import { newToolbox } from './bridge-world.ts';
import { type S3Server, startS3Server } from './s3-server.ts';

const FILE = randomBytes(700_000);

describe('hosted files in a bucket', () => {
  let folder: string;
  let server: S3Server;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-s3-'));
    server = await startS3Server({ toolbox: newToolbox(), dir: folder });
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });
  const worldWith = async (changes: Partial<S3Settings> = {}) =>
    await MediaWorld.start({ settings: { s3: { ...server.settings, ...changes } } });

  it('a file is put, read whole and in parts, and deleted when it has expired; none lies here', async () => {
    await using world = await worldWith({ prefix: 'files/of-ours/' });
    const { media } = world;
    const hosted = await world.host(FILE);
    const id = hosted.url.slice(hosted.url.lastIndexOf('/') + 1);
    assert.deepEqual(await world.files(), { hosted: [], spool: [] });
    const served = await media.findServed(id);
    assert.ok(served);
    const read = async (start: number, end: number) =>
      await collect((await media.readServed(served, { start, end })) as AsyncIterable<Buffer>);
    const whole = await read(0, served.sizeBytes);
    await collect(verifyAttachment(inPieces(whole), hosted));
    const stored = {
      sizeBytes: whole.length,
      read: (a: number, b: number) => inPieces(whole.subarray(a, b)),
    };
    assert.deepEqual(await collect(decryptAttachment(stored, hosted)), FILE);
    assert.deepEqual(await read(5, 400_000), whole.subarray(5, 400_000));
    assert.deepEqual(await read(whole.length - 1, whole.length), whole.subarray(-1));
    world.clock.advance(30 * DAY_MS);
    await media.tidy();
    assert.deepEqual(await world.rows(), []);
    await assert.rejects(read(0, 5), { code: 'media/gone' });
  });

  it('credentials that are not known, and a bucket that is not there, end the start', async () => {
    await assert.rejects(worldWith({ secretAccessKey: 'x'.repeat(40) }), { code: 'media/refused' });
    await assert.rejects(worldWith({ accessKeyId: 'AKIANOTTHERE00000000' }), { code: 'media/refused' });
    await assert.rejects(worldWith({ bucket: 'not-there' }), { code: 'media/refused' });
  });

  it('a server that is away for a while does not end the start; what is hosted meanwhile is tried again', async () => {
    await using world = await worldWith({ endpoint: 'http://127.0.0.1:9' });
    assert.ok(
      world.log.entries.some(({ message }) => message === 'where hosted files lie cannot be reached'),
    );
    await assert.rejects(world.host(FILE), { code: 'media/unavailable' });
    assert.deepEqual(
      (await world.rows()).map(({ state }) => state),
      ['leaving'],
    );
    assert.deepEqual(await world.files(), { hosted: [], spool: [] });
  });
});
