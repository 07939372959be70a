/**
 * Encrypted files of Matrix (Matrix specification, "Sending encrypted attachments"), as streams: AES-256-CTR, SHA-256 of
 * the ciphertext, and key, counter and hash in the event (`EncryptedFile`, version v2).
 */
import { createCipheriv, createDecipheriv, createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { ByteSource } from './attachment-cipher.ts';
import { mediaErrors } from './errors.ts';

/** What opens an encrypted file. `key`: 32 bytes. `iv`: 16 bytes. `sha256`: of the ciphertext, 32 bytes. */
export type MatrixFileKey = Readonly<{ key: Buffer; iv: Buffer; sha256: Buffer }>;

/** `EncryptedFile` of the specification, for an event. */
export type EncryptedFile = Readonly<{
  v: 'v2';
  url: string;
  key: Readonly<{
    kty: 'oct';
    key_ops: readonly ['encrypt', 'decrypt'];
    alg: 'A256CTR';
    k: string;
    ext: true;
  }>;
  iv: string;
  hashes: Readonly<{ sha256: string }>;
}>;

const KEY_BYTES = 32;
const IV_BYTES = 16;
/** The upper half of the counter block is random; the lower counts blocks from 0 and cannot run over. */
const IV_RANDOM_BYTES = 8;

const encryptedFileSchema = z.object({
  v: z.literal('v2'),
  url: z.string().max(1_024),
  key: z.object({
    kty: z.literal('oct'),
    alg: z.literal('A256CTR'),
    key_ops: z
      .array(z.string())
      .max(16)
      .refine((ops) => ops.includes('decrypt')),
    k: bytes(KEY_BYTES),
  }),
  iv: bytes(IV_BYTES),
  hashes: z.object({ sha256: bytes(32) }),
});

/**
 * Reads an `EncryptedFile` that somebody sent.
 * @returns the `mxc:` URL as it stands there, unchecked, and what opens it.
 * @throws BridgeError `media/malformed`
 */
export function parseEncryptedFile(json: unknown): MatrixFileKey & Readonly<{ url: string }> {
  const parsed = encryptedFileSchema.safeParse(json);
  // zod's words may hold what the sender wrote.
  if (!parsed.success) throw mediaErrors.malformed({ why: 'encrypted file' });
  const { url, key, iv, hashes } = parsed.data;
  return { url, key: key.k, iv, sha256: hashes.sha256 };
}

/**
 * Decrypts while the ciphertext comes. The hash is known only at its end: the consumer keeps to itself what it has got
 * until then, and throws it away if this throws.
 * @throws BridgeError `media/damaged`
 */
export async function* decryptUnverified(
  ciphertext: ByteSource,
  file: MatrixFileKey,
): AsyncGenerator<Buffer> {
  const decipher = createDecipheriv('aes-256-ctr', file.key, file.iv);
  const hash = createHash('sha256');
  for await (const piece of ciphertext) {
    hash.update(piece);
    yield decipher.update(piece);
  }
  if (!timingSafeEqual(hash.digest(), file.sha256)) throw mediaErrors.damaged({ why: 'matrix hash' });
}

/** Encrypts one file for Matrix. The ciphertext has the length of the plaintext. */
export class MatrixFileEncryptor {
  readonly #key: Buffer;
  readonly #iv: Buffer;
  #sha256: Buffer | undefined;

  /** @param random gives secure bytes. */
  constructor(random: { bytes(length: number): Buffer }) {
    this.#key = random.bytes(KEY_BYTES);
    this.#iv = Buffer.concat([random.bytes(IV_RANDOM_BYTES), Buffer.alloc(IV_BYTES - IV_RANDOM_BYTES)]);
  }

  /** To be called once. */
  async *encrypt(plaintext: ByteSource): AsyncGenerator<Buffer> {
    const cipher = createCipheriv('aes-256-ctr', this.#key, this.#iv);
    const hash = createHash('sha256');
    for await (const piece of plaintext) {
      const own = cipher.update(piece);
      hash.update(own);
      yield own;
    }
    this.#sha256 = hash.digest();
  }

  /** @param url where the ciphertext was uploaded: `mxc:`. @throws RangeError while `encrypt` has not ended. */
  toEncryptedFile(url: string): EncryptedFile {
    if (this.#sha256 === undefined) throw new RangeError('the file is not complete');
    return {
      v: 'v2',
      url,
      key: {
        kty: 'oct',
        key_ops: ['encrypt', 'decrypt'],
        alg: 'A256CTR',
        k: this.#key.toString('base64url'),
        ext: true,
      },
      iv: unpadded(this.#iv),
      hashes: { sha256: unpadded(this.#sha256) },
    };
  }

  /** Overwrites the key. */
  wipe(): void {
    this.#key.fill(0);
  }
}

/** So many bytes in base64 or base64url, padded or not: clients differ. */
function bytes(length: number) {
  const digits = Math.ceil((length * 4) / 3);
  return z
    .string()
    .regex(new RegExp(`^[A-Za-z0-9+/_-]{${digits}}={0,2}$`))
    .transform((text) => Buffer.from(text, 'base64'));
}

function unpadded(data: Buffer): string {
  return data.toString('base64').replace(/=+$/, '');
}
