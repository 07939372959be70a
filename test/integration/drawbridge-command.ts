/** The `drawbridge` command in a process of its own, to its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { env } from 'node:process';

const COMMAND = join(import.meta.dirname, '../../bin/drawbridge.cjs');
export const REPOSITORY = join(import.meta.dirname, '../..');

export type CommandEnd = Readonly<{ exitCode: number | null; out: string; err: string }>;

/** Runs it in the repository's folder; killed when it has not ended by itself within half a minute. */
export async function drawbridge(...args: string[]): Promise<CommandEnd> {
  const child = spawn(process.execPath, [COMMAND, ...args], {
    cwd: REPOSITORY,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
    killSignal: 'SIGKILL',
  });
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.err += text;
  });
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, ...said };
}
