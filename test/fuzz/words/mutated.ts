/**
 * Real texts, changed a little. What a parser takes apart are words and the marks between them; so are the changes: a word
 * in another's place, one too many, one too few, thousands of them. Most of what comes out is sound enough to get past the
 * first check, which random bytes never do.
 */
import fc from 'fast-check';
import type { Piece, Pieces } from './pieces.ts';

export interface Grammar {
  /** Whole and sound. */
  readonly seeds: readonly string[];
  /** What counts as a word; global. The rest are the marks between. */
  readonly token: RegExp;
  /** What is put in the place of words, or beside them. */
  readonly words: readonly string[];
  /** Random characters that now and then take a word's place. Default: any of Unicode, unpaired surrogates not included. */
  readonly noise?: fc.Arbitrary<string>;
}

const operations = [
  'replace',
  'replace',
  'replace',
  'insert',
  'delete',
  'double',
  'graft',
  'clip',
  'repeat',
  'cut',
  'drop-mark',
  'splice',
] as const;

interface Change {
  readonly operation: (typeof operations)[number];
  readonly at: number;
  readonly from: number;
  readonly word: string;
  readonly times: number;
}

const MAX_CHANGES = 6;
/** Characters that one change may add: more than any reader takes at once, and not much more. */
const MAX_REPEATED = 300_000;
/** Around what limits there are; the large ones seldom, because each costs as much as a thousand small runs. */
const times = fc.oneof(
  { weight: 60, arbitrary: fc.constantFrom(2, 3, 7, 33, 65) },
  { weight: 8, arbitrary: fc.constantFrom(129, 257, 1025) },
  { weight: 1, arbitrary: fc.constantFrom(5_000, 20_001, 70_000) },
);

/** A seed with up to six changes; none at all is possible too. */
export function mutated(grammar: Grammar): fc.Arbitrary<Pieces> {
  const texts = grammar.seeds.map((seed) => cutIntoTokens(seed, grammar.token));
  const noise = grammar.noise ?? fc.string({ unit: 'binary', maxLength: 6 });
  const change = fc.record<Change>({
    operation: fc.constantFrom(...operations),
    at: fc.nat(0xffff),
    from: fc.nat(0xffff),
    word: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...grammar.words) },
      { weight: 1, arbitrary: noise },
    ),
    times,
  });
  return fc
    .tuple(fc.constantFrom(...texts), fc.array(change, { maxLength: MAX_CHANGES }))
    .map(([text, changes]) => merged(changes.reduce((now, one) => changed(now, one, texts), text)));
}

interface Token {
  readonly piece: Piece;
  readonly isWord: boolean;
}
type Text = readonly Token[];

function cutIntoTokens(seed: string, token: RegExp): Text {
  const tokens: Token[] = [];
  let end = 0;
  for (const { 0: word, index } of seed.matchAll(token)) {
    if (index > end) tokens.push({ piece: seed.slice(end, index), isWord: false });
    tokens.push({ piece: word, isWord: true });
    end = index + word.length;
  }
  if (end < seed.length) tokens.push({ piece: seed.slice(end), isWord: false });
  return tokens;
}

function changed(text: Text, { operation, at, from, word, times }: Change, seeds: readonly Text[]): Text {
  const index = nth(text, at, operation !== 'drop-mark');
  const found = text[index];
  if (found === undefined) return [{ piece: word, isWord: true }];
  const put = (...pieces: Token[]) => text.toSpliced(index, 1, ...pieces);
  const fresh = { piece: word, isWord: true };
  switch (operation) {
    case 'replace':
      return put(fresh);
    case 'insert':
      return put(found, fresh);
    case 'delete':
    case 'drop-mark':
      return put();
    case 'double':
      return put(found, found);
    case 'graft':
      return put(text[nth(text, from, true)] ?? found);
    case 'clip':
      return typeof found.piece === 'string'
        ? put({ ...found, piece: found.piece.slice(0, found.piece.length >> 1) })
        : put();
    case 'repeat':
      return put({
        piece: repeated(typeof found.piece === 'string' ? found.piece : word, times),
        isWord: true,
      });
    case 'cut':
      return text.slice(0, index + 1);
    case 'splice':
      return put(found, ...(seeds[from % seeds.length] ?? []));
    default:
      return operation satisfies never;
  }
}

function repeated(text: string, times: number): Piece {
  const most = Math.floor(MAX_REPEATED / Math.max(text.length, 1));
  return { repeat: text, times: Math.max(2, Math.min(times, most)) };
}

/** The place of the `at`th word, or mark, counted round and round; of anything where there is none. */
function nth(text: Text, at: number, isWord: boolean): number {
  const places = text.flatMap((token, index) => (token.isWord === isWord ? [index] : []));
  return places.length === 0 ? at % Math.max(text.length, 1) : (places[at % places.length] ?? 0);
}

/** Texts that stand beside one another as one, for who reads a finding. */
function merged(text: Text): Pieces {
  const pieces: Piece[] = [];
  for (const { piece } of text) {
    const last = pieces.at(-1);
    if (typeof piece === 'string' && typeof last === 'string') pieces[pieces.length - 1] = last + piece;
    else pieces.push(piece);
  }
  return pieces;
}
