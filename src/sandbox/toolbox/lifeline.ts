import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { findCommand } from './find-command.ts';
import type { Environment } from './toolbox.ts';

/** Makes of a program and its arguments a command line that does the same and ends when this process is killed. */
export type Lifeline = (command: string, args: readonly string[]) => Promise<[string, ...string[]]>;

/** For programs that need no lifeline, since they end by themselves. */
export const noLifeline: Lifeline = async (command, args) => [command, ...args];

/**
 * On Linux `setpriv` asks the kernel to kill the program when we die, then becomes the program (same process id).
 * Elsewhere Node.js offers nothing of the kind, and the command line stays as it is.
 */
export function createLifeline(env: Environment): Lifeline {
  let setpriv: Promise<string | undefined> | undefined;
  return async (command, args) => {
    setpriv ??= findSetpriv(env);
    const found = await setpriv;
    return found === undefined ? [command, ...args] : [found, '--pdeathsig', 'KILL', command, ...args];
  };
}

async function findSetpriv(env: Environment): Promise<string | undefined> {
  const setpriv = await findCommand('setpriv', env.PATH ?? '', []);
  if (setpriv === undefined) return undefined;
  // Busybox has one that does not know the option.
  const trial = spawn(setpriv, ['--pdeathsig', 'KILL', 'true'], { stdio: 'ignore', env });
  const [exitCode] = await once(trial, 'close').catch(() => [1]);
  return exitCode === 0 ? setpriv : undefined;
}
