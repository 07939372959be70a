/** One account with its Signal device over a real store, and what the suites do with it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { systemRandom } from '../../src/ambient/random.ts';
import { contactId, deviceId, matrixUserId, networkId } from '../../src/model/ids.ts';
import type { SignalMessage } from '../../src/model/prekeys.ts';
import {
  createSignalService,
  type SignalAccount,
  type SignalDeps,
  type SignalService,
} from '../../src/signal/signal.ts';
import { openStorage, type SignalRecords, type Storage, type Tx } from '../../src/storage/storage.ts';
import { heldClock } from '../doubles/held-clock.ts';
import { RecordingLog } from '../doubles/recording-log.ts';
import { SignalPeer } from './signal-peer.ts';
import type { TestDatabase } from './storage.ts';

export const DAY_MS = 24 * 60 * 60 * 1000;
/** Small, so that a test reaches it with few messages. */
export const MAX_SESSION_BYTES = 200_000;
export const BOB = contactId('bob@gk.example');

export class SignalWorld {
  readonly clock = heldClock(Date.UTC(2026, 0, 1));
  readonly log = new RecordingLog();
  readonly #database: TestDatabase;
  readonly #masterKey = randomBytes(32);
  #storage: Storage | undefined;
  #signal: SignalService | undefined;
  #account: SignalAccount | undefined;

  private constructor(database: TestDatabase) {
    this.#database = database;
  }

  /** With an account whose device is made. */
  static async create(create: () => Promise<TestDatabase>): Promise<SignalWorld> {
    const world = new SignalWorld(await create());
    await world.#open();
    world.#account = await world.addAccount('@ada:example.org');
    return world;
  }

  get storage(): Storage {
    return present(this.#storage);
  }

  get signal(): SignalService {
    return present(this.#signal);
  }

  get account(): SignalAccount {
    return present(this.#account);
  }

  async addAccount(user: string): Promise<SignalAccount> {
    return await this.tx(async (tx) => {
      const stored = await this.storage.accounts.insert(tx, networkId('gk'), matrixUserId(user));
      const jid = contactId(`${user.slice(1).replace(':', '.')}@gk.example`);
      const account = { id: stored.id, dataKey: stored.dataKey, jid, device: deviceId(1) };
      await this.signal.createDevice(tx, account);
      return account;
    });
  }

  /** Closes the database and opens it again, as a restart does. */
  async restart(): Promise<void> {
    await this.storage.close();
    await this.#open();
  }

  async close(): Promise<void> {
    assert.deepEqual(await this.storage.checkConsistency(), []);
    await this.storage.close();
    await this.#database.drop();
  }

  async tx<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return await this.storage.database.transaction(work);
  }

  peer(contact = BOB, device = 1): SignalPeer {
    return new SignalPeer(contact, this.clock, device);
  }

  async encrypt(peer: SignalPeer, text: string, account = this.account): Promise<SignalMessage> {
    return await this.signal.inSession(
      account,
      peer.address,
      async (session) => await session.encrypt(Buffer.from(text)),
    );
  }

  async decrypt(peer: SignalPeer, message: SignalMessage, account = this.account): Promise<string> {
    return await this.signal.inSession(account, peer.address, async (session) =>
      Buffer.from(await session.decrypt(message)).toString(),
    );
  }

  async start(peer: SignalPeer, bundle = peer.bundle(), account = this.account): Promise<void> {
    await this.signal.inSession(account, peer.address, async (session) => await session.start(bundle));
  }

  /** A session that both sides have used, begun by us. */
  async talk(peer: SignalPeer): Promise<void> {
    await this.start(peer);
    assert.equal(await peer.decrypt(this.account, await this.encrypt(peer, 'hello')), 'hello');
    assert.equal(await this.decrypt(peer, await peer.encrypt(this.account, 'hello to you')), 'hello to you');
  }

  /** A session that the peer begins; the first message is not yet given to us. */
  async approach(
    peer: SignalPeer,
    text: string,
    use: { prekey?: number; kyber?: number } = {},
    account = this.account,
  ): Promise<SignalMessage> {
    const device = await this.tx(async (tx) => await this.signal.publicDevice(tx, account));
    await peer.start(account, device, use);
    return await peer.encrypt(account, text);
  }

  async #open(): Promise<void> {
    this.#storage = await openStorage({
      database: this.#database.settings,
      masterKey: this.#masterKey,
      clock: this.clock,
      random: systemRandom,
    });
    this.#signal = this.anotherService();
  }

  /** Over the same database, sharing nothing else: as another process would. */
  anotherService(deps: { database?: SignalDeps['database']; records?: SignalRecords } = {}): SignalService {
    const { database, signalRecords } = this.storage;
    return createSignalService({
      database,
      records: signalRecords,
      clock: this.clock,
      random: systemRandom,
      log: this.log,
      settings: {
        initialPrekeys: 20,
        maxPrekeys: 100,
        refillBelow: 0.25,
        rotationDays: 7,
        keepDays: 30,
        maxSessionBytes: MAX_SESSION_BYTES,
      },
      ...deps,
    });
  }
}

/** Runs `work` and gives what it throws. */
export async function failureOf(work: Promise<unknown>): Promise<Error & { code?: string; facts?: object }> {
  try {
    await work;
  } catch (failure) {
    return failure as Error;
  }
  return assert.fail('it did not fail');
}

export function present<T>(value: T | undefined): T {
  assert.ok(value !== undefined);
  return value;
}

/** The same repository, one method of which finds the disk full. */
export function failingIn(method: keyof SignalRecords, records: SignalRecords): SignalRecords {
  return new Proxy(records, {
    get: (target, name: keyof SignalRecords) => {
      if (name === method) return async () => await Promise.reject(new RangeError('disk full'));
      return (target[name] as (...args: unknown[]) => unknown).bind(target);
    },
  });
}
