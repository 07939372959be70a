/**
 * npm run build: JavaScript in dist/, for an installation without type stripping.
 *
 * dist/ repeats the tree, so that a path relative to a source file leads to the same thing in both:
 * src/cli.ts → dist/src/cli.js, migrations/ → dist/migrations/, proto/ → dist/proto/.
 */
import { spawnSync } from 'node:child_process';
import { cp, readdir, rm, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { printLine, repository } from './steps.ts';

const COMPILED = new Set(['.ts', '.cts']);

/** @returns the exit code. What could be compiled is in dist/ even if types are wrong; the code is then not 0. */
async function build(dist: string): Promise<number> {
  const startedAt = performance.now();
  await rm(dist, { recursive: true, force: true });
  const tsc = join(repository, 'node_modules', '.bin', 'tsc');
  const { status } = spawnSync(tsc, ['-p', 'tsconfig.build.json'], { cwd: repository, stdio: 'inherit' });
  for (const folder of ['src', 'migrations', 'proto'])
    await copyRest(join(repository, folder), join(dist, folder));
  const files = (await readdir(dist, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  printLine(
    `dist/: ${files.length} files in ${seconds} s; bin/drawbridge.cjs starts dist/src/cli.js from now on`,
  );
  return status ?? 1;
}

// What the compiler does not write: Lua modules, the protobuf schema, CommonJS, texts.
async function copyRest(from: string, to: string): Promise<void> {
  const isWanted = async (file: string) => (await stat(file)).isDirectory() || !COMPILED.has(extname(file));
  await cp(from, to, { recursive: true, filter: isWanted });
}

if (import.meta.main) process.exitCode = await build(join(repository, 'dist'));
