import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { AddCommand } from './command.ts';
import { EXIT } from './exit-codes.ts';

const manifest = z.object({
  name: z.literal('drawbridge'),
  version: z.string(),
  license: z.string(),
  homepage: z.string().optional(),
});

/** What `drawbridge version` says: version, licence, source, and the Node that runs it. */
export interface ProgramFacts {
  readonly version: string;
  readonly license: string;
  /** Where the project's source is; `undefined` while package.json names no homepage. */
  readonly source: string | undefined;
  readonly node: string;
}

/**
 * Reads the program's own package.json, found upwards from here, because built code lies one folder deeper.
 * @throws Error if there is none: the installation is broken.
 */
export function programFacts(): ProgramFacts {
  for (let folder = import.meta.dirname; folder !== path.dirname(folder); folder = path.dirname(folder)) {
    const read = manifest.safeParse(readJson(path.join(folder, 'package.json')));
    if (!read.success) continue;
    const { version, license, homepage } = read.data;
    return { version, license, source: homepage, node: process.versions.node };
  }
  throw new Error('package.json of drawbridge was not found above the program');
}

/** The lines that `version` and `--version` print. */
export function versionLines(facts: ProgramFacts): string[] {
  return [
    `drawbridge ${facts.version}`,
    `Node ${facts.node}`,
    `Licence ${facts.license}. Source: ${facts.source ?? 'the operator of a bridge names it (operator.source_url)'}`,
  ];
}

/** `drawbridge version`. */
export const addVersion: AddCommand = (program, { io, run }) => {
  program
    .command('version')
    .description('Print the version, the Node that runs it, the licence, and where the source is.')
    .action(
      run(async () => {
        for (const line of versionLines(programFacts())) io.out(line);
        return EXIT.ok;
      }),
    );
};

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure && failure.code === 'ENOENT') return undefined;
    throw failure;
  }
}
