/** Steps of a check that run one after another, each named with its time, all of them even if one has failed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { glob } from 'node:fs/promises';
import { join } from 'node:path';

export const repository = join(import.meta.dirname, '..');

export type Step = Readonly<{
  name: string;
  /** Prints what it finds, and says whether all is well. */
  run: () => Promise<boolean>;
}>;

const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Where a person reads; a line each call. */
export type Print = (line: string) => void;

/** @returns whether all steps succeeded. A step that throws has failed; the others run all the same. */
export async function runSteps(steps: readonly Step[], print: Print): Promise<boolean> {
  const lines: string[] = [];
  let allWell = true;
  for (const { name, run } of steps) {
    print(`\n=== ${name}`);
    const startedAt = performance.now();
    const isWell = await run().catch((failure: unknown) => {
      print(failure instanceof Error ? (failure.stack ?? failure.message) : String(failure));
      return false;
    });
    allWell &&= isWell;
    lines.push(
      `${isWell ? 'ok    ' : 'FAILED'} ${name} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`,
    );
  }
  print(`\n${lines.join('\n')}`);
  return allWell;
}

/**
 * A step that is a program; its output goes to ours, and it gets no input.
 * @param command absolute, or one of the programs that npm has installed.
 */
export function programStep(name: string, command: string, args: readonly string[]): Step {
  return {
    name,
    run: async () => {
      const program = command.startsWith('/') ? command : join(repository, 'node_modules', '.bin', command);
      const child = spawn(program, args, { cwd: repository, stdio: ['ignore', 'inherit', 'inherit'] });
      // Whoever ends us means all of it: the program, and the steps that have not begun.
      const end = (signal: NodeJS.Signals) => {
        child.kill(signal);
        process.exit(1);
      };
      for (const signal of END_SIGNALS) process.on(signal, end);
      const [exitCode] = await once(child, 'close');
      for (const signal of END_SIGNALS) process.off(signal, end);
      return exitCode === 0;
    },
  };
}

/**
 * A step that runs test files with node:test; it fails when there are none, since that is a typo or a lost folder.
 * @param patterns globs from the repository's root.
 */
export function testStep(name: string, patterns: readonly string[], options: readonly string[]): Step {
  const { run } = programStep(name, process.execPath, ['--test', ...options, ...patterns]);
  return {
    name,
    run: async () => {
      for (const pattern of patterns) {
        const first = await glob(pattern, { cwd: repository }).next();
        if (first.done) throw new Error(`no test file matches ${pattern}`);
      }
      return run();
    },
  };
}

/** Prints to standard output. */
export const printLine: Print = (line) => {
  process.stdout.write(`${line}\n`);
};
