/** What Linux tells about a process, from outside: nothing is switched on in it. */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';

export type ProcessFigures = Readonly<{
  rssBytes: number;
  /** User and system time since its start. */
  cpuMs: number;
  /** Bytes that it caused to be written to a disk. */
  writtenBytes: number;
}>;

let ticksPerSecond: number | undefined;

export async function readFigures(pid: number): Promise<ProcessFigures> {
  const [status, stat, io] = await Promise.all(
    ['status', 'stat', 'io'].map(async (name) => await readFile(`/proc/${pid}/${name}`, 'utf8')),
  );
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  // proc(5): the name of the program, in parentheses, may hold spaces; utime and stime are the 14th and 15th field.
  const fields = (stat ?? '').slice((stat ?? '').lastIndexOf(')') + 2).split(' ');
  return {
    rssBytes: Number(/^VmRSS:\s+(\d+) kB/m.exec(status ?? '')?.[1]) * 1_024,
    cpuMs: ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1_000,
    writtenBytes: Number(/^write_bytes: (\d+)/m.exec(io ?? '')?.[1]),
  };
}
