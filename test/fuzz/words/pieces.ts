/** Text that says in few words how it is made, so that a hundred thousand open brackets fit in one line of a fixture. */

export type Piece = string | { readonly repeat: string; readonly times: number };
export type Pieces = readonly Piece[];

/** The text that the pieces stand for. */
export function joined(pieces: Pieces): string {
  return pieces
    .map((piece) => (typeof piece === 'string' ? piece : piece.repeat.repeat(piece.times)))
    .join('');
}

/** As `joined`, where each character stands for one byte: text can hold what is no UTF-8. */
export function joinedBytes(pieces: Pieces): Buffer {
  return Buffer.from(joined(pieces), 'latin1');
}

/** A word as the characters that stand for its UTF-8 bytes. */
export function asBytes(word: string): string {
  return Buffer.from(word).toString('latin1');
}
