/** Base64 as the profile writes binary values: RFC 4648 §4, with padding, nothing else in between. */

/** @example toBase64(new Uint8Array([2, 3])) // 'AgM=' */
export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** @returns `undefined` unless `text` is the one way to write some bytes: Buffer itself skips what it does not know. */
export function fromBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? new Uint8Array(bytes) : undefined;
}
