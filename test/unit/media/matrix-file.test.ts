import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { systemRandom } from '../../../src/ambient/random.ts';
import {
  decryptUnverified,
  MatrixFileEncryptor,
  parseEncryptedFile,
} from '../../../src/media/matrix-file.ts';
import { collect, filesInPieces, inPieces, VECTOR_KEY, VECTOR_PLAINTEXT } from './pieces.ts';

const VECTOR = readFileSync(path.join(import.meta.dirname, '../../fixtures/media/matrix-file.bin'));
const VECTOR_FILE = {
  v: 'v2',
  url: 'mxc://m.example/abc',
  key: {
    kty: 'oct',
    key_ops: ['encrypt', 'decrypt'],
    alg: 'A256CTR',
    k: VECTOR_KEY.subarray(0, 32).toString('base64url'),
    ext: true,
  },
  iv: 'yMnKy8zNzs8AAAAAAAAAAA',
  hashes: { sha256: 'EtqIAnS+GsvZnPVU48nk9ThsPEcJPuRPC6ekJ2NtgDs' },
};
describe('encrypted files of Matrix', () => {
  it('the bytes that OpenSSL made are opened', async () => {
    const file = parseEncryptedFile(VECTOR_FILE);
    assert.equal(file.url, 'mxc://m.example/abc');
    assert.deepEqual(await collect(decryptUnverified(inPieces(VECTOR, [10, 500]), file)), VECTOR_PLAINTEXT);
  });

  it('any file comes back as it was, through the JSON of an event, however either side cuts it', async () => {
    const { file: files, cuts } = filesInPieces;
    await fc.assert(
      fc.asyncProperty(files, cuts, cuts, async (plaintext, here, there) => {
        const encryptor = new MatrixFileEncryptor(systemRandom);
        const ciphertext = await collect(encryptor.encrypt(inPieces(plaintext, here)));
        assert.equal(ciphertext.length, plaintext.length);
        const json = JSON.parse(JSON.stringify(encryptor.toEncryptedFile('mxc://m.example/1')));
        const opened = decryptUnverified(inPieces(ciphertext, there), parseEncryptedFile(json));
        assert.deepEqual(await collect(opened), Buffer.from(plaintext));
      }),
      { numRuns: 100 },
    );
  });

  it('the lower half of the counter begins at zero, so that it cannot run over', async () => {
    const encryptor = new MatrixFileEncryptor(systemRandom);
    await collect(encryptor.encrypt(inPieces(VECTOR_PLAINTEXT)));
    const { iv } = parseEncryptedFile(encryptor.toEncryptedFile('mxc://m.example/1'));
    assert.deepEqual(iv.subarray(8), Buffer.alloc(8));
  });

  it('a changed or cut file throws at its end', async () => {
    const file = parseEncryptedFile(VECTOR_FILE);
    const changed = Buffer.from(VECTOR);
    changed[500] = (changed[500] ?? 0) ^ 1;
    for (const wrong of [changed, VECTOR.subarray(0, 999), Buffer.alloc(0)]) {
      await assert.rejects(collect(decryptUnverified(inPieces(wrong), file)), { code: 'media/damaged' });
    }
  });

  it('base64 with and without padding, and base64url, are all read', () => {
    const [iv, sha256] = [`${VECTOR_FILE.iv}==`, VECTOR_FILE.hashes.sha256.replace('+', '-')];
    const padded = parseEncryptedFile({ ...VECTOR_FILE, iv, hashes: { sha256 } });
    assert.deepEqual(padded, parseEncryptedFile(VECTOR_FILE));
  });

  it('what is no EncryptedFile of version v2 is refused, and its words are not told', () => {
    const { key } = VECTOR_FILE;
    const wrong = [
      null,
      'secret-words',
      { ...VECTOR_FILE, v: 'v1' },
      { ...VECTOR_FILE, url: 1 },
      { ...VECTOR_FILE, iv: 'AAAA' },
      { ...VECTOR_FILE, iv: `${VECTOR_FILE.iv}A` },
      { ...VECTOR_FILE, hashes: {} },
      { ...VECTOR_FILE, key: { ...key, alg: 'A128CTR' } },
      { ...VECTOR_FILE, key: { ...key, kty: 'secret-words' } },
      { ...VECTOR_FILE, key: { ...key, key_ops: ['encrypt'] } },
      { ...VECTOR_FILE, key: { ...key, k: key.k.slice(1) } },
    ];
    for (const json of wrong) {
      assert.throws(
        () => parseEncryptedFile(json),
        (failure: Error & { code?: string }) =>
          failure.code === 'media/malformed' && !failure.message.includes('secret-words'),
      );
    }
  });

  it('the key can be overwritten', async () => {
    const key = Buffer.alloc(32, 7);
    const encryptor = new MatrixFileEncryptor({
      bytes: (length) => (length === 32 ? key : Buffer.alloc(length)),
    });
    encryptor.wipe();
    assert.deepEqual(key, Buffer.alloc(32));
  });
});
