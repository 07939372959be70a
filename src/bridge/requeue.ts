import type { Log } from '../model/ambient.ts';
import { BridgeError, codeOf } from '../model/errors.ts';
import type { DeviceId, MessageId, RoomId } from '../model/ids.ts';
import type {
  Account,
  FailedFate,
  FailedFilter,
  FateArguments,
  MessageRecord,
  Portal,
} from '../storage/storage.ts';
import { stanzaOf } from './derived-ids.ts';
import type { FateReports } from './fate-reports.ts';
import type { Links } from './links.ts';
import type { Outbound } from './outbound.ts';
import { type BridgeParts, networkOf, reasonOf, signalAccount } from './parts.ts';

/** `refused`: the reason for which it would fail again, or for which it cannot be sent, as the id of a text with what it names. */
export type RequeueResult = Readonly<
  { kind: 'requeued' } | { kind: 'refused'; reason: string; args: FateArguments }
>;

/** Failures that no second attempt changes; of these nothing is kept. */
export const FINAL_REASONS: ReadonlySet<string> = new Set([
  'reason-not-your-chat',
  'reason-unsupported',
  'reason-encrypted',
  'reason-target-unknown',
  'reason-edit-too-late',
  'reason-delete-too-late',
  'reason-delete-unknown',
]);

/**
 * Puts messages that failed back into the way, as late ones. What was never encrypted waits in the inbox again, before
 * what came after it. What was encrypted is encrypted anew, from the plaintext that is kept, under the same ids, so that an
 * app which has the first copy all the same knows the second one; the old bytes are not sent again.
 */
export class Requeue {
  readonly #parts: BridgeParts;
  readonly #links: Links;
  readonly #outbound: Outbound;
  readonly #fates: FateReports;
  readonly #wakeRoom: (account: Account, room: RoomId) => void;
  readonly #log: Log;

  constructor(deps: {
    parts: BridgeParts;
    links: Links;
    outbound: Outbound;
    fates: FateReports;
    /** An event waits in this room's lane. */
    wakeRoom: (account: Account, room: RoomId) => void;
  }) {
    this.#parts = deps.parts;
    this.#links = deps.links;
    this.#outbound = deps.outbound;
    this.#fates = deps.fates;
    this.#wakeRoom = deps.wakeRoom;
    this.#log = deps.parts.log.child({ part: 'requeue' });
  }

  /** What has failed, in the order in which it was written. */
  async list(filter: FailedFilter, limit: number): Promise<FailedFate[]> {
    const { storage } = this.#parts;
    return await storage.database.transaction(
      async (tx) => await storage.fates.listFailed(tx, filter, limit),
    );
  }

  /** Harmless a second time: what is on its way, or has arrived, stays as it is. Asks the network where it must. */
  async requeue(fate: FailedFate): Promise<RequeueResult> {
    const { storage } = this.#parts;
    const found = await storage.database.transaction(async (tx) => {
      const account = await storage.accounts.findById(tx, fate.account);
      const portal = await storage.portals.findByRoom(tx, fate.room);
      if (account === undefined || portal?.account !== account.id) return undefined;
      return {
        account,
        portal,
        kept: await storage.matrixInbox.findKept(tx, fate.event),
        messages: await storage.messages.listOfEvent(tx, portal.id, fate.event),
      };
    });
    if (found === undefined || !this.#parts.networks.has(found.account.network)) {
      return refused('reason-not-connected');
    }
    const { account } = found;
    try {
      return await this.#putBack(fate, found);
    } finally {
      // Also after a failure: a commit whose answer was lost has put it back all the same.
      this.#fates.wake(fate.room);
      this.#links.wake(account.id);
      this.#wakeRoom(account, fate.room);
    }
  }

