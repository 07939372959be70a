import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  AttachmentEncryptor,
  attachmentBytes,
  decryptAttachment,
  paddedBytes,
  type StoredBytes,
  verifyAttachment,
} from '../../../src/media/attachment-cipher.ts';
import { collect, filesInPieces, inPieces, VECTOR_KEY, VECTOR_PLAINTEXT } from './pieces.ts';

const VECTOR = readFileSync(path.join(import.meta.dirname, '../../fixtures/media/signal-attachment.bin'));
const VECTOR_DIGEST = Buffer.from('ecdbe879493390bc67a9948e81da9dc168a9d2577ed790f6f38e44be3069166a', 'hex');
const VECTOR_IV = Buffer.from(Array.from({ length: 16 }, (_, i) => 100 + i));

const stored = (data: Uint8Array, cuts: readonly number[] = []): StoredBytes => ({
  sizeBytes: data.length,
  read: (start, end) => inPieces(data.subarray(start, end), cuts),
});

async function encrypt(file: Uint8Array, cuts: readonly number[] = []) {
  const key = randomBytes(64);
  const encryptor = new AttachmentEncryptor({ key, iv: randomBytes(16) });
  const attachment = await collect(encryptor.encrypt(inPieces(file, cuts)));
  return { key, attachment, ...encryptor.facts };
}

async function verify(
  attachment: Uint8Array,
  file: { key: Uint8Array; digest: Uint8Array },
  cuts?: number[],
) {
  return await collect(verifyAttachment(inPieces(attachment, cuts), file));
}

describe('Signal’s attachment encryption', () => {
  it('makes the bytes that OpenSSL makes', async () => {
    const encryptor = new AttachmentEncryptor({ key: VECTOR_KEY, iv: VECTOR_IV });
    assert.deepEqual(await collect(encryptor.encrypt(inPieces(VECTOR_PLAINTEXT, [1, 333]))), VECTOR);
    assert.deepEqual(encryptor.facts, { digest: VECTOR_DIGEST, sizeBytes: 1_000 });
  });

  it('opens the bytes that OpenSSL made', async () => {
    assert.deepEqual(await verify(VECTOR, { key: VECTOR_KEY, digest: VECTOR_DIGEST }), VECTOR);
    const opened = decryptAttachment(stored(VECTOR), { key: VECTOR_KEY, sizeBytes: 1_000 });
    assert.deepEqual(await collect(opened), VECTOR_PLAINTEXT);
  });

  it('any file comes back as it was, however either side cuts it', async () => {
    const { file: files, cuts } = filesInPieces;
    await fc.assert(
      fc.asyncProperty(files, cuts, cuts, async (file, here, there) => {
        const { key, digest, attachment, sizeBytes } = await encrypt(file, here);
        assert.equal(sizeBytes, file.length);
        assert.equal(attachment.length, attachmentBytes(file.length));
        const passed = await verify(attachment, { key, digest }, there);
        const opened = await collect(decryptAttachment(stored(passed, there), { key, sizeBytes }));
        assert.deepEqual(opened, Buffer.from(file));
      }),
      { numRuns: 150 },
    );
  });

  it('a size is told only to the next power of 1.05, and never below 541 bytes', () => {
    assert.deepEqual(
      [0, 1, 541, 542, 1_000, 1_000_000].map(paddedBytes),
      [541, 541, 541, 568, 1_020, 1_041_743],
    );
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 31 - 1 }), (bytes) => {
        const padded = paddedBytes(bytes);
        assert.ok(padded >= bytes && (padded <= 541 || padded <= bytes * 1.05 + 1));
        assert.ok(paddedBytes(bytes + 1) >= padded);
      }),
    );
  });

  it('no changed, cut or lengthened attachment passes', async () => {
    const { key, digest, attachment } = await encrypt(randomBytes(700));
    await fc.assert(
      fc.asyncProperty(fc.nat(attachment.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const changed = Buffer.from(attachment);
        changed[at] = (changed[at] ?? 0) ^ flip;
        await assert.rejects(verify(changed, { key, digest }), { code: 'media/damaged' });
        await assert.rejects(verify(attachment.subarray(0, at), { key, digest }), { code: 'media/damaged' });
      }),
      { numRuns: 50 },
    );
    const longer = Buffer.concat([attachment, Buffer.of(0)]);
    await assert.rejects(verify(longer, { key, digest }), { code: 'media/damaged' });
  });

  it('a MAC that does not fit is refused even where the digest does', async () => {
    const { key, attachment } = await encrypt(randomBytes(700));
    attachment[attachment.length - 1] = (attachment.at(-1) ?? 0) ^ 1;
    const digest = createHash('sha256').update(attachment).digest();
    await assert.rejects(verify(attachment, { key, digest }), {
      code: 'media/damaged',
      facts: { why: 'mac' },
    });
    const short = attachment.subarray(0, 20);
    const shortDigest = createHash('sha256').update(short).digest();
    await assert.rejects(verify(short, { key, digest: shortDigest }), { code: 'media/damaged' });
  });

  it('a size that the attachment cannot have is refused', async () => {
    const { key, attachment } = await encrypt(randomBytes(700));
    const opened = decryptAttachment(stored(attachment), { key, sizeBytes: 5_000 });
    await assert.rejects(collect(opened), {
      code: 'media/damaged',
      facts: { why: 'size', missingBytes: 4_275 },
    });
  });

  it('an attachment of any length under a right MAC and digest is opened or refused, never more', async () => {
    const key = randomBytes(64);
    for (let length = 0; length < 80; length += 1) {
      const signed = randomBytes(length);
      const mac = createHmac('sha256', key.subarray(32)).update(signed).digest();
      const attachment = Buffer.concat([signed, mac]);
      const digest = createHash('sha256').update(attachment).digest();
      await verify(attachment, { key, digest });
      const opened = decryptAttachment(stored(attachment), { key, sizeBytes: 100 });
      await assert.rejects(collect(opened), { code: 'media/damaged' }, `${length}`);
    }
  });

  it('a key or a digest of another length is refused before a byte is read', async () => {
    for (const file of [
      { key: randomBytes(63), digest: randomBytes(32) },
      { key: randomBytes(64), digest: randomBytes(31) },
    ]) {
      await assert.rejects(verify(VECTOR, file), { code: 'media/malformed' });
    }
  });
});
