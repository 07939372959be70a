import type { Log } from '../model/ambient.ts';
import { codeOf } from '../model/errors.ts';
import { type AccountId, accountId } from '../model/ids.ts';
import type { Link, OneTimeKeys } from '../network/network.ts';
import type { Account } from '../storage/storage.ts';
import { backoffMs } from './backoff.ts';
import { type Failures, Lanes, type StepResult } from './lanes.ts';
import type { Links } from './links.ts';
import { type BridgeParts, networkOf } from './parts.ts';

/** How often stock and age are looked at when nothing else asks for it. */
const LOOK_EVERY_MS = 6 * 60 * 60_000;

/**
 * Keeps each account's public keys at the keys service fresh: one-time keys filled up, signed and last-resort keys rotated.
 * Keys are stored before they are uploaded and confirmed after, so a crash in between uploads the same ones again.
 */
export class PrekeyKeeper {
  readonly #parts: BridgeParts;
  readonly #links: Links;
  readonly #lanes: Lanes;
  readonly #log: Log;

  constructor(parts: BridgeParts, links: Links) {
    this.#parts = parts;
    this.#links = links;
    this.#log = parts.log.child({ part: 'prekeys' });
    this.#lanes = new Lanes({
      step: async (lane, failures) => await this.#look(accountId(lane), failures),
      concurrency: 4,
      clock: parts.clock,
      log: this.#log,
    });
  }

  /** Looks at this account's keys soon: it came online, or the service said that few are left. */
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
    const { clock, random, storage } = this.#parts;
    const link = this.#links.get(id);
    if (link?.status.kind !== 'online') return 'idle';
    const account = await storage.database.transaction(async (tx) => await storage.accounts.get(tx, id));
    try {
      await this.#fillUp(account, link);
      await this.#rotate(account, link);
      return { notBeforeMs: clock.nowMs() + LOOK_EVERY_MS };
    } catch (failure) {
      const failures = (before?.count ?? 0) + 1;
      this.#log.warn('keys not refreshed', { account: id, code: codeOf(failure), failures }, failure);
      return { notBeforeMs: clock.nowMs() + backoffMs(failures, random), failed: true };
    }
  }

  async #fillUp(account: Account, link: Link): Promise<void> {
    const { database } = this.#parts.storage;
    const { signal } = networkOf(this.#parts, account);
    const counts = await link.keys.count();
    const missing = await database.transaction(async (tx) => await signal.topUp(tx, account, counts));
    if (missing.prekeys.length + missing.kyberPrekeys.length === 0) return;
    await link.keys.uploadPrekeys(missing, async (taken) => {
      await database.transaction(async (tx) => await signal.confirmUploaded(tx, account, keyNames(taken)));
    });
    this.#log.info('one-time keys uploaded', {
      account: account.id,
      prekeys: missing.prekeys.length,
      kyber: missing.kyberPrekeys.length,
    });
  }

  async #rotate(account: Account, link: Link): Promise<void> {
    const { database } = this.#parts.storage;
    const { signal } = networkOf(this.#parts, account);
    const due = await database.transaction(async (tx) => await signal.rotateSigned(tx, account));
    if (due === undefined) return;
    await link.keys.uploadSigned(due);
    await database.transaction(
      async (tx) =>
        await signal.confirmUploaded(tx, account, [
          { kind: 'signed', id: due.signedPrekey.id },
          { kind: 'last-resort', id: due.kyberLastResort.id },
        ]),
    );
    this.#log.info('signed keys rotated', { account: account.id });
  }
}

/** The names of one-time keys, as the Signal room knows them. */
export function keyNames(keys: OneTimeKeys) {
  return [
    ...keys.prekeys.map(({ id }) => ({ kind: 'one-time', id }) as const),
    ...keys.kyberPrekeys.map(({ id }) => ({ kind: 'kyber', id }) as const),
  ];
}
