/** The log, on pino: one line an entry, a constant message, and facts that the redactor has let through. */
import { randomBytes } from 'node:crypto';
import pino, { type Logger } from 'pino';
import type { Log, LogFacts } from '../model/ambient.ts';
import { causeFacts } from './cause-chain.ts';
import { prettyLine } from './pretty-line.ts';
import { Redactor } from './redactor.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

export type LogSettings = Readonly<{
  /** The least important level that is written. `debug` also writes the stacks of causes, which may quote foreign input. */
  level: LogLevel;
  /** `json`: one object a line, for machines. `pretty`: text for a terminal. */
  format: 'json' | 'pretty';
  /** `redacted`: phone numbers, JIDs and ghost ids become a short hash. `plain`: they stand as they are. Secrets go in both. */
  contactIds: 'redacted' | 'plain';
  /** What the localparts of ghosts begin with. */
  ghostPrefix?: string;
  /** Keys the hashes, at least 16 bytes. Without it the hash of a contact is another one after each start. */
  hashKey?: Uint8Array;
  /** Takes whole lines. Default: standard output, written at once, so that a crash loses none. */
  destination?: LogDestination;
}>;

export interface LogDestination {
  write(line: string): void;
}

const MAX_STACK = 8_000;
/** Names that a line has of its own: a fact of that name gets a `_` behind it instead of hiding it. */
const OWN_NAMES = new Set(['time', 'level', 'msg']);

/**
 * The program's log. A line has `time` (ISO 8601, UTC), `level`, `msg`, the facts, and for a cause `code` and `causes`
 * (see CauseFacts). It takes facts and causes of any kind and throws at none.
 */
export function createLog(settings: LogSettings): Log {
  const redactor = new Redactor({
    contactIds: settings.contactIds,
    ghostPrefix: settings.ghostPrefix ?? '_interop_',
    hashKey: settings.hashKey ?? randomBytes(32),
  });
  const plain = settings.destination ?? pino.destination({ dest: 1, sync: true });
  const destination: LogDestination =
    settings.format === 'pretty' ? { write: (line) => plain.write(prettyLine(line)) } : plain;
  const logger = pino(
    {
      level: settings.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    destination,
  );
  return new PinoLog(logger, redactor, {});
}

class PinoLog implements Log {
  readonly #logger: Logger;
  readonly #redactor: Redactor;
  /** Redacted already. Merged here, since a child of pino would write a repeated name twice. */
  readonly #own: LogFacts;

  constructor(logger: Logger, redactor: Redactor, own: LogFacts) {
    this.#logger = logger;
    this.#redactor = redactor;
    this.#own = own;
  }

  error(message: string, facts?: LogFacts, cause?: unknown): void {
    this.#write('error', message, facts, cause);
  }

  warn(message: string, facts?: LogFacts, cause?: unknown): void {
    this.#write('warn', message, facts, cause);
  }

  info(message: string, facts?: LogFacts, cause?: unknown): void {
    this.#write('info', message, facts, cause);
  }

  debug(message: string, facts?: LogFacts, cause?: unknown): void {
    this.#write('debug', message, facts, cause);
  }

  child(facts: LogFacts): Log {
    return new PinoLog(this.#logger, this.#redactor, { ...this.#own, ...this.#shown(facts) });
  }

  #write(level: LogLevel, message: string, facts: LogFacts = {}, cause?: unknown): void {
    if (!this.#logger.isLevelEnabled(level)) return;
    const told = cause === undefined ? {} : this.#cause(cause);
    this.#logger[level]({ ...this.#own, ...this.#shown(facts), ...told }, this.#redactor.text(message));
  }

  #shown(facts: LogFacts): LogFacts {
    const entries = Object.entries(this.#redactor.facts(facts));
    return Object.fromEntries(
      entries.map(([name, value]) => [OWN_NAMES.has(name) ? `${name}_` : name, value]),
    );
  }

  #cause(cause: unknown): LogFacts {
    const { code, causes, stack } = causeFacts(cause, this.#logger.isLevelEnabled('debug'));
    return {
      code,
      causes: causes.map((text) => this.#redactor.text(text)),
      ...(stack !== undefined && { stack: this.#redactor.text(stack, MAX_STACK) }),
    };
  }
}
