/**
 * Locks around the ratchet. libsignal takes none: two encryptions that read the same session give two messages under
 * one key.
 *
 * Order, always the same, so that nobody waits in a circle:
 *   1. in process, on (account, contact, device) — before a transaction is opened: SQLite has one connection, and a
 *      waiter that held it would stop the one it waits for;
 *   2. in the database, on (account, contact, device) — the transaction's first statement;
 *   3. in the database, on the account, where prekeys are read or written: all sessions of an account share them.
 * A transaction holds at most one lock of the second kind while it waits for one of the third.
 */
import type { AccountId } from '../model/ids.ts';
import type { Database, Tx } from '../storage/storage.ts';
import type { SignalAddress } from './address.ts';

/** Runs pieces of work under the same key one after another, in the order of their calls; others side by side. */
export class KeyedLock {
  readonly #last = new Map<string, Promise<void>>();

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#last.set(key, released);
    await before;
    try {
      return await work();
    } finally {
      release();
      // Nobody came after us: forget the key, or the map would grow with every contact ever met.
      if (this.#last.get(key) === released) this.#last.delete(key);
    }
  }
}

/** Names the session with one device of a contact. */
export function sessionKey(account: AccountId, { contact, device }: SignalAddress): string {
  return `signal/session/${account}/${contact}/${device}`;
}

/** Names what all sessions of an account share: identity, prekeys, id counters. */
export function accountKey(account: AccountId): string {
  return `signal/account/${account}`;
}

/**
 * Waits for the database's own lock on `key`; it is held to the end of the transaction and seen by all processes.
 *
 * On SQLite there is nothing to take: the file belongs to one process and its transactions run one after another.
 * On PostgreSQL it must not be taken inside a savepoint, whose rollback would release it. Transactions there are READ
 * COMMITTED, so what is read after the wait is what the holder before us committed.
 */
export async function lockInDatabase(type: Database['type'], tx: Tx, key: string): Promise<void> {
  if (type === 'sqlite') return;
  await tx.raw('select pg_advisory_xact_lock(hashtextextended(?, 0))', [key]);
}
