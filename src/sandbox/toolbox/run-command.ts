import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { toolboxErrors } from './errors.ts';
import type { Lifeline } from './lifeline.ts';
import type { RunOptions } from './toolbox.ts';

// Of an installer's output only the end says what went wrong.
const TOLD_LINES = 12;
const KEPT_CHARACTERS = 1_000_000;

/**
 * `Toolbox.run`: runs a program to its end, without input. With a `lifeline` it does not outlive us: an installer left
 * behind would write into the folder of the one that comes after it.
 * @param options `env` is the whole environment here.
 * @returns its standard output, at most the last million characters.
 * @throws BridgeError `toolbox/commandFailed` when it could not be started, ended with another exit code than 0, or took
 * too long.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: RunOptions & { lifeline: Lifeline },
): Promise<string> {
  const { timeoutMs, lifeline, ...rest } = options;
  const [program, ...boundArgs] = await lifeline(command, args);
  const child = spawn(program, boundArgs, {
    ...rest,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs, killSignal: 'SIGKILL' as const }),
  });
  let standardOutput = '';
  let everything = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    standardOutput = (standardOutput + text).slice(-KEPT_CHARACTERS);
    everything = (everything + text).slice(-KEPT_CHARACTERS);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    everything = (everything + text).slice(-KEPT_CHARACTERS);
  });
  const told = [command, ...args].join(' ').slice(0, 200);
  const [exitCode, signal] = await once(child, 'close').catch((cause: unknown) => {
    throw toolboxErrors.commandFailed({ command: told }, cause);
  });
  if (exitCode === 0) return standardOutput;
  throw toolboxErrors.commandFailed({
    command: told,
    exitCode: exitCode ?? undefined,
    signal: signal ?? undefined,
    output: lastLines(everything, TOLD_LINES),
  });
}

/** The last lines of a text that are not empty, joined by newlines. */
export function lastLines(text: string, count: number): string {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-count)
    .join('\n');
}
