/** Findings as files: test/fixtures/fuzz/<target>/<name>.json, and from there again. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Finding } from './batch.ts';

const FOLDER = path.join(import.meta.dirname, '../fixtures/fuzz');

export interface FuzzFixture {
  readonly target: string;
  readonly name: string;
  /** What must hold of it. */
  readonly rule: string;
  readonly input: unknown;
}

/** All of them, in the order of their names. */
export function readFixtures(): FuzzFixture[] {
  return folders(FOLDER).flatMap((target) =>
    readdirSync(path.join(FOLDER, target))
      .toSorted()
      .map((file) => {
        const { rule, input } = JSON.parse(
          readFileSync(path.join(FOLDER, target, file), 'utf8'),
        ) as FuzzFixture;
        return { target, name: path.parse(file).name, rule, input };
      }),
  );
}

/** @returns the path of the file, from the repository's root. */
export async function writeFinding({ target, input, what, seed, path: way }: Finding): Promise<string> {
  const text = JSON.stringify(input);
  const hash = createHash('sha256')
    .update(text ?? '')
    .digest('hex')
    .slice(0, 8);
  const file = path.join(FOLDER, target, `${slug(what)}-${hash}.json`);
  await mkdir(path.dirname(file), { recursive: true });
  const fixture = { rule: 'found by a run; say here what must hold', found: what, seed, path: way, input };
  await writeFile(file, `${JSON.stringify(fixture, undefined, 2)}\n`);
  return path.relative(path.join(import.meta.dirname, '../..'), file);
}

function folders(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted();
}

function slug(what: string): string {
  const words = what.toLowerCase().match(/[a-z0-9]+/g) ?? ['finding'];
  return words.slice(0, 6).join('-').slice(0, 50);
}
