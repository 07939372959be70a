import type { Log } from '../model/ambient.ts';
import { BridgeError, codeOf } from '../model/errors.ts';
import { type RoomId, roomId } from '../model/ids.ts';
import type { Account, FateState, Portal, UntoldFate } from '../storage/storage.ts';
import { backoffMs } from './backoff.ts';
import { matrixTxnId } from './derived-ids.ts';
import { type Failures, Lanes, type StepResult } from './lanes.ts';
import type { Notices } from './notices.ts';
import type { BridgeParts } from './parts.ts';
import { reasonWords } from './reason-words.ts';

/** Told in one step of a room; the rest comes with the next. */
const AT_ONCE = 20;

const STATUS: Readonly<Record<FateState, string>> = {
  waiting: 'PENDING',
  sent: 'SUCCESS',
  delivered: 'SUCCESS',
  failed: 'FAIL_PERMANENT',
  'maybe-failed': 'FAIL_RETRIABLE',
};

/** Which states people are told in words, since hardly any client shows the status event. */
const NOTICE: Readonly<Partial<Record<FateState, string>>> = {
  waiting: 'not-yet-bridged',
  failed: 'not-bridged',
  'maybe-failed': 'maybe-not-bridged',
};

/** The same after a message was put back into the way: people read that it goes late, and then that it went. */
const REQUEUED_NOTICE: Readonly<Partial<Record<FateState, string>>> = {
  waiting: 'requeued',
  sent: 'requeued-sent',
  delivered: 'requeued-sent',
};

/**
 * Tells what became of each message: clients by `com.beeper.message_send_status` events (not in the specification; the
 * schema is mautrix'), people by one notice in reply when it waits or failed. The newest state is told, each once; states
 * that pass while a room waits are left out. Of several messages that wait in a room one is told of by a notice. What is to be told stands in the database, so no crash swallows it.
 */
export class FateReports {
  readonly #parts: BridgeParts;
  readonly #notices: Notices;
  readonly #lanes: Lanes;
  readonly #log: Log;

  constructor(parts: BridgeParts, notices: Notices) {
    this.#parts = parts;
    this.#notices = notices;
    this.#log = parts.log.child({ part: 'fate-reports' });
    this.#lanes = new Lanes({
      step: async (lane, failures) => await this.#tell(roomId(lane), failures),
      concurrency: 8,
      clock: parts.clock,
      log: this.#log,
    });
  }

  /** There is something to be told in this room. */
  wake(room: RoomId): void {
    this.#lanes.wake(room);
  }

  /** Takes up what a former run has not told. */
  async start(): Promise<void> {
    const { storage } = this.#parts;
    const rooms = await storage.database.transaction(async (tx) => await storage.fates.listUntoldRooms(tx));
    for (const room of rooms) this.wake(room);
    this.#lanes.start();
  }

  async stop(): Promise<void> {
    await this.#lanes.stop();
  }

  async #tell(room: RoomId, before: Failures | undefined): Promise<StepResult> {
    const { storage, clock, random } = this.#parts;
    const fates = await storage.database.transaction(
      async (tx) => await storage.fates.listUntold(tx, room, AT_ONCE),
    );
    try {
      for (const fate of fates) await this.#tellOne(fate);
      return fates.length < AT_ONCE ? 'idle' : 'more';
    } catch (failure) {
      const failures = (before?.count ?? 0) + 1;
      this.#log.warn('message status not told', { room, code: codeOf(failure), failures }, failure);
      return { notBeforeMs: clock.nowMs() + backoffMs(failures, random), failed: true };
    }
  }

  async #tellOne(fate: UntoldFate): Promise<void> {
    const { storage } = this.#parts;
    const found = await storage.database.transaction(async (tx) => ({
      secret: await storage.idSecret(tx),
      portal: await storage.portals.findByRoom(tx, fate.room),
      account: await storage.accounts.findById(tx, fate.account),
    }));
    if (found.account !== undefined) {
      try {
        // crash point: fate-found
        await this.#tellPeople(fate, found.account);
        if (this.#parts.settings.statusEvents) {
          await this.#tellClients(fate, found.account, found.portal, found.secret);
        }
      } catch (failure) {
        // A room that does not take it never will; the message itself is not touched by that.
        if (!(failure instanceof BridgeError) || failure.retry === 'later') throw failure;
        this.#log.info('message status refused', { room: fate.room, code: failure.code });
      }
    }
    // crash point: fate-said
    await storage.database.transaction(async (tx) => await storage.fates.saveTold(tx, fate));
  }

  async #tellPeople(fate: UntoldFate, account: Account): Promise<void> {
    const { storage, texts } = this.#parts;
    const requeued = fate.requeues > 0 ? REQUEUED_NOTICE[fate.state] : undefined;
    const notice = requeued ?? NOTICE[fate.state];
    if (notice === undefined) return;
    if (notice === NOTICE.waiting) {
      const isKnown = await storage.database.transaction(
        async (tx) => await storage.fates.isWaitKnown(tx, fate.room, fate.event),
      );
      if (isKnown) return;
    }
    const text = texts.say(notice, { reason: this.#reason(fate, account) });
    const options = { replyTo: fate.event, mention: account.user };
    // That it was sent is said once, also when the receipt comes while it is being said.
    await this.#notices.say(
      fate.room,
      `fate ${fate.event} ${round(fate, requeued ?? fate.state)}`,
      text,
      options,
    );
  }

  async #tellClients(
    fate: UntoldFate,
    account: Account,
    portal: Portal | undefined,
    secret: Buffer,
  ): Promise<void> {
    const { matrix } = this.#parts;
    const isExplained = NOTICE[fate.state] !== undefined;
    const delivered = fate.state === 'delivered' && portal !== undefined;
    await matrix.send({
      room: fate.room,
      as: matrix.botUserId,
      type: 'com.beeper.message_send_status',
      content: {
        'm.relates_to': { rel_type: 'm.reference', event_id: fate.event },
        network: account.network,
        status: STATUS[fate.state],
        ...(delivered ? { delivered_to_users: [matrix.ghostUserId(account.network, portal.contact)] } : {}),
        ...(isExplained
          ? {
              reason: reasonCode(fate),
              error: fate.errorCode ?? 'bridge/refused',
              message: this.#reason(fate, account),
            }
          : {}),
      },
      txnId: matrixTxnId(secret, matrix.botUserId, 'status', fate.event, round(fate, fate.state)),
    });
  }

  #reason(fate: UntoldFate, account: Account): string {
    const { reason, reasonArgs: args, errorCode } = fate;
    return reasonWords(this.#parts, account, { reason, args, errorCode });
  }
}

/** Each time that a message is put back into the way, the same state is news again. */
function round(fate: UntoldFate, state: string): string {
  return fate.requeues === 0 ? state : `${state} ${fate.requeues}`;
}

/** The words that the schema of the status event knows. */
function reasonCode(fate: UntoldFate): string {
  if (fate.reason === 'reason-requeued') return 'm.event_not_handled';
  if (fate.reason === 'reason-too-old') return 'm.event_too_old';
  if (fate.reason === 'reason-not-your-chat') return 'm.no_permission';
  if (fate.reason?.startsWith('reason-unsupported') === true) return 'com.beeper.unsupported_event';
  if (fate.reason === 'reason-encrypted') return 'com.beeper.undecryptable_event';
  if (fate.errorCode === undefined) return 'm.event_not_handled';
  return fate.errorCode.startsWith('bridge/') ? 'm.bridge_unavailable' : 'm.foreign_network_error';
}
