/** What happens with one event of a room: to the outbox if the room is a portal, to the commands if it is the bot's. */
import type { RoomEvent } from '../matrix/matrix.ts';
import type { Log } from '../model/ambient.ts';
import { BridgeError, codeOf } from '../model/errors.ts';
import { type RoomId, roomId } from '../model/ids.ts';
import type { Account, Portal, Tx, WaitingEvent } from '../storage/storage.ts';
import { backoffMs } from './backoff.ts';
import type { BotChat } from './bot-chat.ts';
import type { StepResult } from './lanes.ts';
import type { Notices } from './notices.ts';
import type { Outbound } from './outbound.ts';
import { type BridgeParts, networkOf, reasonText } from './parts.ts';

/** After so many attempts that failed with something we do not understand, the event is given up visibly. */
const MOST_UNEXPECTED = 5;

export class MatrixLane {
  readonly #parts: BridgeParts;
  readonly #outbound: Outbound;
  readonly #chat: BotChat;
  readonly #notices: Notices;
  readonly #log: Log;

  constructor(deps: { parts: BridgeParts; outbound: Outbound; chat: BotChat; notices: Notices }) {
    this.#parts = deps.parts;
    this.#outbound = deps.outbound;
    this.#chat = deps.chat;
    this.#notices = deps.notices;
    this.#log = deps.parts.log.child({ part: 'matrix-lane' });
  }

  /** Takes the room's oldest event one step on. */
  async step(lane: string): Promise<StepResult> {
    const { storage, clock } = this.#parts;
    const room = roomId(lane);
    const row = await storage.database.transaction(
      async (tx) => await storage.matrixInbox.findNext(tx, room),
    );
    if (row === undefined) return 'idle';
    if (row.notBeforeMs > clock.nowMs()) return { notBeforeMs: row.notBeforeMs };
    const event = this.#read(row);
    if (event === undefined) {
      await this.#settle(row, 'bridge/badEvent');
      return 'more';
    }
    const conversation = await this.#findConversation(room);
    try {
      await this.#handle(event, row, conversation);
      return 'more';
    } catch (failure) {
      return await this.#afterFailure(event, row, conversation, failure);
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

  async #findConversation(room: RoomId): Promise<Conversation | undefined> {
    const { storage } = this.#parts;
    return await storage.database.transaction(async (tx) => {
      const portal = await storage.portals.findByRoom(tx, room);
      return portal && { portal, account: await storage.accounts.get(tx, portal.account) };
    });
  }

  async #handle(event: RoomEvent, row: WaitingEvent, conversation: Conversation | undefined): Promise<void> {
    const settler = this.#settler(row);
    const isCommand = await this.#chat.handle(event, conversation, settler.settle);
    if (!isCommand && conversation !== undefined) {
      const result = await this.#outbound.bridge(conversation.portal, conversation.account, event, row);
      if (result.kind === 'queued') {
        this.#count(conversation.account, 'queued', row);
        return;
      }
      if (result.kind === 'refused') {
        await this.#notices.notBridged(event, result.reason);
        this.#count(conversation.account, 'refused', row);
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
    const attempts = row.attempts + 1;
    this.#parts.metrics.error(codeOf(failure));
    this.#log.warn('event not handled', { event: row.event, code: codeOf(failure), attempts }, failure);
    if (this.#mayHelpLater(row, failure)) return await this.#delay(row, failure);
    try {
      const network = conversation && networkOf(this.#parts, conversation.account).adapter.displayName;
      const certain = !(failure instanceof BridgeError) || failure.arrived === 'no';
      await this.#notices.notBridged(event, reasonText(this.#parts.texts, failure, network ?? ''), certain);
      await this.#settle(row, codeOf(failure));
      if (conversation !== undefined) this.#count(conversation.account, 'failed', row);
      return 'more';
    } catch (noticeFailure) {
      // A failure that nobody can be told of yet stays in the queue.
      return await this.#delay(row, noticeFailure);
    }
  }

  #mayHelpLater(row: WaitingEvent, failure: unknown): boolean {
    if (!(failure instanceof BridgeError)) return row.attempts + 1 < MOST_UNEXPECTED;
    return failure.retry === 'later';
  }

  async #delay(row: WaitingEvent, failure: unknown): Promise<StepResult> {
    const { storage, clock, random } = this.#parts;
    const asked = failure instanceof BridgeError ? Number(failure.facts.retryAfterMs ?? 0) : 0;
    const notBeforeMs = clock.nowMs() + Math.max(asked, backoffMs(row.attempts + 1, random));
    await storage.database.transaction(
      async (tx) => await storage.matrixInbox.delay(tx, row.seq, notBeforeMs, codeOf(failure)),
    );
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

/** A portal with the account it belongs to. */
export type Conversation = Readonly<{ portal: Portal; account: Account }>;
