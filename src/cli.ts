/** The `drawbridge` command. Runs itself when it is what Node was started with; `bin/drawbridge.cjs` calls `main`. */
import { constants } from 'node:os';
import { CommanderError } from 'commander';
import { systemRandom } from './ambient/random.ts';
import { EXIT, exitCodeFor } from './cli/exit-codes.ts';
import { failureLines } from './cli/failure.ts';
import type { CliIo } from './cli/io.ts';
import { createProgram } from './cli/program.ts';
import { codeOf } from './model/errors.ts';

/**
 * Runs one command to its end.
 * @param argv what stands behind the program's name.
 * @returns the exit code (`cli/exit-codes.ts`). Does not throw: failures are told on standard error.
 */
export async function main(argv: readonly string[], io: CliIo = processIo()): Promise<number> {
  let code: number = EXIT.ok;
  const program = createProgram(io, (finished) => {
    code = finished;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (failure) {
    // Commander has told it already: a wrong command line, or help and version with code 0.
    if (failure instanceof CommanderError) return failure.exitCode === 0 ? EXIT.ok : EXIT.failed;
    for (const line of failureLines(failure)) io.err(line);
    return exitCodeFor(codeOf(failure));
  }
}

function processIo(): CliIo {
  // Whoever read our output has gone (`… | head`): end as SIGPIPE would have ended us.
  process.stdout.once('error', () => process.exit(128 + constants.signals.SIGPIPE));
  return {
    out: (line) => process.stdout.write(`${line}\n`),
    err: (line) => process.stderr.write(`${line}\n`),
    environment: process.env,
    random: systemRandom,
    signals: process,
    terminal: {
      // Opened when asked for: a daemon may be started with its standard input closed.
      get input() {
        return process.stdin;
      },
      output: process.stdout,
    },
    exit: (code) => process.exit(code),
  };
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
