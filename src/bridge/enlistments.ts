import type { Log } from '../model/ambient.ts';
import { BridgeError, codeOf } from '../model/errors.ts';
import { type AccountId, accountId } from '../model/ids.ts';
import type { Enlisted } from '../network/network.ts';
import type { Account } from '../storage/storage.ts';
import { backoffMs } from './backoff.ts';
import { interopIdHash } from './derived-ids.ts';
import { Lanes, type StepResult } from './lanes.ts';
import type { Links } from './links.ts';
import type { Notices } from './notices.ts';
import { type BridgeParts, enlistedAccount, type NetworkPart, networkOf, reasonText } from './parts.ts';
import { keyNames } from './prekey-keeper.ts';

/**
 * Carries opt-ins and opt-outs through to the gatekeeper, however long it takes and whatever restarts in between: the
 * account's state (`enlisting`, `leaving`) is the work that is left.
 */
export class Enlistments {
  readonly #parts: BridgeParts;
  readonly #links: Links;
  readonly #notices: Notices;
  readonly #lanes: Lanes;
  readonly #log: Log;
  readonly #failures = new Map<AccountId, number>();

  constructor(parts: BridgeParts, links: Links, notices: Notices) {
    this.#parts = parts;
    this.#links = links;
    this.#notices = notices;
    this.#log = parts.log.child({ part: 'enlistments' });
    this.#lanes = new Lanes({
      step: async (lane) => await this.#advance(accountId(lane)),
      concurrency: 8,
      clock: parts.clock,
      log: this.#log,
    });
  }

  /** There is something to carry through for this account. */
  wake(account: AccountId): void {
    this.#lanes.wake(account);
  }

  async stop(): Promise<void> {
    await this.#lanes.stop();
  }

  async #advance(id: AccountId): Promise<StepResult> {
    const { storage, clock, random } = this.#parts;
    const account = await storage.database.transaction(async (tx) => await storage.accounts.findById(tx, id));
    if (account === undefined || (account.state !== 'enlisting' && account.state !== 'leaving'))
      return 'idle';
    const network = networkOf(this.#parts, account);
    try {
      if (account.state === 'enlisting') await this.#enlist(account, network);
      else await this.#leave(account, network);
      this.#failures.delete(id);
      // Whoever opted out while the enlistment was under way is taken out now.
      return account.state === 'enlisting' ? 'more' : 'idle';
    } catch (failure) {
      const failures = (this.#failures.get(id) ?? 0) + 1;
      this.#failures.set(id, failures);
      this.#log.warn(
        'enlistment not carried through',
        { account: id, code: codeOf(failure), failures },
        failure,
      );
      if (account.enlistment === undefined && isRefusal(failure)) {
        await this.#giveUp(account, network, failure);
        return 'idle';
      }
      if (account.state === 'leaving' && failures === 1) await this.#tellWaiting(account, network, failure);
      return { notBeforeMs: clock.nowMs() + backoffMs(failures, random) };
    }
  }

  async #enlist(account: Account, network: NetworkPart): Promise<void> {
    const enlisted = await this.#register(account, network);
    if (enlisted.state !== 'active' || enlisted.enlistment === undefined) return;
    this.#log.info('account enlisted', { account: account.id, network: account.network });
    await this.#links.open(enlisted);
    await this.#notices.tellUser(account.user, `enlisted ${account.id}`, 'opt-in-done', {
      network: network.adapter.displayName,
      interop: enlisted.enlistment.interopId,
    });
  }

  /** Registers the account's device at the gatekeeper: harmless when it is registered. @returns the account as it is then. */
  async #register(account: Account, network: NetworkPart): Promise<Account> {
    const { storage } = this.#parts;
    const device = await storage.database.transaction(
      async (tx) => await network.signal.publicDevice(tx, account),
    );
    const enlisted = await network.adapter.enlistment.enlist({
      user: account.user,
      termsVersion: network.termsVersion,
      device,
    });
    return await storage.database.transaction(async (tx) => {
      const hash = interopIdHash(await storage.idSecret(tx), account.network, enlisted.interopId);
      await storage.accounts.saveEnlistment(tx, account, toEnlistment(enlisted), hash);
      await network.signal.confirmUploaded(tx, account, [
        ...keyNames(device),
        { kind: 'signed', id: device.signedPrekey.id },
        { kind: 'last-resort', id: device.kyberLastResort.id },
      ]);
      return await storage.accounts.get(tx, account.id);
    });
  }

  /** The gatekeeper refused for good: nothing of the account is kept, and the user reads why. */
  async #giveUp(account: Account, network: NetworkPart, failure: unknown): Promise<void> {
    const name = network.adapter.displayName;
    await this.#notices.tellUser(account.user, `not-enlisted ${account.id}`, 'opt-in-failed', {
      network: name,
      reason: reasonText(this.#parts.texts, failure, name),
    });
    await this.#destroy(account, network);
  }

  async #leave(account: Account, network: NetworkPart): Promise<void> {
    const { clock } = this.#parts;
    await this.#links.close(account.id);
    const unenlisted = await this.#unenlist(account, network);
    const at = new Date(clock.nowMs()).toISOString();
    const rooms = await this.#leaveRooms(account);
    await this.#destroy(account, network);
    this.#log.info('account destroyed', { account: account.id, network: account.network });
    await this.#notices.tellUser(account.user, `left ${account.id}`, 'opt-out-done', {
      network: network.adapter.displayName,
      unenlisted,
      at,
      rooms,
    });
  }

  async #unenlist(account: Account, network: NetworkPart): Promise<'done' | 'was-not-enlisted'> {
    // The answer to an enlistment may have been lost: asking again tells the ids, which the withdrawal needs.
    const known = account.enlistment === undefined ? await this.#register(account, network) : account;
    const own = await this.#parts.storage.database.transaction(
      async (tx) => await enlistedAccount(tx, network, known),
    );
    return await network.adapter.enlistment.unenlist(own);
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
      await matrix.leave({ room, as: matrix.ghostUserId(account.network, contact) });
      await matrix.leave({ room, as: matrix.botUserId });
      left += 1;
    }
    return left;
  }

  async #destroy(account: Account, network: NetworkPart): Promise<void> {
    const { storage } = this.#parts;
    await storage.database.transaction(async (tx) => {
      await network.signal.deleteAll(tx, account);
      await storage.networkInbox.deleteOfAccount(tx, account.id);
      await storage.outbox.deleteOfAccount(tx, account.id);
      await storage.streams.delete(tx, account.id);
      await storage.matrixInbox.settleSealedWith(tx, account.dataKey, 'storage/dataKeyDestroyed');
      await storage.portals.deleteOfAccount(tx, account.id);
      await storage.accounts.delete(tx, account);
    });
  }

  async #tellWaiting(account: Account, network: NetworkPart, failure: unknown): Promise<void> {
    const name = network.adapter.displayName;
    await this.#notices.tellUser(account.user, `leaving ${account.id}`, 'opt-out-waiting', {
      network: name,
      reason: reasonText(this.#parts.texts, failure, name),
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
  };
}
