/** A log that a test reads. */
import type { Log, LogFacts } from '../../src/model/ambient.ts';

export type Logged = Readonly<{ level: string; message: string; facts: LogFacts; cause: unknown }>;

export class RecordingLog implements Log {
  readonly entries: Logged[] = [];

  error(message: string, facts?: LogFacts, cause?: unknown): void {
    this.#add('error', message, facts, cause);
  }

  warn(message: string, facts?: LogFacts, cause?: unknown): void {
    this.#add('warn', message, facts, cause);
  }

  info(message: string, facts?: LogFacts, cause?: unknown): void {
    this.#add('info', message, facts, cause);
  }

  debug(message: string, facts?: LogFacts, cause?: unknown): void {
    this.#add('debug', message, facts, cause);
  }

  child(): Log {
    return this;
  }

  #add(level: string, message: string, facts: LogFacts = {}, cause?: unknown): void {
    this.entries.push({ level, message, facts, cause });
  }
}
