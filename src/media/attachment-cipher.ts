/**
 * Signal's attachments (docs/interop-profile.md §7), as streams. On the wire:
 *
 *   IV (16 bytes) | AES-256-CBC with PKCS#7 of (plaintext | zeros up to the bucket) | HMAC-SHA256 over both (32 bytes)
 *
 * The key is 64 bytes: 32 of AES, 32 of HMAC. The digest is SHA-256 over all of it and travels with the key.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { mediaErrors } from './errors.ts';

/** Bytes as they come, in pieces of any size. */
export type ByteSource = AsyncIterable<Uint8Array>;

export const ATTACHMENT_KEY_BYTES = 64;
export const IV_BYTES = 16;
export const MAC_BYTES = 32;
const BLOCK_BYTES = 16;
const DIGEST_BYTES = 32;
/** Signal's smallest bucket: its clients pad the empty file to this. */
const LEAST_PADDED_BYTES = 541;
const ZEROS = Buffer.alloc(64 * 1024);

/** @returns how long a plaintext of `bytes` is after padding: the next power of 1.05, so that its size tells little. */
export function paddedBytes(bytes: number): number {
  const power = Math.ceil(Math.log(Math.max(bytes, 1)) / Math.log(1.05));
  // The logarithm may be off by the last bit: never shorter than what is to be padded.
  return Math.max(LEAST_PADDED_BYTES, bytes, Math.floor(1.05 ** power));
}

/** @returns the length of IV, ciphertext and MAC for a plaintext of `bytes`. */
export function attachmentBytes(bytes: number): number {
  const blocks = Math.floor(paddedBytes(bytes) / BLOCK_BYTES) + 1;
  return IV_BYTES + blocks * BLOCK_BYTES + MAC_BYTES;
}

/** What is known of an attachment when it is complete. `digest`: 32 bytes. `sizeBytes`: of the plaintext. */
export type AttachmentFacts = Readonly<{ digest: Buffer; sizeBytes: number }>;

/** Encrypts one file. */
export class AttachmentEncryptor {
  readonly #key: Uint8Array;
  readonly #iv: Uint8Array;
  #facts: AttachmentFacts | undefined;

  /** @param file `key`: 64 random bytes, for this file only; the caller wipes them. `iv`: 16 random bytes. */
  constructor(file: { key: Uint8Array; iv: Uint8Array }) {
    this.#key = file.key;
    this.#iv = file.iv;
  }

  /** @returns the attachment, while the plaintext comes. To be called once. */
  async *encrypt(plaintext: ByteSource): AsyncGenerator<Buffer> {
    const cipher = createCipheriv('aes-256-cbc', this.#key.subarray(0, 32), this.#iv);
    const mac = createHmac('sha256', this.#key.subarray(32));
    const hash = createHash('sha256');
    const sign = (piece: Buffer): Buffer => {
      mac.update(piece);
      hash.update(piece);
      return piece;
    };
    yield sign(Buffer.from(this.#iv));
    let sizeBytes = 0;
    for await (const piece of plaintext) {
      sizeBytes += piece.length;
      yield sign(cipher.update(piece));
    }
    for (let left = paddedBytes(sizeBytes) - sizeBytes; left > 0; left -= ZEROS.length) {
      yield sign(cipher.update(ZEROS.subarray(0, left)));
    }
    yield sign(cipher.final());
    const tag = mac.digest();
    hash.update(tag);
    yield tag;
    this.#facts = { digest: hash.digest(), sizeBytes };
  }

  /** @throws RangeError while `encrypt` has not ended. */
  get facts(): AttachmentFacts {
    if (this.#facts === undefined) throw new RangeError('the attachment is not complete');
    return this.#facts;
  }
}

/** Where a verified attachment lies. `read` gives the bytes from `start` up to and without `end`. */
export type StoredBytes = Readonly<{
  sizeBytes: number;
  read: (start: number, end: number) => ByteSource;
}>;

/**
 * Passes an attachment through while it checks it: whoever consumes must not believe a byte before the end is reached.
 * @param file `key` and `digest` as the sender told them.
 * @throws BridgeError `media/malformed`: key or digest have a wrong length; `media/damaged`: digest or MAC are wrong.
 */
export async function* verifyAttachment(
  attachment: ByteSource,
  file: { key: Uint8Array; digest: Uint8Array },
): AsyncGenerator<Uint8Array> {
  if (file.key.length !== ATTACHMENT_KEY_BYTES || file.digest.length !== DIGEST_BYTES) {
    throw mediaErrors.malformed({ why: 'key or digest' });
  }
  const hash = createHash('sha256');
  const mac = createHmac('sha256', file.key.subarray(32));
  // The last 32 bytes are the MAC and not under it; which ones they are shows only at the end.
  let tail: Buffer = Buffer.alloc(0);
  for await (const piece of attachment) {
    hash.update(piece);
    if (piece.length >= MAC_BYTES) {
      mac.update(tail).update(piece.subarray(0, piece.length - MAC_BYTES));
      tail = Buffer.from(piece.subarray(piece.length - MAC_BYTES));
    } else {
      const joined = Buffer.concat([tail, piece]);
      const covered = Math.max(0, joined.length - MAC_BYTES);
      mac.update(joined.subarray(0, covered));
      tail = joined.subarray(covered);
    }
    yield piece;
  }
  if (!timingSafeEqual(hash.digest(), file.digest)) throw mediaErrors.damaged({ why: 'digest' });
  if (tail.length !== MAC_BYTES || !timingSafeEqual(mac.digest(), tail))
    throw mediaErrors.damaged({ why: 'mac' });
}

/**
 * Decrypts an attachment that `verifyAttachment` has let pass.
 * @param file `sizeBytes`: of the plaintext, as the sender told; what follows is padding.
 * @throws BridgeError `media/damaged` when the plaintext is shorter than that, or the padding is no padding.
 */
export async function* decryptAttachment(
  verified: StoredBytes,
  file: { key: Uint8Array; sizeBytes: number },
): AsyncGenerator<Buffer> {
  // Who knows the key can put a right MAC behind nothing.
  if (verified.sizeBytes < IV_BYTES + BLOCK_BYTES + MAC_BYTES) throw mediaErrors.damaged({ why: 'size' });
  let iv = Buffer.alloc(0);
  for await (const piece of verified.read(0, IV_BYTES)) iv = Buffer.concat([iv, piece]);
  const decipher = createDecipheriv('aes-256-cbc', file.key.subarray(0, 32), iv);
  let left = file.sizeBytes;
  const take = (piece: Buffer): Buffer => {
    const own = piece.subarray(0, left);
    left -= own.length;
    return own;
  };
  for await (const piece of verified.read(IV_BYTES, verified.sizeBytes - MAC_BYTES)) {
    const own = take(decipher.update(piece));
    if (own.length > 0) yield own;
  }
  let last: Buffer;
  try {
    last = decipher.final();
  } catch (cause) {
    throw mediaErrors.damaged({ why: 'padding' }, cause);
  }
  const own = take(last);
  if (own.length > 0) yield own;
  if (left > 0) throw mediaErrors.damaged({ why: 'size', missingBytes: left });
}
