/**
 * How large each part of a message may be. The schema sets no bounds; these are ours, and hold in both directions: what
 * we would refuse to read we do not write. Text is counted in UTF-16 units unless said.
 */
import { toUSVString } from 'node:util';
import { networkErrors } from '../errors.ts';

export const contentBounds = {
  /** Of the whole plaintext, padding included. In base64 it would fill a stanza. */
  plaintextBytes: 192 * 1024,
  body: 65_536,
  ranges: 1_000,
  /** A URL, a JID, or the name of a language. */
  rangeValue: 3_071,
  excerpt: 1_024,
  emoji: 64,
  name: 1_024,
  mime: 255,
  url: 2_048,
  blurhash: 128,
  waveformBytes: 1_024,
  inlineThumbnailBytes: 4_096,
  vcard: 65_536,
  noticeText: 16_384,
  /** The last millisecond that `Date` can name (ECMA-262 §21.4.1.1). */
  sentAtMs: 8.64e15,
} as const;

/** Bytes of a message id, of a media key, and of a SHA-256 digest. */
export const MESSAGE_ID_BYTES = 16;
export const MEDIA_KEY_BYTES = 64;
export const DIGEST_BYTES = 32;

/** @throws BridgeError `network/badContent`, naming the field only: its value is content. */
export function demand(holds: boolean, field: string): asserts holds {
  if (!holds) throw networkErrors.badContent({ field });
}

/**
 * @returns the text, well formed: a lone surrogate, which JSON can carry and UTF-8 cannot, becomes U+FFFD.
 * @throws BridgeError `network/badContent` when longer than `max`.
 */
export function boundedText(text: string, max: number, field: string): string {
  demand(text.length <= max, field);
  return toUSVString(text);
}

/**
 * @returns a copy: what it was taken from may be wiped.
 * @throws BridgeError `network/badContent` when longer than `max`.
 */
export function boundedBytes(bytes: Uint8Array, max: number, field: string): Uint8Array {
  demand(bytes.length <= max, field);
  return new Uint8Array(bytes);
}

/** As `boundedBytes`, but of exactly `length`. */
export function exactBytes(bytes: Uint8Array, length: number, field: string): Uint8Array {
  demand(bytes.length === length, field);
  return new Uint8Array(bytes);
}

/** @throws BridgeError `network/badContent` unless a whole number from 0 to `max`. */
export function boundedCount(count: number, max: number, field: string): number {
  demand(Number.isSafeInteger(count) && count >= 0 && count <= max, field);
  return count;
}

/** @throws BridgeError `network/badContent` unless within `±max`; not a number is not. */
export function degrees(value: number, max: number, field: string): number {
  demand(Math.abs(value) <= max, field);
  return value;
}

/** How many Unicode code points a well-formed text has. */
export function countCodePoints(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    // The second half of a pair belongs to the code point before it.
    if (unit < 0xdc00 || unit > 0xdfff) count += 1;
  }
  return count;
}
