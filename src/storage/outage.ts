import { BridgeError } from '../model/errors.ts';
import { storageErrors } from './errors.ts';

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const POSTGRES_FULL = '53100';
/** Connection exceptions, insufficient resources, operator intervention: the server is away, or will be well again. */
const POSTGRES_AWAY = /^(08|53|57P)[0-9A-Z]+$/;
/** https://www.sqlite.org/rescode.html: what a file system does to SQLite. Extended codes begin with these. */
const SQLITE_AWAY = /^SQLITE_(IOERR|CANTOPEN|READONLY|BUSY|LOCKED|NOMEM|PROTOCOL)(_|$)/;
const SOCKET_AWAY = /^(E(CONN|HOST|NET)[A-Z]+|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_[A-Z]+)$/;
/** What pg and knex say in words only; knex puts the statement before them, with its values left out. */
const WORDS_AWAY =
  /\b(Connection terminated|Client (was closed|has encountered a connection error) and is not queryable|Unable to acquire a connection|timeout expired|Timeout acquiring a connection)/;
const MOST_CAUSES = 8;

/**
 * Tells a database that cannot work now from a step that was wrong: what failed so may be done again, as often as it takes.
 * @param failure what a transaction rejected with. The cause may lie deep: libsignal's errors wrap those of its stores.
 * @returns `storage/diskFull` or `storage/unreachable`; `undefined` when the database is not to blame.
 */
export function toOutage(failure: unknown, type: 'sqlite' | 'postgres'): BridgeError | undefined {
  let cause = failure;
  for (let depth = 0; depth < MOST_CAUSES && cause instanceof Error; depth += 1) {
    if (cause instanceof BridgeError && cause.code.startsWith('storage/')) return undefined;
    const kind = kindOf(cause, type);
    if (kind === 'full') return storageErrors.diskFull({ type }, failure);
    if (kind === 'away') return storageErrors.unreachable({ type }, failure);
    cause = cause.cause;
  }
  return undefined;
}

function kindOf(failure: Error, type: 'sqlite' | 'postgres'): 'full' | 'away' | undefined {
  const code = String((failure as { code?: unknown }).code ?? '');
  if (type === 'sqlite') {
    if (code === 'SQLITE_FULL') return 'full';
    return SQLITE_AWAY.test(code) ? 'away' : undefined;
  }
  if (code === POSTGRES_FULL) return 'full';
  const isAway = POSTGRES_AWAY.test(code) || WORDS_AWAY.test(failure.message);
  // A homeserver's refused connection has the same code, but is never the cause of a failed transaction: none waits for one.
  return isAway || SOCKET_AWAY.test(code) ? 'away' : undefined;
}
