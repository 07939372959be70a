import type { Readable, Writable } from 'node:stream';
import type { Environment } from '../config/environment.ts';
import type { Random } from '../model/ambient.ts';

/** What a command needs of the process that it runs in. */
export interface CliIo {
  /** Writes a line to standard output: what the command was asked for. */
  out(line: string): void;
  /** Writes a line to standard error: what went wrong, and what is going on. */
  err(line: string): void;
  readonly environment: Environment;
  readonly random: Pick<Random, 'bytes'>;
  /** Where SIGINT and SIGTERM are heard. */
  readonly signals: Pick<NodeJS.EventEmitter, 'on' | 'off'>;
  /** For the one command that talks with a person. */
  readonly terminal: { readonly input: Readable; readonly output: Writable };
  /** Ends the process on the spot. */
  exit(code: number): void;
}
