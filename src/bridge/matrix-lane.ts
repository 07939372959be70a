/** What happens with one event of a room: to the outbox if the room is a portal, to the commands if it is the bot's. */
import type { RoomEvent } from '../matrix/matrix.ts';
import type { Log } from '../model/ambient.ts';
import { BridgeError, codeOf, hasCode } from '../model/errors.ts';
import { type RoomId, roomId } from '../model/ids.ts';
import type { Account, Portal, Storage, Tx, WaitingEvent } from '../storage/storage.ts';
import { backoffMs, dueAtMs, LONGEST_WAIT_MS } from './backoff.ts';
import type { BotChat } from './bot-chat.ts';
import type { FateReports } from './fate-reports.ts';
import type { StepResult } from './lanes.ts';
import { LATE_MS } from './late-messages.ts';
import type { Notices } from './notices.ts';
import type { Outbound } from './outbound.ts';
import { type BridgeParts, reasonOf, reasonText } from './parts.ts';
import { FINAL_REASONS } from './requeue.ts';

/** After so many attempts that failed with something we do not understand, the event is given up visibly. */
const MOST_UNEXPECTED = 5;
/** How often a contact's unsound keys are asked for: each time uses up some of theirs. */
const MOST_UNSOUND = 3;
/** After so many attempts an event that is no message is given up: a command is repeated by its person. */
const MOST_ATTEMPTS = 8;
/** So many events behind one that waits are looked at: for commands, and for messages that wait as well. */
const LOOK_BEHIND = 50;

export class MatrixLane {
  readonly #parts: BridgeParts;
  readonly #outbound: Outbound;
  readonly #chat: BotChat;
  readonly #notices: Notices;
  readonly #fates: FateReports;
  readonly #log: Log;

  constructor(deps: {
    parts: BridgeParts;
    outbound: Outbound;
    chat: BotChat;
    notices: Notices;
    fates: FateReports;
  }) {
    this.#parts = deps.parts;
    this.#outbound = deps.outbound;
    this.#chat = deps.chat;
    this.#notices = deps.notices;
    this.#fates = deps.fates;
    this.#log = deps.parts.log.child({ part: 'matrix-lane' });
  }

  /** Takes the room's oldest event one step on. */
  async step(lane: string): Promise<StepResult> {
    const { clock } = this.#parts;
    const room = roomId(lane);
    const found = await this.#find(room);
    if (found === undefined) return 'idle';
    if (found === 'unreadable') return 'more';
    const { row, conversation } = found;
    const nowMs = clock.nowMs();
    const dueMs = dueAtMs(row.notBeforeMs, nowMs);
    const result = dueMs > nowMs ? { notBeforeMs: dueMs } : await this.#take(row, conversation);
    if (typeof result !== 'object' || conversation === undefined) return result;
    return await this.#whileItWaits(room, { ...row, notBeforeMs: result.notBeforeMs }, conversation);
  }

