/**
 * The connection to SQLite (WAL, synchronous FULL, one connection, locked for this process) or PostgreSQL, and the
 * migrations runner. Below the repositories there is no global handle: whoever wants to touch a table holds a `Tx`.
 */
import { open, readdir } from 'node:fs/promises';
import path from 'node:path';
import knexModule, { type Knex } from 'knex';
import pg from 'pg';
import { storageErrors } from './errors.ts';
import { toOutage } from './outage.ts';
import { ProcessLock } from './process-lock.ts';

declare const txBrand: unique symbol;
/** An open transaction. Repositories take it first; it must not be kept past its callback. */
export type Tx = Knex.Transaction & { readonly [txBrand]?: never };

export type DatabaseSettings = Readonly<
  { type: 'sqlite'; file: string } | { type: 'postgres'; url: string; maxConnections: number }
>;

const MIGRATIONS_FOLDER = path.join(import.meta.dirname, '../../migrations');
/** Guards the migrations of concurrently starting processes on PostgreSQL ("drawbrdg" as a number). */
const MIGRATION_LOCK = 7_237_954_630n;

export class Database {
  readonly #knex: Knex;
  readonly #settings: DatabaseSettings;
  #lock: ProcessLock | undefined;

  private constructor(settings: DatabaseSettings) {
    this.#knex = knexModule(knexConfig(settings));
    this.#settings = settings;
  }

  get type(): DatabaseSettings['type'] {
    return this.#settings.type;
  }

  /** @throws BridgeError `storage/unreachable`, `storage/inUse`, `storage/diskFull`. */
  static async open(settings: DatabaseSettings): Promise<Database> {
    const database = new Database(settings);
    try {
      if (settings.type === 'sqlite' && settings.file !== ':memory:') await createPrivately(settings.file);
      await database.#knex.raw('select 1');
    } catch (cause) {
      await database.#knex.destroy();
      const busy = cause instanceof Error && /SQLITE_BUSY|database is locked/.test(messageWithCode(cause));
      if (busy) throw storageErrors.inUse({ type: settings.type }, cause);
      throw toOutage(cause, settings.type) ?? storageErrors.unreachable({ type: settings.type }, cause);
    }
    return database;
  }

  /**
   * Runs `work` in one transaction: all of it is durable when the promise resolves, none of it when it rejects. On
   * SQLite transactions run one after the other; a transaction inside a transaction would wait for itself.
   * @throws whatever `work` throws; BridgeError `storage/unreachable` (then it may be durable all the same, if the server
   *   went away in the last moment), `storage/diskFull`, and `storage/inUse` when another process has taken the database
   *   while the server had lost us.
   */
  async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return await this.#guard(async () => {
      await this.#lock?.keep();
      return await this.#run(work);
    });
  }

  /** SQLite ends a transaction itself when the disk is full; knex then tells of the rollback that failed, not of why. */
  async #run<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    let reason: { readonly failure: unknown } | undefined;
    try {
      return await this.#knex.transaction(async (tx) => {
        try {
          return await work(tx);
        } catch (failure) {
          reason = { failure };
          throw failure;
        }
      });
    } catch (failure) {
      throw reason === undefined ? failure : reason.failure;
    }
  }

  /**
   * Brings the schema up to date. Safe to call from several processes at once.
   * @returns the names of the migrations that ran now; empty when the schema was current.
   * @throws BridgeError `storage/migrationFailed`, `storage/unreachable`, `storage/diskFull`.
   */
  async migrate(): Promise<readonly string[]> {
    try {
      return await this.#underMigrationLock(async () => {
        // The runner's own lock row would stay behind after a kill; ours goes with the connection.
        await this.#knex.migrate.forceFreeMigrationsLock(migratorConfig);
        const [, names] = (await this.#knex.migrate.latest(migratorConfig)) as [number, string[]];
        return names;
      });
    } catch (cause) {
      throw toOutage(cause, this.type) ?? storageErrors.migrationFailed({ type: this.type }, cause);
    }
  }

  /**
   * Keeps a second process away from this database until `close` (SQLite's file is locked anyway). If the server cuts the
   * connection that holds the lock, the next transaction takes it again first.
   * @throws BridgeError `storage/inUse`, `storage/unreachable`.
   */
  async lockForProcess(): Promise<void> {
    if (this.#settings.type === 'sqlite') return;
    this.#lock = new ProcessLock(this.#settings.url);
    await this.#guard(async () => await this.#lock?.takeAtStart());
  }

  async close(): Promise<void> {
    await this.#lock?.release();
    await this.#knex.destroy();
  }

  /** Tells a database that is away, which a retry may find well again, from everything else. */
  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (failure) {
      throw toOutage(failure, this.type) ?? failure;
    }
  }

  async #underMigrationLock<T>(work: () => Promise<T>): Promise<T> {
    // SQLite: the file is locked for this process already.
    if (this.type === 'sqlite') return await work();
    return await this.#knex.transaction(async (tx) => {
      await tx.raw('select pg_advisory_xact_lock(?)', [MIGRATION_LOCK.toString()]);
      return await work();
    });
  }
}

