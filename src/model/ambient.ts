/** What a part needs from the outside world, handed in so that a test holds it: time, chance, and the log. */

export interface Clock {
  /** Epoch milliseconds. May jump; never order by it. */
  nowMs(): number;
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  /** Cryptographically secure bytes. */
  bytes(length: number): Buffer;
  /** A UUID, version 4. */
  uuid(): string;
  /** Uniform in [0, 1): for jitter only. */
  fraction(): number;
}

/** Facts of a log line: ids, codes, counts, durations. Never content, keys, tokens. */
export type LogFacts = Readonly<Record<string, unknown>>;

/**
 * `error`: look for a bug. `warn`: the operator can act. `info`: a state changed. `debug`: what a developer follows.
 * The message is a constant; the facts are fields. `cause` is logged by code at its level, in full on `debug` only.
 */
export interface Log {
  error(message: string, facts?: LogFacts, cause?: unknown): void;
  warn(message: string, facts?: LogFacts, cause?: unknown): void;
  info(message: string, facts?: LogFacts, cause?: unknown): void;
  debug(message: string, facts?: LogFacts, cause?: unknown): void;
  child(facts: LogFacts): Log;
}
