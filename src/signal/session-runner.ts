import type { Clock, Log } from '../model/ambient.ts';
import type { ContactId, DeviceId } from '../model/ids.ts';
import type { AccountKey, Database, SignalRecords, Tx } from '../storage/storage.ts';
import type { SignalAccount, SignalAddress } from './address.ts';
import { OpenSession } from './open-session.ts';
import type { RemoteIdentities } from './remote-identities.ts';
import { KeyedLock, lockInDatabase, sessionKey } from './session-lock.ts';
import type { SignalSession } from './signal-session.ts';
import { SignalStores } from './signal-stores.ts';

export type SessionRunnerDeps = Readonly<{
  database: Pick<Database, 'transaction' | 'type'>;
  records: SignalRecords;
  identities: RemoteIdentities;
  clock: Clock;
  log: Log;
  maxSessionBytes: number;
}>;

/** Opens sessions: locks, transaction, and what must outlive a transaction that was rolled back. */
export class SessionRunner {
  readonly #deps: SessionRunnerDeps;
  readonly #locks = new KeyedLock();

  constructor(deps: SessionRunnerDeps) {
    this.#deps = deps;
  }

  async run<T>(
    account: SignalAccount,
    address: SignalAddress,
    work: (session: SignalSession) => Promise<T>,
  ): Promise<T> {
    const key = sessionKey(account.id, address);
    return await this.#locks.run(key, async () => {
      let changedKey: Uint8Array | undefined;
      try {
        return await this.#transaction(key, async (tx) => {
          const { records, clock, database, maxSessionBytes } = this.#deps;
          const session = new OpenSession({
            tx,
            databaseType: database.type,
            records,
            clock,
            account,
            address,
            maxSessionBytes,
            onChangedIdentity: (refused) => {
              changedKey = refused;
            },
          });
          return await work(session);
        });
      } finally {
        // After the transaction and outside of it: the refusal has most likely rolled it back.
        if (changedKey !== undefined) await this.#notePending(key, account, address, changedKey);
      }
    });
  }

  async listDevices(tx: Tx, account: AccountKey, contact: ContactId): Promise<DeviceId[]> {
    const { records, clock, maxSessionBytes } = this.#deps;
    const usable: DeviceId[] = [];
    for (const device of await records.listSessionDevices(tx, account, contact)) {
      const stores = new SignalStores({
        tx,
        records,
        account,
        address: { contact, device },
        maxSessionBytes,
      });
      const session = await stores.getSession();
      if (session?.hasCurrentState(new Date(clock.nowMs()))) usable.push(device);
    }
    return usable;
  }

  async #transaction<T>(key: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    const { database } = this.#deps;
    return await database.transaction(async (tx) => {
      await lockInDatabase(database.type, tx, key);
      return await work(tx);
    });
  }

  async #notePending(
    key: string,
    account: SignalAccount,
    address: SignalAddress,
    changedKey: Uint8Array,
  ): Promise<void> {
    try {
      await this.#transaction(key, async (tx) => {
        await this.#deps.identities.notePending(tx, account, address, changedKey);
      });
    } catch (failure) {
      // What `work` gave or threw matters more, and the contact's next message or bundle shows the key again.
      const facts = { account: account.id, contact: address.contact, device: address.device };
      this.#deps.log.error('a changed identity key was refused but not noted', facts, failure);
    }
  }
}
