import { EventEmitter } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import type { CliIo } from '../../../src/cli/io.ts';
import type { Environment } from '../../../src/config/environment.ts';

export interface RecordingIo extends CliIo {
  readonly lines: { readonly out: string[]; readonly err: string[] };
  readonly exits: number[];
  readonly signals: EventEmitter;
}

/** A process's edge that keeps what was written. Its random bytes are 1, 1, 1… then 2, 2, 2…: not secret, but all different. */
export function recordingIo(environment: Environment = {}): RecordingIo {
  const lines = { out: [] as string[], err: [] as string[] };
  const exits: number[] = [];
  let calls = 0;
  return {
    lines,
    exits,
    environment,
    signals: new EventEmitter(),
    terminal: { input: Readable.from([]), output: new PassThrough() },
    out: (line) => lines.out.push(line),
    err: (line) => lines.err.push(line),
    exit: (code) => exits.push(code),
    random: {
      bytes: (length) => {
        calls += 1;
        return Buffer.from(Array.from({ length }, (_, index) => (calls * 31 + index) % 256));
      },
    },
  };
}
