import type { Log } from '../model/ambient.ts';
import { BridgeError, codeOf, hasCode } from '../model/errors.ts';
import { type AccountId, accountId, contactId } from '../model/ids.ts';
import type { Account, WaitingStanza } from '../storage/storage.ts';
import { backoffMs, dueAtMs, LONGEST_WAIT_MS } from './backoff.ts';
import type { BotNotices } from './bot-notices.ts';
import type { Inbound } from './inbound.ts';
import type { InboxBacklog } from './inbox-backlog.ts';
import type { StepResult } from './lanes.ts';
import type { Notices } from './notices.ts';
import { type BridgeParts, networkOf, reasonText } from './parts.ts';

/** After so many attempts that no retry can help, the message is given up visibly. */
const MOST_REFUSALS = 3;
const MOST_UNEXPECTED = 5;

/** One sender's stanzas to one account, one after the other. */
export class NetworkLane {
  readonly #parts: BridgeParts;
  readonly #backlog: InboxBacklog;
  readonly #inbound: Inbound;
  readonly #notices: Notices;
  readonly #botNotices: BotNotices;
  readonly #log: Log;

  constructor(deps: {
    parts: BridgeParts;
    backlog: InboxBacklog;
    inbound: Inbound;
    notices: Notices;
    botNotices: BotNotices;
  }) {
    this.#parts = deps.parts;
    this.#backlog = deps.backlog;
    this.#inbound = deps.inbound;
    this.#notices = deps.notices;
    this.#botNotices = deps.botNotices;
    this.#log = deps.parts.log.child({ part: 'network-lane' });
  }

  static nameOf(account: AccountId, sender: string): string {
    return `${account}|${sender}`;
  }

  /** Takes the lane's oldest stanza one step on. */
  async step(lane: string): Promise<StepResult> {
    const { clock } = this.#parts;
    const cut = lane.indexOf('|');
    const id = accountId(lane.slice(0, cut));
    const sender = lane.slice(cut + 1);
    const found = await this.#find(id, sender);
    if (found === 'unreadable') return 'more';
    if (found === undefined) {
      this.#backlog.seen(id, sender, undefined);
      return 'idle';
    }
    const { account, row } = found;
    const nowMs = clock.nowMs();
    const dueMs = dueAtMs(row.notBeforeMs, nowMs);
    this.#backlog.seen(id, sender, row, dueMs > nowMs && row.errorCode === 'signal/identityChanged');
    if (dueMs > nowMs) return { notBeforeMs: dueMs };
    if (!this.#parts.networks.has(account.network) || account.state === 'leaving') return 'idle';
    try {
      await this.#inbound.advance(account, row);
      return 'more';
    } catch (failure) {
      return await this.#afterFailure(account, sender, row, failure);
    }
  }

  /** The lane's oldest stanza. One that cannot be opened any more is settled: it would block all others. */
  async #find(
    id: AccountId,
    sender: string,
  ): Promise<{ account: Account; row: WaitingStanza } | 'unreadable' | undefined> {
    const { storage } = this.#parts;
    try {
      return await storage.database.transaction(async (tx) => {
        const account = await storage.accounts.findById(tx, id);
        const row = account && (await storage.networkInbox.findNext(tx, account, sender));
        return account && row && { account, row };
      });
    } catch (failure) {
      if (!hasCode(failure, 'storage/sealBroken') && !hasCode(failure, 'storage/dataKeyDestroyed'))
        throw failure;
      this.#parts.metrics.error(failure.code);
      this.#log.error('stored stanza cannot be opened', { account: id }, failure);
      await storage.database.transaction(
        async (tx) => await storage.networkInbox.settleUnreadable(tx, id, sender, failure.code),
      );
      return 'unreadable';
    }
  }

  async #afterFailure(
    account: Account,
    sender: string,
    row: WaitingStanza,
    failure: unknown,
  ): Promise<StepResult> {
    // Another process settled it in the meantime: whatever was to be done is done.
    if (hasCode(failure, 'storage/rowMissing')) return 'more';
    const attempts = row.attempts + 1;
    this.#parts.metrics.error(codeOf(failure));
    this.#log.warn('stanza not handled', { account: account.id, code: codeOf(failure), attempts }, failure);
    if (hasCode(failure, 'signal/identityChanged'))
      return await this.#holdForUser(account, sender, row, failure);
    if (this.#mayHelpLater(row, failure)) return await this.#delay(row, failure);
    const { storage } = this.#parts;
    const network = networkOf(this.#parts, account).adapter.displayName;
    await storage.database.transaction(async (tx) => {
      await this.#botNotices.queue(tx, account.user, `not-shown ${row.rowId}`, 'not-shown', {
        contact: sender.slice(0, sender.indexOf('@')),
        reason: reasonText(this.#parts.texts, failure, network),
      });
      await storage.networkInbox.settle(tx, row.seq, codeOf(failure));
    });
    this.#botNotices.wake(account.user);
    this.#parts.metrics.message({ network: account.network, leg: 'inbound', outcome: 'failed' });
    return 'more';
  }

  /** The contact's key changed: what they write waits, sealed, until the user has decided; the room says so once. */
  async #holdForUser(
    account: Account,
    sender: string,
    row: WaitingStanza,
    failure: BridgeError,
  ): Promise<StepResult> {
    const { storage, texts, settings } = this.#parts;
    try {
      const portal = await storage.database.transaction(
        async (tx) => await storage.portals.find(tx, account.id, contactId(sender)),
      );
      if (portal?.room !== undefined) {
        const contact = sender.slice(0, sender.indexOf('@'));
        const text = texts.say('contact-key-changed', { contact, prefix: settings.commandPrefix });
        await this.#notices.say(portal.room, `key-changed ${row.rowId}`, text);
      }
    } catch (noticeFailure) {
      return await this.#delay(row, noticeFailure);
    }
    // Woken when the user has decided; looked at besides, in case that wake-up was missed.
    const notBeforeMs = this.#parts.clock.nowMs() + LONGEST_WAIT_MS;
    await storage.database.transaction(
      async (tx) => await storage.networkInbox.delay(tx, row.seq, notBeforeMs, failure.code),
    );
    this.#backlog.seen(account.id, sender, row, true);
    return { notBeforeMs };
  }

  #mayHelpLater(row: WaitingStanza, failure: unknown): boolean {
    if (!(failure instanceof BridgeError)) return row.attempts + 1 < MOST_UNEXPECTED;
    return failure.retry === 'later' || row.attempts + 1 < MOST_REFUSALS;
  }

  async #delay(row: WaitingStanza, failure: unknown): Promise<StepResult> {
    const { storage, clock, random } = this.#parts;
    const asked = failure instanceof BridgeError ? Number(failure.facts.retryAfterMs ?? 0) : 0;
    const waitMs = Math.max(asked, backoffMs(row.attempts + 1, random));
    const notBeforeMs = clock.nowMs() + Math.min(waitMs, LONGEST_WAIT_MS);
    await storage.database.transaction(
      async (tx) => await storage.networkInbox.delay(tx, row.seq, notBeforeMs, codeOf(failure)),
    );
    return { notBeforeMs };
  }
}
