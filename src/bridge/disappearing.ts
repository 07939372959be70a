/**
 * Disappearing messages: the contact's app sets a timer with each message (interop profile §6, `expires_in_s`). The bridge
 * says so when it changes, sends with the same timer, and redacts on its side when the time is over.
 */
import type { Log } from '../model/ambient.ts';
import type { ChatEvent } from '../model/chat-event.ts';
import { BridgeError, codeOf } from '../model/errors.ts';
import type { EventId, RoomId } from '../model/ids.ts';
import type { Account, Expiration, Portal, Tx } from '../storage/storage.ts';
import { backoffMs } from './backoff.ts';
import { matrixTxnId } from './derived-ids.ts';
import { Lanes, type StepResult } from './lanes.ts';
import type { Notices } from './notices.ts';
import type { BridgeParts } from './parts.ts';

const LANE = 'expirations';
const AT_ONCE = 50;
/** A homeserver that does not take redactions now is asked again after a time that grows to this many attempts' worth. */
const PATIENCE = 6;

export class Disappearing {
  readonly #parts: BridgeParts;
  readonly #notices: Notices;
  readonly #lanes: Lanes;
  readonly #log: Log;

  constructor(parts: BridgeParts, notices: Notices) {
    this.#parts = parts;
    this.#notices = notices;
    this.#log = parts.log.child({ part: 'disappearing' });
    this.#lanes = new Lanes({
      step: async () => await this.step(),
      concurrency: 1,
      clock: parts.clock,
      log: this.#log,
    });
  }

  start(): void {
    this.#lanes.start();
    this.#lanes.wake(LANE);
  }

  async stop(): Promise<void> {
    await this.#lanes.stop();
  }

  /** Something was given a time. */
  wake(): void {
    this.#lanes.wake(LANE);
  }

  /** The contact has set another timer: said in the room before the first message under it. */
  async tellTimer(portal: Portal & Readonly<{ room: RoomId }>, chat: ChatEvent): Promise<void> {
    if (!isLasting(chat) || chat.expiresInS === portal.expiresInS) return;
    const { storage, texts } = this.#parts;
    const contact = portal.contact.slice(0, portal.contact.indexOf('@'));
    const text = texts.say('timer-changed', { contact, ...spanOf(chat.expiresInS) });
    await this.#notices.say(portal.room, `timer ${portal.id} ${chat.id}`, text);
    await storage.database.transaction(
      async (tx) => await storage.portals.saveExpiresInS(tx, portal.id, chat.expiresInS),
    );
  }

  /** Gives the event its time, if the message has one. In the transaction that settles the message. */
  async note(tx: Tx, account: Account, room: RoomId, event: EventId, chat: ChatEvent): Promise<void> {
    if (!isLasting(chat) || chat.expiresInS === 0) return;
    const { storage, clock } = this.#parts;
    const expiresAtMs = clock.nowMs() + chat.expiresInS * 1_000;
    await storage.expirations.insert(tx, { event, account: account.id, room, expiresAtMs });
  }

  /** Redacts what is due. */
  async step(): Promise<StepResult> {
    const { storage, clock } = this.#parts;
    const { due, nextMs } = await storage.database.transaction(async (tx) => ({
      due: await storage.expirations.listDue(tx, clock.nowMs(), AT_ONCE),
      nextMs: await storage.expirations.findNextMs(tx),
    }));
    for (const expiration of due) await this.#redact(expiration);
    if (due.length > 0) return 'more';
    return nextMs === undefined ? 'idle' : { notBeforeMs: nextMs };
  }

  async #redact({ event, room }: Expiration): Promise<void> {
    const { storage, matrix, clock, random } = this.#parts;
    try {
      const secret = await storage.database.transaction(async (tx) => await storage.idSecret(tx));
      const txnId = matrixTxnId(secret, matrix.botUserId, 'expired', room, event);
      await matrix.redact({ room, as: matrix.botUserId, eventId: event, txnId });
    } catch (failure) {
      if (failure instanceof BridgeError && failure.retry === 'later') {
        const againMs = clock.nowMs() + backoffMs(PATIENCE, random);
        await storage.database.transaction(async (tx) => await storage.expirations.delay(tx, event, againMs));
        return;
      }
      // The room or the event is gone, and what should disappear with it.
      this.#log.warn('expired event not redacted', { event, code: codeOf(failure) }, failure);
    }
    await storage.database.transaction(async (tx) => await storage.expirations.delete(tx, event));
  }
}

/** Whether it is something that stands in the room by itself. */
function isLasting({ content }: ChatEvent): boolean {
  return content.kind !== 'reaction' && content.kind !== 'revoke' && content.kind !== 'boundary-notice';
}

const UNITS = [
  ['weeks', 604_800],
  ['days', 86_400],
  ['hours', 3_600],
  ['minutes', 60],
  ['seconds', 1],
] as const;

/** In the largest unit that divides it. */
export function spanOf(seconds: number): { unit: string; count: number } {
  if (seconds === 0) return { unit: 'never', count: 0 };
  const [unit, size] = UNITS.find(([, inS]) => seconds % inS === 0) ?? UNITS[4];
  return { unit, count: seconds / size };
}
