import type { Log } from '../model/ambient.ts';
import { BridgeError, codeOf } from '../model/errors.ts';
import { type AccountId, accountId } from '../model/ids.ts';
import type { Enlisted } from '../network/network.ts';
import type { Account, Tx } from '../storage/storage.ts';
import { backoffMs } from './backoff.ts';
import type { BotNotices } from './bot-notices.ts';
import { interopIdHash } from './derived-ids.ts';
import { REMEMBER_MS } from './housekeeping.ts';
import { type Failures, Lanes, type StepResult } from './lanes.ts';
import type { Links } from './links.ts';
import { type BridgeParts, enlistedAccount, type NetworkPart, networkOf, reasonText } from './parts.ts';
import { keyNames } from './prekey-keeper.ts';

/** How often a suspended account is looked at when no push says that it changed. */
const SUSPENDED_LOOK_MS = 60 * 60_000;
/** A gatekeeper that cannot be reached for so long holds up nobody's deletion here. */
const LEAVE_WITHOUT_ANSWER_MS = 7 * 24 * 60 * 60_000;

/** How the gatekeeper's side of an opt-out ended. */
type Unenlisted = Readonly<{ kind: 'done' | 'was-not-enlisted' | 'never-asked' | 'refused'; code: string }>;

/**
 * Carries opt-ins and opt-outs through to the gatekeeper, however long it takes and whatever restarts in between, and
 * watches over suspensions: the account's state is the work that is left.
 */
export class Enlistments {
  readonly #parts: BridgeParts;
  readonly #links: Links;
  readonly #notices: BotNotices;
  readonly #lanes: Lanes;
  readonly #log: Log;