  async #putBack(fate: FailedFate, { account, portal, kept, messages }: Found): Promise<RequeueResult> {
    const { matrix } = this.#parts;
    const held = await this.#heldUpBy(account, portal);
    if (held !== undefined) return refused(held);
    if (kept !== undefined) {
      const checked = this.#outbound.check(account, matrix.parseRoomEvent(JSON.parse(kept)));
      if (checked.kind === 'refused') return checked;
      return await this.#intoInbox(fate);
    }
    if (messages.length > 0) return await this.#intoOutbox(account, portal, fate, messages);
    if (fate.reason !== undefined && FINAL_REASONS.has(fate.reason))
      return refused(fate.reason, fate.reasonArgs);
    return refused('reason-not-kept');
  }

  /** What would make any message of this conversation fail now; the id of a text. */
  async #heldUpBy(account: Account, portal: Portal): Promise<string | undefined> {
    if (account.state === 'suspended') return 'reason-network-suspended';
    if (account.state !== 'active') return 'reason-not-connected';
    const { signal } = networkOf(this.#parts, account);
    const identities = await this.#parts.storage.database.transaction(
      async (tx) => await signal.listRemoteIdentities(tx, account, portal.contact),
    );
    return identities.some(({ pendingKey }) => pendingKey !== undefined)
      ? 'reason-contact-key-changed'
      : undefined;
  }

  async #intoInbox(fate: FailedFate): Promise<RequeueResult> {
    const { storage } = this.#parts;
    const isKept = await storage.database.transaction(
      async (tx) =>
        (await storage.matrixInbox.requeue(tx, fate.event)) && (await storage.fates.requeue(tx, fate.event)),
    );
    return isKept ? this.#begun(fate) : refused('reason-not-kept');
  }

  async #intoOutbox(
    account: Account,
    portal: Portal,
    fate: FailedFate,
    messages: readonly MessageRecord[],
  ): Promise<RequeueResult> {
    try {
      const device = await this.#outbound.deviceOf(account, portal);
      const isKept = await this.#encryptAgain(account, portal, fate, messages, device);
      return isKept ? this.#begun(fate) : refused('reason-not-kept');
    } catch (failure) {
      if (!(failure instanceof BridgeError)) throw failure;
      this.#log.info('message not requeued', { event: fate.event, code: failure.code }, failure);
      return refused(reasonOf(this.#parts.texts, failure), { code: codeOf(failure) });
    }
  }

  /** One transaction. @returns false when the plaintext is not kept any more. */
  async #encryptAgain(
    account: Account,
    portal: Portal,
    fate: FailedFate,
    messages: readonly MessageRecord[],
    device: DeviceId,
  ): Promise<boolean> {
    const { storage } = this.#parts;
    const { signal, adapter, keepSentMs } = networkOf(this.#parts, account);
    const address = { contact: portal.contact, device };
    return await signal.inSession(signalAccount(account), address, async (session) => {
      const { tx } = session;
      const parts: { message: MessageId; content: Buffer }[] = [];
      try {
        for (const { message, deliveredAtMs } of messages) {
          if (deliveredAtMs !== undefined) continue;
          const sent = await storage.sentMessages.find(tx, account, message);
          if (sent === undefined) return false;
          parts.push({ message, content: sent.content });
        }
        // Another requeue, or a late receipt, was faster: nothing is left to be done.
        if (!(await storage.fates.requeue(tx, fate.event))) return true;
        for (const { message, content } of parts) {
          const encrypted = await session.encrypt(content);
          const stanza = stanzaOf(message);
          const xml = adapter.stanzas.writeMessage({
            id: stanza,
            to: portal.contact,
            fromDevice: signalAccount(account).device,
            recipients: [{ ...encrypted, device }],
            wantsReceipt: true,
          });
          const queued = { stanza, xml, event: fate.event, room: fate.room };
          // A row that is gone was forgotten after its time: its id is free again.
          if (!(await storage.outbox.replaceSettled(tx, account, queued))) {
            await storage.outbox.insert(tx, account, queued);
          }
          await storage.sentMessages.keepFor(tx, account.id, message, keepSentMs);
        }
        return true;
      } finally {
        for (const { content } of parts) content.fill(0);
      }
    });
  }

  #begun(fate: FailedFate): RequeueResult {
    this.#log.info('message requeued', { account: fate.account, event: fate.event });
    return { kind: 'requeued' };
  }
}

type Found = Readonly<{
  account: Account;
  portal: Portal;
  /** The event, where it was never encrypted. */
  kept: string | undefined;
  /** What it became, where it was; in order. */
  messages: readonly MessageRecord[];
}>;

function refused(reason: string, args: FateArguments = {}): RequeueResult {
  return { kind: 'refused', reason, args };
}
