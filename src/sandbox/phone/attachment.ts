/** Encrypted files on the phone's side (docs/interop-profile.md, section 7), whole in memory. */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { phoneErrors } from './phone-errors.ts';

const MAC_BYTES = 32;
const IV_BYTES = 16;

export interface SealedFile {
  /** IV, ciphertext, MAC. */
  readonly bytes: Buffer<ArrayBuffer>;
  /** 64 bytes: for AES-256-CBC, then for HMAC-SHA256. */
  readonly key: Buffer;
  /** SHA-256 over `bytes`. */
  readonly digest: Buffer;
}

export function sealFile(plain: Uint8Array): SealedFile {
  const key = randomBytes(64);
  const iv = randomBytes(IV_BYTES);
  const padded = Buffer.alloc(bucketOf(plain.length));
  padded.set(plain);
  const cipher = createCipheriv('aes-256-cbc', key.subarray(0, 32), iv);
  const body = Buffer.concat([iv, cipher.update(padded), cipher.final()]);
  const mac = createHmac('sha256', key.subarray(32)).update(body).digest();
  const bytes = Buffer.concat([body, mac]);
  return { bytes, key, digest: createHash('sha256').update(bytes).digest() };
}

/** @param size of the plaintext. @throws BridgeError `sandbox-phone/badFile`: it is not what its sender described. */
export function openFile(
  bytes: Buffer,
  file: { readonly key: Uint8Array; readonly digest: Uint8Array; readonly size: number },
): Buffer {
  const digest = createHash('sha256').update(bytes).digest();
  if (!timingSafeEqual(digest, file.digest)) throw phoneErrors.badFile({ why: 'digest' });
  const body = bytes.subarray(0, -MAC_BYTES);
  const mac = createHmac('sha256', file.key.slice(32)).update(body).digest();
  if (!timingSafeEqual(mac, bytes.subarray(-MAC_BYTES))) throw phoneErrors.badFile({ why: 'mac' });
  const decipher = createDecipheriv('aes-256-cbc', file.key.slice(0, 32), body.subarray(0, IV_BYTES));
  const padded = Buffer.concat([decipher.update(body.subarray(IV_BYTES)), decipher.final()]);
  const padding = padded.subarray(file.size);
  if (padded.length < file.size || padding.some((byte) => byte !== 0))
    throw phoneErrors.badFile({ why: 'padding' });
  return padded.subarray(0, file.size);
}

/** The next power of 1.05, and at least 541. */
function bucketOf(size: number): number {
  const power = Math.max(541, Math.floor(1.05 ** Math.ceil(Math.log(Math.max(1, size)) / Math.log(1.05))));
  return Math.max(power, size);
}
