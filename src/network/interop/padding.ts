/**
 * The padding inside the encryption, so that a ciphertext's size tells little (docs/interop-profile.md §6): one byte
 * 0x80, then zeros up to the next multiple of 160 bytes (ISO/IEC 7816-4).
 */

export const PADDING_BLOCK_BYTES = 160;
const MARK = 0x80;

/** At least one byte is added, so that the mark is always there. */
export function pad(content: Uint8Array): Uint8Array {
  const padded = new Uint8Array((Math.floor(content.length / PADDING_BLOCK_BYTES) + 1) * PADDING_BLOCK_BYTES);
  padded.set(content);
  padded[content.length] = MARK;
  return padded;
}

/**
 * @returns a view of `padded` without its padding; `undefined` when it is not what `pad` makes: no whole block, no
 * mark, or more padding than one block.
 */
export function unpad(padded: Uint8Array): Uint8Array | undefined {
  if (padded.length === 0 || padded.length % PADDING_BLOCK_BYTES !== 0) return undefined;
  for (let at = padded.length - 1; at >= padded.length - PADDING_BLOCK_BYTES; at -= 1) {
    if (padded[at] === MARK) return padded.subarray(0, at);
    if (padded[at] !== 0) return undefined;
  }
  return undefined;
}