/** knex prints failures to the console besides rejecting with them; the rejection is enough. */
const QUIET: Knex.Logger = {
  warn: () => undefined,
  error: () => undefined,
  deprecate: () => undefined,
  debug: () => undefined,
};

/** Only its owner may read the file; SQLite gives its companions the same mode. An existing file keeps its own. */
async function createPrivately(file: string): Promise<void> {
  const handle = await open(file, 'a', 0o600);
  await handle.close();
}

function knexConfig(settings: DatabaseSettings): Knex.Config {
  if (settings.type === 'sqlite') {
    return {
      client: 'better-sqlite3',
      log: QUIET,
      connection: { filename: settings.file },
      useNullAsDefault: true,
      pool: { min: 1, max: 1, afterCreate: prepareSqlite },
    };
  }
  return {
    client: 'pg',
    log: QUIET,
    connection: {
      connectionString: settings.url,
      types: { getTypeParser: parserFor },
    } as Knex.PgConnectionConfig,
    // One besides: the process lock's.
    pool: { min: 0, max: settings.maxConnections - 1 },
    acquireConnectionTimeout: 20_000,
  };
}

type SqliteConnection = { pragma(text: string): unknown };

function prepareSqlite(
  connection: SqliteConnection,
  done: (error: Error | null, connection: unknown) => void,
): void {
  try {
    connection.pragma('busy_timeout = 2000');
    // A second process would break the order of ratchets: the file belongs to one.
    connection.pragma('locking_mode = EXCLUSIVE');
    connection.pragma('journal_mode = WAL');
    // NORMAL may lose the last commits when the power fails, and a ratchet step with them.
    connection.pragma('synchronous = FULL');
    connection.pragma('foreign_keys = ON');
    // Wiped content must not stay readable in free pages.
    connection.pragma('secure_delete = ON');
    done(null, connection);
  } catch (cause) {
    done(cause as Error, connection);
  }
}

/** PostgreSQL gives int8 (type 20) as text; all of ours are counts and milliseconds, far below 2^53. */
function parserFor(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
  if (oid === 20 && format !== 'binary') return Number;
  return (format === 'binary'
    ? pg.types.getTypeParser(oid, 'binary')
    : pg.types.getTypeParser(oid)) as unknown as (value: string) => unknown;
}

const migratorConfig: Knex.MigratorConfig = {
  migrationSource: {
    getMigrations: async () => {
      const files = await readdir(MIGRATIONS_FOLDER);
      return files.filter((file) => /^\d{4}-.*\.(ts|js)$/.test(file)).sort();
    },
    // Without the ending, so that a built program knows the rows that a checkout wrote.
    getMigrationName: (file: string) => file.replace(/\.(ts|js)$/, ''),
    getMigration: async (file: string) => ({
      ...((await import(path.join(MIGRATIONS_FOLDER, file))) as { up: Knex.Migration['up'] }),
      down: async () => {
        throw storageErrors.migrationFailed({ file, why: 'forward only' });
      },
    }),
  },
};

function messageWithCode(failure: Error): string {
  return `${String((failure as { code?: unknown }).code)} ${failure.message}`;
}
