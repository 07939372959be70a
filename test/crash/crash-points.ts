import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

const SRC = path.join(import.meta.dirname, '../../src');

/** The named steps of the sources at which a crash can be ordered, in alphabetical order. */
export async function listCrashPoints(): Promise<string[]> {
  const names = new Set<string>();
  for (const file of await readdir(SRC, { recursive: true })) {
    if (!file.endsWith('.ts')) continue;
    const text = await readFile(path.join(SRC, file), 'utf8');
    for (const [, name] of text.matchAll(/\/\/ crash point: ([a-z][a-z-]*)$/gm)) if (name) names.add(name);
  }
  return [...names].sort();
}
