/**
 * Writes the files that are made from the code: `node scripts/generate.ts`. With `--check` it writes nothing, names what
 * is out of date, and exits 1 if anything is.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { cliPageText } from '../src/cli/page.ts';
import { createProgram } from '../src/cli/program.ts';
import { jsonSchemaText } from '../src/config/pages/json-schema.ts';
import { referenceText } from '../src/config/pages/reference.ts';
import { sampleText } from '../src/config/pages/sample.ts';
import { configTree } from '../src/config/settings.ts';
import { metricsReference } from '../src/http/metrics.ts';
import { errorsPage } from './error-tables.ts';
import { sampleRegistrationText } from './sample-registration.ts';

const ROOT = path.join(import.meta.dirname, '..');

/** The generated files' texts, by path from the project's root. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const tree = configTree();
  const nowhere = {
    out: () => undefined,
    err: () => undefined,
    environment: {},
    random: { bytes: (length: number) => Buffer.alloc(length) },
    signals: process,
    terminal: { input: new PassThrough(), output: new PassThrough() },
    exit: () => undefined,
  };
  return new Map([
    ['config.sample.yaml', sampleText(tree)],
    ['registration.yaml', sampleRegistrationText(tree)],
    ['config.schema.json', jsonSchemaText()],
    ['docs/configuration.md', referenceText(tree)],
    ['docs/metrics.md', metricsReference()],
    ['docs/errors.md', errorsPage()],
    ['docs/cli.md', cliPageText(createProgram(nowhere, () => undefined))],
  ]);
}

/** The paths of generated files whose committed copy is another. */
export async function outOfDate(): Promise<readonly string[]> {
  const stale: string[] = [];
  for (const [name, text] of generatedFiles()) {
    if ((await readIfThere(path.join(ROOT, name))) !== text) stale.push(name);
  }
  return stale;
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure && failure.code === 'ENOENT') return undefined;
    throw failure;
  }
}

async function run(checkOnly: boolean): Promise<number> {
  const stale = await outOfDate();
  for (const name of stale) {
    if (checkOnly) process.stderr.write(`${name} is out of date: run "npm run generate"\n`);
    else {
      await writeFile(path.join(ROOT, name), generatedFiles().get(name) ?? '');
      process.stdout.write(`${name}: written\n`);
    }
  }
  return checkOnly && stale.length > 0 ? 1 : 0;
}

if (import.meta.main) process.exitCode = await run(process.argv.includes('--check'));
