import type { Log } from '../model/ambient.ts';
import { codeOf } from '../model/errors.ts';
import { type AccountId, accountId } from '../model/ids.ts';
import { backoffMs } from './backoff.ts';
import { bridgeErrors } from './errors.ts';
import type { FateReports } from './fate-reports.ts';
import { type Failures, Lanes, type StepResult } from './lanes.ts';
import type { Links } from './links.ts';
import { type BridgeParts, reasonOf } from './parts.ts';

/** A message that waits for longer is told to be waiting. */
export const LATE_MS = 15_000;
/** Looked at in one step of an account. */
const AT_ONCE = 100;

/**
 * Tells of messages that are encrypted and wait in the outbox since the link is down. While it is up nothing is looked at:
 * what it carries is acknowledged soon, or it goes down.
 */
export class LateMessages {
  readonly #parts: BridgeParts;
  readonly #links: Links;
  readonly #fates: FateReports;
  readonly #lanes: Lanes;
  readonly #log: Log;

  constructor(parts: BridgeParts, links: Links, fates: FateReports) {
    this.#parts = parts;
    this.#links = links;
    this.#fates = fates;
    this.#log = parts.log.child({ part: 'late-messages' });
    this.#lanes = new Lanes({
      step: async (lane, failures) => await this.#look(accountId(lane), failures),
      concurrency: 4,
      clock: parts.clock,
      log: this.#log,
    });
  }

  /** The account's link is not up, or a message was queued: harmless when it is up. */
  wake(account: AccountId): void {
    if (!this.#isUp(account)) this.#lanes.wake(account);
  }

  start(): void {
    this.#lanes.start();
  }

  async stop(): Promise<void> {
    await this.#lanes.stop();
  }

  #isUp(account: AccountId): boolean {
    return this.#links.get(account)?.status.kind === 'online';
  }

  async #look(account: AccountId, before: Failures | undefined): Promise<StepResult> {
    if (this.#isUp(account)) return 'idle';
    const { clock, random } = this.#parts;
    try {
      return await this.#tell(account);
    } catch (failure) {
      const failures = (before?.count ?? 0) + 1;
      this.#log.warn('waiting messages not noted', { account, code: codeOf(failure), failures }, failure);
      return { notBeforeMs: clock.nowMs() + backoffMs(failures, random), failed: true };
    }
  }

  async #tell(account: AccountId): Promise<StepResult> {
    const { storage, clock, texts } = this.#parts;
    const status = this.#links.get(account)?.status;
    const reason =
      (status?.kind === 'waiting' || status?.kind === 'stopped' ? status.reason : undefined) ??
      bridgeErrors.linkDown({ account });
    const { late, nextMs } = await storage.database.transaction(async (tx) => {
      const found = await storage.outbox.listUntold(tx, account, {
        beforeMs: clock.nowMs() - LATE_MS,
        most: AT_ONCE,
      });
      for (const carried of found.late) {
        await storage.fates.save(tx, {
          ...carried,
          account,
          state: 'waiting',
          errorCode: reason.code,
          reason: reasonOf(texts, reason),
        });
      }
      return found;
    });
    for (const room of new Set(late.map((carried) => carried.room))) this.#fates.wake(room);
    if (nextMs !== undefined) return { notBeforeMs: nextMs + LATE_MS };
    return late.length < AT_ONCE ? 'idle' : 'more';
  }
}