  constructor(parts: BridgeParts, links: Links, notices: BotNotices) {
    this.#parts = parts;
    this.#links = links;
    this.#notices = notices;
    this.#log = parts.log.child({ part: 'enlistments' });
    this.#lanes = new Lanes({
      step: async (lane, failures) => await this.#advance(accountId(lane), failures),
      concurrency: 8,
      clock: parts.clock,
      log: this.#log,
    });
  }

  /** There is something to carry through for this account. */
  wake(account: AccountId): void {
    this.#lanes.wake(account);
  }

  /** Notes in the caller's transaction that the gatekeeper has suspended the account, and tells its person; then `wake`. */
  async suspend(tx: Tx, account: Account): Promise<void> {
    const { storage, clock, networks } = this.#parts;
    await storage.accounts.saveState(tx, account.id, 'suspended');
    // The suspension says it all: that the login is refused, and later is not, would only be words.
    await storage.accounts.saveRefusedTold(tx, account.id, false);
    const network = networks.get(account.network)?.adapter.displayName ?? account.network;
    const key = `suspended ${account.id} ${clock.nowMs()}`;
    await this.#notices.queue(tx, account.user, key, 'suspended', { network });
  }

  start(): void {
    this.#lanes.start();
  }

  async stop(): Promise<void> {
    await this.#lanes.stop();
  }

  async #advance(id: AccountId, before: Failures | undefined): Promise<StepResult> {
    const { storage } = this.#parts;
    const account = await storage.database.transaction(async (tx) => await storage.accounts.findById(tx, id));
    if (account === undefined || !this.#parts.networks.has(account.network)) return 'idle';
    try {
      return await this.#step(account, networkOf(this.#parts, account), before);
    } catch (failure) {
      return await this.#afterFailure(account, failure, (before?.count ?? 0) + 1);
    }
  }

  async #step(account: Account, network: NetworkPart, before: Failures | undefined): Promise<StepResult> {
    switch (account.state) {
      case 'enlisting':
        await this.#register(account, network);
        // The account is active now, or the user has opted out meanwhile.
        return 'more';
      case 'active':
        await this.#links.open(account.id);
        return 'idle';
      case 'suspended':
        return await this.#lookAtSuspended(account, network);
      case 'leaving':
        await this.#leave(account, network, before);
        return 'idle';
      default:
        return account.state satisfies never;
    }
  }

  async #afterFailure(account: Account, failure: unknown, failures: number): Promise<StepResult> {
    const { clock, random } = this.#parts;
    const facts = { account: account.id, state: account.state, failures };
    this.#log.warn('enlistment not carried through', { ...facts, code: codeOf(failure) }, failure);
    // A commit whose answer was lost has queued its notice all the same.
    this.#notices.wake(account.user);
    if (account.state === 'enlisting' && isRefusal(failure)) {
      await this.#giveUp(account, networkOf(this.#parts, account), failure);
      return 'idle';
    }
    if (account.state === 'leaving' && failures === 1) await this.#tellWaiting(account, failure);
    const asked = failure instanceof BridgeError ? Number(failure.facts.retryAfterMs ?? 0) : 0;
    return { notBeforeMs: clock.nowMs() + Math.max(asked, backoffMs(failures, random)), failed: true };
  }

  /** Registers the account's device at the gatekeeper; harmless when it is registered. */
  async #register(account: Account, network: NetworkPart): Promise<void> {
    const { storage } = this.#parts;
    const device = await storage.database.transaction(async (tx) => {
      await storage.accounts.saveAsked(tx, account.id);
      return await network.signal.publicDevice(tx, account);
    });
    // crash point: enlistment-asked
    const enlisted = await network.adapter.enlistment.enlist({
      user: account.user,
      termsVersion: network.termsVersion,
      device,
    });
    // crash point: enlistment-answered
    await storage.database.transaction(async (tx) => {
      const hash = interopIdHash(await storage.idSecret(tx), account.network, enlisted.interopId);
      await storage.accounts.saveEnlistment(tx, account, toEnlistment(enlisted), hash);
      await network.signal.confirmUploaded(tx, account, [
        ...keyNames(device),
        { kind: 'signed', id: device.signedPrekey.id },
        { kind: 'last-resort', id: device.kyberLastResort.id },
      ]);
      const now = await storage.accounts.get(tx, account.id);
      if (now.state !== 'active') return;
      await this.#notices.queue(tx, account.user, `enlisted ${account.id}`, 'opt-in-done', {
        network: network.adapter.displayName,
        interop: enlisted.interopId,
      });
    });
    this.#notices.wake(account.user);
    // crash point: enlistment-saved
    this.#log.info('account enlisted', { account: account.id, network: account.network });
  }

  /** The gatekeeper refused for good: nothing of the account is kept, and the user reads why. */
  async #giveUp(account: Account, network: NetworkPart, failure: unknown): Promise<void> {
    const name = network.adapter.displayName;
    const reason = reasonText(this.#parts.texts, failure, name);
    await this.#destroy(account, network, `not-enlisted ${account.id}`, 'opt-in-failed', {
      network: name,
      reason,
    });
  }

  async #lookAtSuspended(account: Account, network: NetworkPart): Promise<StepResult> {
    const { storage, clock } = this.#parts;
    await this.#links.close(account.id);
    const own = await storage.database.transaction(async (tx) => await enlistedAccount(tx, network, account));
    const { state } = await network.adapter.enlistment.self(own);
    if (state === 'suspended') return { notBeforeMs: clock.nowMs() + SUSPENDED_LOOK_MS };
    await storage.database.transaction(async (tx) => {
      await storage.accounts.saveState(tx, account.id, 'active');
      const key = `resumed ${account.id} ${clock.nowMs()}`;
      await this.#notices.queue(tx, account.user, key, 'resumed', { network: network.adapter.displayName });
    });
    this.#notices.wake(account.user);
    return 'more';
  }

  async #leave(account: Account, network: NetworkPart, before: Failures | undefined): Promise<void> {
    const { clock } = this.#parts;
    await this.#links.close(account.id);
    const unenlisted = await this.#unenlist(account, network, before?.sinceMs ?? clock.nowMs());
    const at = new Date(clock.nowMs()).toISOString();
    const rooms = await this.#leaveRooms(account);
    await this.#destroy(account, network, `left ${account.id}`, 'opt-out-done', {
      network: network.adapter.displayName,
      unenlisted: unenlisted.kind,
      code: unenlisted.code,
      at,
      rooms,
      days: REMEMBER_MS / (24 * 60 * 60_000),
    });
    this.#log.info('account destroyed', { account: account.id, network: account.network });
  }

  /** Ends the account at the gatekeeper. What it refuses for good does not keep the user's keys alive here. */
  async #unenlist(account: Account, network: NetworkPart, failingSinceMs: number): Promise<Unenlisted> {
    const { storage, clock } = this.#parts;
    if (account.askedAtMs === undefined) return { kind: 'never-asked', code: '' };
    try {
      if (account.enlistment === undefined) {
        // The answer to the enlistment was lost: asking again tells the ids, which the withdrawal needs.
        await this.#register(account, network);
      }
      const own = await storage.database.transaction(
        async (tx) => await enlistedAccount(tx, network, await storage.accounts.get(tx, account.id)),
      );
      return { kind: await network.adapter.enlistment.unenlist(own), code: '' };
    } catch (failure) {
      const waitedMs = clock.nowMs() - failingSinceMs;
      if (!isRefusal(failure) && waitedMs < LEAVE_WITHOUT_ANSWER_MS) throw failure;
      this.#log.warn('gatekeeper did not confirm an opt-out', { account: account.id }, failure);
      return { kind: 'refused', code: codeOf(failure) };
    }
  }

  /** The ghost and the bot go; the room and what was said in it stay with the user. */
  async #leaveRooms(account: Account): Promise<number> {
    const { storage, matrix } = this.#parts;
    const portals = await storage.database.transaction(
      async (tx) => await storage.portals.listOfAccount(tx, account.id),
    );
    let left = 0;
    for (const { room, contact } of portals) {
      if (room === undefined) continue;
      for (const as of [matrix.ghostUserId(account.network, contact), matrix.botUserId]) {
        await matrix.leave({ room, as }).catch((failure: unknown) => {
          // A room that is gone, or has thrown us out, is left.
          if (!isRefusal(failure)) throw failure;
        });
      }
      left += 1;
    }
    return left;
  }

  /** One transaction: all rows, the key, and the notice that says so. */
  async #destroy(
    account: Account,
    network: NetworkPart,
    key: string,
    text: string,
    args: Readonly<Record<string, string | number>>,
  ): Promise<void> {
    const { storage } = this.#parts;
    await storage.database.transaction(async (tx) => {
      await network.signal.deleteAll(tx, account);
      await storage.networkInbox.deleteOfAccount(tx, account.id);
      await storage.outbox.deleteOfAccount(tx, account.id);
      await storage.streams.delete(tx, account.id);
      await storage.fates.deleteOfAccount(tx, account.id);
      await storage.sentMessages.deleteOfAccount(tx, account.id);
      await storage.missingMessages.deleteOfAccount(tx, account.id);
      await storage.reactions.deleteOfAccount(tx, account.id);
      await storage.expirations.deleteOfAccount(tx, account.id);
      await storage.matrixInbox.settleSealedWith(tx, account.dataKey, 'storage/dataKeyDestroyed');
      await storage.hostedMedia.leaveOfAccount(tx, account.id);
      await storage.portals.deleteOfAccount(tx, account.id);
      await storage.accounts.delete(tx, account);
      await storage.ghosts.deleteUnused(tx);
      await this.#notices.queue(tx, account.user, key, text, args);
    });
    this.#links.forget(account.id);
    this.#notices.wake(account.user);
  }

  async #tellWaiting(account: Account, failure: unknown): Promise<void> {
    const network = networkOf(this.#parts, account).adapter.displayName;
    await this.#notices.tell(account.user, `leaving ${account.id}`, 'opt-out-waiting', {
      network,
      reason: reasonText(this.#parts.texts, failure, network),
    });
  }
}

function isRefusal(failure: unknown): boolean {
  return failure instanceof BridgeError && failure.retry !== 'later';
}

function toEnlistment(enlisted: Enlisted) {
  const { interopId, jid, device, host, port, capabilities } = enlisted;
  return {
    interopId,
    jid,
    device,
    host,
    port,
    capabilities: [...capabilities.kinds],
    limits: capabilities.limits,
    media: capabilities.media,
  };
}
