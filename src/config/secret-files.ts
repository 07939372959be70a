/** Secrets that stand in files of their own: `as_token_file: /run/credentials/…` in place of `as_token`. */
import { open } from 'node:fs/promises';
import path from 'node:path';
import type { Fault, SettingPath } from './fault.ts';
import { type SectionNode, type SettingNode, secretKeys } from './settings.ts';
import { isMap, type RawMap } from './tree.ts';

/** Largest file that is taken for a secret, in bytes. */
const MAX_SECRET_BYTES = 64 * 1024;

export interface SecretFiles {
  /** Without origin: the loader knows where the key stands. */
  readonly faults: readonly Omit<Fault, 'origin'>[];
  readonly warnings: readonly string[];
}

/**
 * Puts the contents of the files in place of the `_file` keys, changing `root`. One line break at the end is dropped.
 * @param folder where relative paths begin.
 */
export async function readSecretFiles(root: RawMap, tree: SectionNode, folder: string): Promise<SecretFiles> {
  const faults: Omit<Fault, 'origin'>[] = [];
  const warnings: string[] = [];
  for (const { section, key, at } of secretPlaces(root, tree, [])) {
    const fileKey = `${key}_file`;
    const file = section[fileKey];
    delete section[fileKey];
    if (file === undefined || file === null) continue;
    const fault = (reason: string) => faults.push({ path: [...at, fileKey], reason });
    if (section[key] !== undefined && section[key] !== null) {
      fault(`is given besides ${key}; only one of the two can be meant`);
    } else if (typeof file !== 'string' || file === '') {
      fault('must be the path of a file');
    } else {
      const read = await readSecret(path.resolve(folder, file));
      if (read.kind === 'unreadable') fault(`names a path that ${read.reason}`);
      else section[key] = read.text;
      if (read.kind === 'read' && read.open)
        warnings.push(`${file} can be read by every user of this machine`);
    }
  }
  return { faults, warnings };
}

interface SecretPlace {
  readonly section: RawMap;
  readonly key: string;
  readonly at: SettingPath;
}

function secretPlaces(raw: unknown, node: SettingNode, at: SettingPath): SecretPlace[] {
  if (!isMap(raw)) return [];
  if (node.kind === 'map')
    return Object.keys(raw).flatMap((key) => secretPlaces(raw[key], node.entry, [...at, key]));
  if (node.kind !== 'section') return [];
  const here = secretKeys(node).map((key) => ({ section: raw, key, at }));
  return [
    ...here,
    ...[...node.children].flatMap(([key, child]) => secretPlaces(raw[key], child, [...at, key])),
  ];
}

type ReadSecret =
  | { readonly kind: 'read'; readonly text: string; readonly open: boolean }
  | { readonly kind: 'unreadable'; readonly reason: string };

async function readSecret(file: string): Promise<ReadSecret> {
  try {
    const handle = await open(file, 'r');
    try {
      const facts = await handle.stat();
      if (!facts.isFile() && !facts.isFIFO()) return { kind: 'unreadable', reason: 'is not a file' };
      const buffer = Buffer.alloc(MAX_SECRET_BYTES + 1);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      if (bytesRead > MAX_SECRET_BYTES) return { kind: 'unreadable', reason: 'is larger than 64 KiB' };
      const text = buffer.toString('utf8', 0, bytesRead).replace(/\r?\n$/, '');
      return { kind: 'read', text, open: facts.isFile() && (facts.mode & 0o004) !== 0 };
    } finally {
      await handle.close();
    }
  } catch (failure) {
    return { kind: 'unreadable', reason: unreadableReason(failure) };
  }
}

/**
 * Words for a file that could not be read, to go behind its name or "names a path that".
 * @throws what it was given, if that is no error of the file system.
 */
export function unreadableReason(failure: unknown): string {
  const code = failure instanceof Error && 'code' in failure ? failure.code : undefined;
  if (code === 'ENOENT') return 'does not exist';
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read by this user';
  if (code === 'EISDIR' || code === 'ENOTDIR') return 'is not a file';
  if (typeof code !== 'string') throw failure;
  return `cannot be read (${code})`;
}
