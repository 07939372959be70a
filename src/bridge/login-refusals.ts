import type { Log } from '../model/ambient.ts';
import { codeOf, hasCode } from '../model/errors.ts';
import { type AccountId, accountId } from '../model/ids.ts';
import type { LinkStatus } from '../network/network.ts';
import type { Account } from '../storage/storage.ts';
import { backoffMs } from './backoff.ts';
import type { BotNotices } from './bot-notices.ts';
import type { Enlistments } from './enlistments.ts';
import { type Failures, Lanes, type StepResult } from './lanes.ts';
import type { Links } from './links.ts';
import { type BridgeParts, enlistedAccount, networkOf } from './parts.ts';

/** The first refusal may be an aged token: a fresh one is tried at once. With the second one it lasts. */
const LASTING = 2;

/**
 * What people are told when their network does not let them in, and when it does again: each once, over restarts too. A
 * suspension of which no push has told is found out here.
 */
export class LoginRefusals {
  readonly #parts: BridgeParts;
  readonly #links: Links;
  readonly #enlistments: Enlistments;
  readonly #notices: BotNotices;
  readonly #lanes: Lanes;
  readonly #log: Log;
  /** Refusals in a row, of accounts that are refused now. */
  readonly #refusals = new Map<AccountId, number>();

  constructor(parts: BridgeParts, links: Links, enlistments: Enlistments, notices: BotNotices) {
    this.#parts = parts;
    this.#links = links;
    this.#enlistments = enlistments;
    this.#notices = notices;
    this.#log = parts.log.child({ part: 'login-refusals' });
    this.#lanes = new Lanes({
      step: async (lane, failures) => await this.#look(accountId(lane), failures),
      concurrency: 4,
      clock: parts.clock,
      log: this.#log,
    });
  }

  /** The account's link has this status now. */
  note(account: AccountId, status: LinkStatus): void {
    if (status.kind === 'connecting') return;
    if (status.kind === 'waiting' && isRefusal(status.reason)) {
      const count = (this.#refusals.get(account) ?? 0) + 1;
      this.#refusals.set(account, count);
      if (count >= LASTING) this.#lanes.wake(account);
      return;
    }
    this.#refusals.delete(account);
    if (status.kind === 'online') this.#lanes.wake(account);
  }

  start(): void {
    this.#lanes.start();
  }

  async stop(): Promise<void> {
    await this.#lanes.stop();
  }

  async #look(id: AccountId, before: Failures | undefined): Promise<StepResult> {
    const { storage, clock, random } = this.#parts;
    try {
      const account = await storage.database.transaction(
        async (tx) => await storage.accounts.findById(tx, id),
      );
      if (account?.state !== 'active') return 'idle';
      if (this.#links.get(id)?.status.kind === 'online') await this.#tellLetIn(account);
      else if ((this.#refusals.get(id) ?? 0) >= LASTING) await this.#tellRefused(account);
      return 'idle';
    } catch (failure) {
      const failures = (before?.count ?? 0) + 1;
      this.#log.warn('refused login not told', { account: id, code: codeOf(failure), failures }, failure);
      return { notBeforeMs: clock.nowMs() + backoffMs(failures, random), failed: true };
    }
  }

  async #tellRefused(account: Account): Promise<void> {
    const { storage } = this.#parts;
    const isSuspended = await this.#isSuspended(account);
    await storage.database.transaction(async (tx) => {
      if (isSuspended) await this.#enlistments.suspend(tx, account);
      else if (await storage.accounts.saveRefusedTold(tx, account.id, true)) {
        await this.#queue(tx, account, 'login-refused');
      }
    });
    this.#notices.wake(account.user);
    if (isSuspended) this.#enlistments.wake(account.id);
  }

  async #tellLetIn(account: Account): Promise<void> {
    const { storage } = this.#parts;
    await storage.database.transaction(async (tx) => {
      if (await storage.accounts.saveRefusedTold(tx, account.id, false)) {
        await this.#queue(tx, account, 'login-restored');
      }
    });
    this.#notices.wake(account.user);
  }

  /** Asks the gatekeeper itself; one that does not answer has refused the login all the same. */
  async #isSuspended(account: Account): Promise<boolean> {
    const { storage } = this.#parts;
    const network = networkOf(this.#parts, account);
    const own = await storage.database.transaction(async (tx) => await enlistedAccount(tx, network, account));
    try {
      return (await network.adapter.enlistment.self(own)).state === 'suspended';
    } catch (failure) {
      this.#log.info('reason of a refused login not known', { account: account.id, code: codeOf(failure) });
      return false;
    }
  }

  async #queue(tx: Parameters<BotNotices['queue']>[0], account: Account, text: string): Promise<void> {
    const { clock, settings } = this.#parts;
    await this.#notices.queue(tx, account.user, `${text} ${account.id} ${clock.nowMs()}`, text, {
      network: networkOf(this.#parts, account).adapter.displayName,
      contact: settings.operator.contact,
    });
  }
}

function isRefusal(reason: unknown): boolean {
  return hasCode(reason, 'stream/notAuthorized') || hasCode(reason, 'stream/tokenUnavailable');
}
