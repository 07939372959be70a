/** Bytes in pieces, as streams bring them. */
import fc from 'fast-check';

/** Cuts `data` at the given places, in any order. */
export async function* inPieces(data: Uint8Array, cuts: readonly number[] = []): AsyncGenerator<Uint8Array> {
  const places = [...new Set(cuts.map((cut) => cut % (data.length + 1)))].sort((a, b) => a - b);
  let start = 0;
  for (const end of [...places, data.length]) {
    yield data.subarray(start, end);
    start = end;
  }
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Files and how they are cut, empty ones and empty pieces included. */
export const filesInPieces = {
  file: fc.uint8Array({ maxLength: 3_000 }),
  cuts: fc.array(fc.nat(), { maxLength: 12 }),
};

/** The plaintext and key of test/fixtures/media. */
export const VECTOR_PLAINTEXT = Buffer.from(Array.from({ length: 1_000 }, (_, i) => (i * 7 + 3) % 256));
export const VECTOR_KEY = Buffer.from(Array.from({ length: 64 }, (_, i) => i));
