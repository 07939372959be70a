import type { Log } from '../model/ambient.ts';
import { BridgeError } from '../model/errors.ts';
import { type AccountId, accountId } from '../model/ids.ts';
import type { Account, Enlistment } from '../storage/storage.ts';
import { backoffMs } from './backoff.ts';
import { roomFeatures } from './capability-table.ts';
import { type Failures, Lanes, type StepResult } from './lanes.ts';
import { type BridgeParts, enlistedAccount, networkOf } from './parts.ts';

/** Asked again at a login after this long: networks change what they take once in months. */
const FRESH_MS = 6 * 60 * 60_000;
const MOST_FAILURES = 5;

/** Learns at logins what the network accepts now; when that has changed, rooms and rules follow. */
export class CapabilityKeeper {
  readonly #parts: BridgeParts;
  readonly #lanes: Lanes;
  readonly #log: Log;
  readonly #askedAtMs = new Map<AccountId, number>();

  constructor(parts: BridgeParts) {
    this.#parts = parts;
    this.#log = parts.log.child({ part: 'capability-keeper' });
    this.#lanes = new Lanes({
      step: async (lane, failures) => await this.#look(accountId(lane), failures),
      concurrency: 2,
      clock: parts.clock,
      log: this.#log,
    });
  }

  /** The account is logged in. */
  wake(account: AccountId): void {
    this.#lanes.wake(account);
  }

  start(): void {
    this.#lanes.start();
  }

  async stop(): Promise<void> {
    await this.#lanes.stop();
  }

  async #look(id: AccountId, before: Failures | undefined): Promise<StepResult> {
    const { clock, random } = this.#parts;
    if (clock.nowMs() - (this.#askedAtMs.get(id) ?? Number.NEGATIVE_INFINITY) < FRESH_MS) return 'idle';
    try {
      await this.#refresh(id);
      this.#askedAtMs.set(id, clock.nowMs());
      return 'idle';
    } catch (failure) {
      const failures = (before?.count ?? 0) + 1;
      this.#log.warn('capabilities not learnt', { account: id, failures }, failure);
      // What was told before holds on; the next login asks again.
      if (!(failure instanceof BridgeError) || failure.retry !== 'later' || failures >= MOST_FAILURES) {
        return 'idle';
      }
      return { notBeforeMs: clock.nowMs() + backoffMs(failures, random), failed: true };
    }
  }

  async #refresh(id: AccountId): Promise<void> {
    const { storage } = this.#parts;
    const found = await storage.database.transaction(async (tx) => {
      const account = await storage.accounts.findById(tx, id);
      if (account?.state !== 'active' || account.enlistment === undefined) return undefined;
      const network = networkOf(this.#parts, account);
      return { account, network, own: await enlistedAccount(tx, network, account) };
    });
    const { enlistment } = found?.account ?? {};
    if (found === undefined || enlistment === undefined) return;
    const { capabilities } = await found.network.adapter.enlistment.self(found.own);
    if (capabilities === undefined) return;
    const { kinds, limits, media } = capabilities;
    const now: Enlistment = { ...enlistment, capabilities: [...kinds], limits, media };
    if (JSON.stringify(roomFeatures(now)) === JSON.stringify(roomFeatures(enlistment))) return;
    await storage.database.transaction(
      async (tx) => await storage.accounts.saveCapabilities(tx, found.account, now),
    );
    this.#log.info('capabilities changed', { account: id });
    await this.#tellRooms(found.account, now);
  }

  async #tellRooms(account: Account, enlistment: Enlistment): Promise<void> {
    const { storage, matrix } = this.#parts;
    const portals = await storage.database.transaction(
      async (tx) => await storage.portals.listOfAccount(tx, account.id),
    );
    for (const { room } of portals) {
      if (room === undefined) continue;
      await matrix.sendState({
        room,
        as: matrix.botUserId,
        type: 'com.beeper.room_features',
        stateKey: '',
        content: roomFeatures(enlistment),
      });
    }
  }
}