  async #take(row: WaitingEvent, conversation: Conversation | undefined): Promise<StepResult> {
    const event = this.#read(row);
    if (event === undefined) {
      await this.#settle(row, 'bridge/badEvent');
      return 'more';
    }
    try {
      await this.#handle(event, row, conversation);
      return 'more';
    } catch (failure) {
      return await this.#afterFailure(event, row, conversation, failure);
    }
  }

  /**
   * The oldest message of a portal waits. Messages behind it keep their order, and those that wait for long are told to;
   * a command is not held up by them, since the message may wait for just this command.
   */
  async #whileItWaits(room: RoomId, head: WaitingEvent, conversation: Conversation): Promise<StepResult> {
    const { storage, clock } = this.#parts;
    const behind = await storage.database.transaction(
      async (tx) => await storage.matrixInbox.listBehind(tx, room, head.seq, LOOK_BEHIND),
    );
    const isCommand = (row: WaitingEvent) => {
      const event = this.#read(row);
      return event !== undefined && this.#chat.isPortalCommand(event);
    };
    // Commands keep their order among themselves.
    const command = behind.find(isCommand);
    if (command !== undefined && dueAtMs(command.notBeforeMs, clock.nowMs()) <= clock.nowMs()) {
      return await this.#take(command, conversation);
    }
    const nextLateMs = await this.#tellLate(head, behind, conversation);
    return { notBeforeMs: Math.min(head.notBeforeMs, command?.notBeforeMs ?? head.notBeforeMs, nextLateMs) };
  }

  /**
   * Messages behind one that is told to be waiting are told so too, each when its time has come.
   * @returns when the next one's time comes; infinity when none is left.
   */
  async #tellLate(
    head: WaitingEvent,
    behind: readonly WaitingEvent[],
    { account }: Conversation,
  ): Promise<number> {
    const { storage, clock, matrix } = this.#parts;
    const events = behind.flatMap((row) => {
      const event = this.#read(row);
      const isMessage = event?.sender === account.user && matrix.fromRoomEvent(event) !== undefined;
      return event !== undefined && isMessage ? [{ event, lateMs: row.receivedAtMs + LATE_MS }] : [];
    });
    const news = await storage.database.transaction(async (tx) => {
      const why = await storage.fates.findWaiting(tx, head.event);
      if (why === undefined) return [];
      const noted: boolean[] = [];
      for (const { event, lateMs } of events) {
        if (lateMs > clock.nowMs()) continue;
        const { errorCode, reason } = why;
        noted.push(
          await storage.fates.save(tx, {
            event: event.event_id,
            room: event.room_id,
            account: account.id,
            state: 'waiting',
            ...(errorCode === undefined ? {} : { errorCode }),
            ...(reason === undefined ? {} : { reason }),
          }),
        );
      }
      return noted.filter((isNew) => isNew);
    });
    const [first] = events;
    if (news.length > 0 && first !== undefined) this.#fates.wake(first.event.room_id);
    return Math.min(...events.map(({ lateMs }) => lateMs).filter((atMs) => atMs > clock.nowMs()), Infinity);
  }

  /** The oldest event with its conversation. One that cannot be opened any more is settled: it would block all others. */
  async #find(
    room: RoomId,
  ): Promise<{ row: WaitingEvent; conversation: Conversation | undefined } | 'unreadable' | undefined> {
    const { storage } = this.#parts;
    try {
      return await storage.database.transaction(async (tx) => {
        const row = await storage.matrixInbox.findNext(tx, room);
        if (row === undefined) return undefined;
        const portal = await storage.portals.findByRoom(tx, room);
        const account = portal && (await storage.accounts.findById(tx, portal.account));
        return { row, conversation: portal && account && { portal, account } };
      });
    } catch (failure) {
      if (!isUnreadable(failure)) throw failure;
      this.#parts.metrics.error(failure.code);
      const event = await storage.database.transaction(
        async (tx) => await storage.matrixInbox.settleUnreadable(tx, room, failure.code),
      );
      this.#log.error('stored event cannot be opened', { event }, failure);
      return 'unreadable';
    }
  }

  #read(row: WaitingEvent): RoomEvent | undefined {
    try {
      return this.#parts.matrix.parseRoomEvent(JSON.parse(row.json));
    } catch (failure) {
      this.#log.error('stored event does not parse', { event: row.event }, failure);
      return undefined;
    }
  }

  async #handle(event: RoomEvent, row: WaitingEvent, conversation: Conversation | undefined): Promise<void> {
    const settler = this.#settler(row);
    const isCommand = await this.#chat.handle(event, row, conversation, settler.settle);
    if (!isCommand && conversation !== undefined) {
      const { portal, account } = conversation;
      const result = await this.#outbound.bridge(portal, account, event, row);
      if (result.kind === 'queued') {
        this.#count(account, 'queued', row);
        return;
      }
      if (result.kind === 'refused') {
        const { reason, args } = result;
        await this.#fail(event, row, conversation, { state: 'failed', reason, reasonArgs: args });
        this.#count(account, 'refused', row);
        return;
      }
    }
    if (!settler.isSettled()) await this.#settle(row);
  }

  async #afterFailure(
    event: RoomEvent,
    row: WaitingEvent,
    conversation: Conversation | undefined,
    failure: unknown,
  ): Promise<StepResult> {
    // Another process settled it in the meantime: whatever was to be done is done.
    if (hasCode(failure, 'storage/rowMissing')) return 'more';
    const attempts = row.attempts + 1;
    this.#parts.metrics.error(codeOf(failure));
    this.#log.warn('event not handled', { event: row.event, code: codeOf(failure), attempts }, failure);
    if (this.#mayHelpLater(row, failure)) return await this.#delay(event, row, conversation, failure);
    if (conversation === undefined) return await this.#tellInChat(event, row, failure);
    const certain = !(failure instanceof BridgeError) || failure.arrived === 'no';
    await this.#fail(event, row, conversation, {
      state: certain ? 'failed' : 'maybe-failed',
      errorCode: codeOf(failure),
      reason: reasonOf(this.#parts.texts, failure),
    });
    this.#count(conversation.account, 'failed', row);
    return 'more';
  }

  /** The event is given up: settled and, in the same transaction, its sender is going to be told. */
  async #fail(
    event: RoomEvent,
    row: WaitingEvent,
    { account }: Conversation,
    fate: Pick<Parameters<Storage['fates']['save']>[1], 'state' | 'errorCode' | 'reason' | 'reasonArgs'>,
  ): Promise<void> {
    const { storage } = this.#parts;
    await storage.database.transaction(async (tx) => {
      await storage.fates.save(tx, {
        event: event.event_id,
        room: event.room_id,
        account: account.id,
        ...fate,
      });
      const code = fate.errorCode ?? 'bridge/refused';
      if (fate.reason !== undefined && FINAL_REASONS.has(fate.reason)) {
        await storage.matrixInbox.settle(tx, row.seq, code);
      } else {
        await storage.matrixInbox.settleKept(tx, row.seq, code);
      }
    });
    this.#fates.wake(event.room_id);
  }

  /** A command or an invitation failed: said at once, since the person waits; where nobody listens, given up. */
  async #tellInChat(event: RoomEvent, row: WaitingEvent, failure: unknown): Promise<StepResult> {
    const { texts } = this.#parts;
    const reason = texts.say('command-failed', { reason: reasonText(texts, failure, '') });
    try {
      await this.#notices.say(event.room_id, `failed ${event.event_id}`, reason, { replyTo: event.event_id });
    } catch (noticeFailure) {
      if (
        noticeFailure instanceof BridgeError &&
        noticeFailure.retry === 'later' &&
        row.attempts < MOST_ATTEMPTS
      ) {
        return await this.#delay(event, row, undefined, noticeFailure);
      }
      this.#log.info('nobody to tell', { event: row.event, code: codeOf(noticeFailure) });
    }
    await this.#settle(row, codeOf(failure));
    return 'more';
  }

  #mayHelpLater(row: WaitingEvent, failure: unknown): boolean {
    if (!(failure instanceof BridgeError)) return row.attempts + 1 < MOST_UNEXPECTED;
    // Each new attempt uses up one-time keys of the contact, and unsound ones do not mend themselves.
    if (failure.code === 'signal/badBundle') return row.attempts + 1 < MOST_UNSOUND;
    return failure.retry === 'later';
  }

  async #delay(
    event: RoomEvent,
    row: WaitingEvent,
    conversation: Conversation | undefined,
    failure: unknown,
  ): Promise<StepResult> {
    if (conversation === undefined && row.attempts >= MOST_ATTEMPTS) {
      return await this.#tellInChat(event, row, failure);
    }
    const { storage, clock, random } = this.#parts;
    const asked = failure instanceof BridgeError ? Number(failure.facts.retryAfterMs ?? 0) : 0;
    const waitMs = Math.max(asked, backoffMs(row.attempts + 1, random));
    const notBeforeMs = clock.nowMs() + Math.min(waitMs, LONGEST_WAIT_MS);
    const isLate = clock.nowMs() - row.receivedAtMs > LATE_MS;
    const isNews = await storage.database.transaction(async (tx) => {
      await storage.matrixInbox.delay(tx, row.seq, notBeforeMs, codeOf(failure));
      if (conversation === undefined || !isLate) return false;
      return await storage.fates.save(tx, {
        event: event.event_id,
        room: event.room_id,
        account: conversation.account.id,
        state: 'waiting',
        errorCode: codeOf(failure),
        reason: reasonOf(this.#parts.texts, failure),
      });
    });
    if (isNews) this.#fates.wake(event.room_id);
    return { notBeforeMs };
  }

  #settler(row: WaitingEvent): { settle: (tx: Tx) => Promise<void>; isSettled: () => boolean } {
    let settled = false;
    return {
      settle: async (tx) => {
        await this.#parts.storage.matrixInbox.settle(tx, row.seq);
        settled = true;
      },
      isSettled: () => settled,
    };
  }

  async #settle(row: WaitingEvent, errorCode?: string): Promise<void> {
    const { storage } = this.#parts;
    await storage.database.transaction(
      async (tx) => await storage.matrixInbox.settle(tx, row.seq, errorCode),
    );
  }

  #count(account: Account, outcome: string, row: WaitingEvent): void {
    const seconds = (this.#parts.clock.nowMs() - row.receivedAtMs) / 1_000;
    this.#parts.metrics.message({ network: account.network, leg: 'outbound', outcome, seconds });
  }
}

function isUnreadable(failure: unknown): failure is BridgeError {
  return hasCode(failure, 'storage/sealBroken') || hasCode(failure, 'storage/dataKeyDestroyed');
}

/** A portal with the account it belongs to. */
export type Conversation = Readonly<{ portal: Portal; account: Account }>;
