/**
 * Ids of hosted files: 32 bytes in base64url, 16 random ones and 16 of an HMAC-SHA256 over them. Nobody else can tell one
 * from 32 random bytes or make one up, and one that is made up costs us a hash: no look-up, and no memory of who asked.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Random } from '../model/ambient.ts';

const HALF_BYTES = 16;

export class MediaIds {
  readonly #secret: Uint8Array;
  readonly #random: Random;

  /** @param deps `secret`: 32 bytes, the same as long as ids are to be known; may serve other purposes too. */
  constructor(deps: { secret: Uint8Array; random: Random }) {
    this.#secret = deps.secret;
    this.#random = deps.random;
  }

  create(): string {
    const half = this.#random.bytes(HALF_BYTES);
    return Buffer.concat([half, this.#tag(half)]).toString('base64url');
  }

  /** Whether it was made here, once. */
  isOurs(text: string): boolean {
    // 43 characters hold two bits more than 32 bytes: only one spelling of them counts.
    const bytes = /^[A-Za-z0-9_-]{43}$/.test(text) ? Buffer.from(text, 'base64url') : Buffer.alloc(0);
    if (bytes.length !== 2 * HALF_BYTES || bytes.toString('base64url') !== text) return false;
    return timingSafeEqual(this.#tag(bytes.subarray(0, HALF_BYTES)), bytes.subarray(HALF_BYTES));
  }

  #tag(half: Uint8Array): Buffer {
    return createHmac('sha256', this.#secret)
      .update('hosted media')
      .update(half)
      .digest()
      .subarray(0, HALF_BYTES);
  }
}
