/** A YAML file with positions. Its size and its aliases are bounded; a key that stands twice is a fault. */
import { isNode, isScalar, isSeq, isMap as isYamlMap, LineCounter, parseDocument } from 'yaml';
import type { Fault, SettingPath } from './fault.ts';
import { isMap, isTooDeep, type RawMap } from './tree.ts';

/** Longest configuration, in characters. */
const MAX_LENGTH = 1024 * 1024;
/** How often aliases may be resolved in all; more is a file made to fill the memory. */
const MAX_ALIASES = 50;

export interface ConfigDocument {
  /** The values; an empty one (`key:`) is `null`. */
  readonly root: RawMap;
  /** `file:line:column` of the key at `path`, or `undefined` if it does not stand in the file. */
  positionOf(path: SettingPath): string | undefined;
  /** As `positionOf`, else that of the closest thing above it that does; at last the file alone. */
  originOf(path: SettingPath): string;
}

export type ParsedDocument =
  | { readonly kind: 'parsed'; readonly document: ConfigDocument }
  | { readonly kind: 'malformed'; readonly faults: readonly Fault[] };

/** Reads `text` as YAML 1.2. `file` is the name that faults carry. */
export function parseConfigDocument(text: string, file: string): ParsedDocument {
  if (text.length > MAX_LENGTH) return malformed(file, 'is longer than 1 MiB');
  const lines = new LineCounter();
  // `logLevel`: else the library prints warnings of its own, which quote the file, and the file holds secrets.
  const options = { lineCounter: lines, prettyErrors: false, version: '1.2', logLevel: 'error' } as const;
  const yaml = parseDocument(text, options);
  const position = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const problems = [...yaml.errors, ...yaml.warnings].filter(
    // Several complaints about one place are one fault.
    (problem, index, all) => all.findIndex((other) => other.pos[0] === problem.pos[0]) === index,
  );
  if (problems.length > 0) {
    const faults = problems.map((problem) => ({
      path: [],
      reason: yamlReason(problem.code),
      origin: position(problem.pos[0]),
    }));
    return { kind: 'malformed', faults };
  }
  let root: unknown;
  try {
    root = yaml.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (failure) {
    // What the library throws for an alias without anchor, and for more than MAX_ALIASES.
    if (failure instanceof ReferenceError)
      return malformed(file, 'has too many aliases, or one that is unknown');
    throw failure;
  }
  if (root === null || root === undefined) root = {};
  if (!isMap(root)) return malformed(file, 'must be a map of sections');
  if (isTooDeep(root)) return malformed(file, 'nests deeper than any setting does');
  const place = (path: SettingPath) => keyOffset(yaml.contents, path);
  return {
    kind: 'parsed',
    document: {
      root,
      positionOf: (path) => {
        const { offset, exact } = place(path);
        return exact && offset !== undefined ? position(offset) : undefined;
      },
      originOf: (path) => {
        const { offset } = place(path);
        return offset === undefined ? file : position(offset);
      },
    },
  };
}

/** Where the last key of `path` that stands in the file begins, and whether that is the whole path. */
function keyOffset(contents: unknown, path: SettingPath): { offset: number | undefined; exact: boolean } {
  let node = contents;
  let offset: number | undefined;
  for (const key of path) {
    let at: unknown;
    let next: unknown;
    if (isYamlMap(node)) {
      const pair = node.items.find((item) => keyText(item.key) === String(key));
      at = pair?.key;
      next = pair?.value;
    } else if (isSeq(node)) {
      at = node.items[Number(key)];
      next = at;
    }
    if (at === undefined) return { offset, exact: false };
    offset = startOf(at) ?? offset;
    node = next;
  }
  return { offset, exact: true };
}

/** Words for the library's code. Its own message may quote the file, and the file holds secrets. */
function yamlReason(code: string): string {
  switch (code) {
    case 'DUPLICATE_KEY':
      return 'this key stands twice';
    case 'TAB_AS_INDENT':
      return 'is indented with a tab; YAML takes spaces only';
    case 'BAD_INDENT':
      return 'is not indented like its neighbours';
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'a second key in one line: indented wrongly, or quotes are missing';
    case 'MISSING_CHAR':
      return 'a quote, bracket, colon or comma is missing here';
    case 'TAG_RESOLVE_FAILED':
      return 'has a tag (a word beginning with !) that means nothing here';
    default:
      return `is not valid YAML (${code})`;
  }
}

function malformed(file: string, reason: string): ParsedDocument {
  return { kind: 'malformed', faults: [{ path: [], reason, origin: file }] };
}

/** `undefined` for a list or a map in the place of a key: no path leads to it. */
function keyText(key: unknown): string | undefined {
  return isScalar(key) ? String(key.value) : undefined;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
