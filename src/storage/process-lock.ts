import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { storageErrors } from './errors.ts';

/** Held by the one process that works a database on PostgreSQL. */
const PROCESS_LOCK = '7237954631';
const ATTEMPTS_AT_START = 20;
const PAUSE_MS = 250;
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Keeps a second process away from a database on PostgreSQL: an advisory lock on a connection of its own. When the server
 * ends that connection, the lock is gone, and has to be taken again before anything else is done.
 */
export class ProcessLock {
  readonly #url: string;
  #client: pg.Client | undefined;
  #taking: Promise<void> | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  get isHeld(): boolean {
    return this.#client !== undefined;
  }

  /**
   * Waits a little for it: a process that was killed a moment ago holds it until the server has noticed.
   * @throws BridgeError `storage/inUse`; what the connection throws.
   */
  async takeAtStart(): Promise<void> {
    await this.#takeOnce(ATTEMPTS_AT_START);
  }

  /** Takes it again if it was lost. @throws as `takeAtStart`, without the waiting. */
  async keep(): Promise<void> {
    if (!this.isHeld) await this.#takeOnce(1);
  }

  /** A second call is harmless. */
  async release(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => {
      /* the server is gone, and the lock with it */
    });
  }

  /** However many wait for it at once, one takes it. */
  async #takeOnce(attempts: number): Promise<void> {
    this.#taking ??= this.#take(attempts).finally(() => {
      this.#taking = undefined;
    });
    await this.#taking;
  }

  async #take(attempts: number): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#url,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      // An end that nobody told us of must not be taken for a lock that is held.
      keepAlive: true,
    });
    const lost = () => {
      if (this.#client === client) this.#client = undefined;
    };
    client.on('error', lost);
    client.on('end', lost);
    try {
      await client.connect();
      for (let attempt = 1; !(await tryLock(client)); attempt += 1) {
        if (attempt >= attempts) throw storageErrors.inUse({ type: 'postgres' });
        await setTimeout(PAUSE_MS);
      }
      this.#client = client;
    } catch (failure) {
      await client.end().catch(() => {
        /* it never was a connection */
      });
      throw failure;
    }
  }
}

async function tryLock(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(
    `select pg_try_advisory_lock(${PROCESS_LOCK}) as locked`,
  );
  return rows[0]?.locked === true;
}
