/** The project's own files, for tests about the project. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const ROOT = path.join(import.meta.dirname, '../../..');

export type Source = Readonly<{ file: string; text: string }>;

/** @param patterns globs from the project's root. @returns sorted by path; never empty. */
export function sourcesOf(...patterns: readonly string[]): readonly Source[] {
  const files = globSync([...patterns], { cwd: ROOT }).sort();
  if (files.length === 0) throw new RangeError(`no file matches ${patterns.join()}`);
  return files.map((file) => ({ file, text: readFileSync(path.join(ROOT, file), 'utf8') }));
}

/** The code without its comments; strings that look like comments are left out with them. */
export function withoutComments(text: string): string {
  return text.replace(/\/\*.*?\*\//gs, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}
