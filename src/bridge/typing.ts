/**
 * Who is writing, both ways. It is worth nothing later, so nothing of it is stored, repeated or waited for: what does not
 * get through at once is gone.
 */
import type { MatrixSign } from '../matrix/matrix.ts';
import type { Clock, Log } from '../model/ambient.ts';
import { codeOf } from '../model/errors.ts';
import type { ContactId, MatrixUserId, RoomId } from '../model/ids.ts';
import type { ChatState } from '../network/network.ts';
import type { Account } from '../storage/storage.ts';
import type { Links } from './links.ts';
import type { BridgeParts } from './parts.ts';
import type { UserChoices } from './user-choices.ts';

type WhoTypes = Extract<MatrixSign, { kind: 'typing' }>;

/** A change in one conversation is passed on at most this often in each direction; the last one may be lost. */
const MIN_PAUSE_MS = 2_000;
/** Somebody who goes on writing is told of again after so long. */
const REPEAT_MS = 20_000;
/** Clients stop showing it after so long without a word. */
const SHOWN_MS = 30_000;
/** Conversations remembered; above it the oldest are forgotten, which costs a repetition. */
const MOST_REMEMBERED = 10_000;

type Told = { isTyping: boolean; atMs: number };

export class Typing {
  readonly #parts: BridgeParts;
  readonly #links: Links;
  readonly #choices: UserChoices;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #toldNetwork = new Map<RoomId, Told>();
  readonly #toldMatrix = new Map<RoomId, Told>();

  constructor(parts: BridgeParts, links: Links, choices: UserChoices) {
    this.#parts = parts;
    this.#links = links;
    this.#choices = choices;
    this.#clock = parts.clock;
    this.#log = parts.log.child({ part: 'typing' });
  }

  /** Tells the contact whether the user is writing to them. */
  async toNetwork({ room, users }: WhoTypes): Promise<void> {
    const { storage, networks } = this.#parts;
    const found = await storage.database.transaction(async (tx) => {
      const portal = await storage.portals.findByRoom(tx, room);
      const account = portal && (await storage.accounts.findById(tx, portal.account));
      if (portal === undefined || account?.state !== 'active') return undefined;
      if (account.enlistment?.capabilities.includes('typing') !== true) return undefined;
      return (await this.#choices.shares(tx, account.user, 'typing')) ? { portal, account } : undefined;
    });
    if (found === undefined) return;
    const { portal, account } = found;
    const isTyping = users.includes(account.user);
    if (!this.#isNews(this.#toldNetwork, room, isTyping)) return;
    const state = isTyping ? 'composing' : 'paused';
    const xml = networks.get(account.network)?.adapter.stanzas.writeChatState({ to: portal.contact, state });
    if (xml !== undefined) this.#links.get(account.id)?.sendNow(xml);
  }

  /** Shows that the contact is writing, or is not any more. Never throws. */
  async toMatrix(account: Account, contact: ContactId, state: ChatState): Promise<void> {
    const { storage, matrix } = this.#parts;
    try {
      const portal = await storage.database.transaction(
        async (tx) => await storage.portals.find(tx, account.id, contact),
      );
      if (portal?.room === undefined) return;
      const isTyping = state === 'composing';
      if (!this.#isNews(this.#toldMatrix, portal.room, isTyping)) return;
      const as: MatrixUserId = matrix.ghostUserId(account.network, contact);
      await matrix.sendTyping({ room: portal.room, as, forMs: isTyping ? SHOWN_MS : 0 });
    } catch (failure) {
      // Nobody misses it; the homeserver's state shows where it matters.
      this.#log.debug('typing not shown', { account: account.id, code: codeOf(failure) });
    }
  }

  /** Whether it is worth telling; if so, it counts as told. */
  #isNews(told: Map<RoomId, Told>, room: RoomId, isTyping: boolean): boolean {
    const nowMs = this.#clock.nowMs();
    const last = told.get(room) ?? { isTyping: false, atMs: Number.NEGATIVE_INFINITY };
    const sinceMs = nowMs - last.atMs;
    const isChange = last.isTyping !== isTyping;
    // The end is always told: else the other side would see somebody write who has left.
    const isDue = isTyping ? sinceMs >= (isChange ? MIN_PAUSE_MS : REPEAT_MS) : isChange;
    if (!isDue) return false;
    told.delete(room);
    told.set(room, { isTyping, atMs: nowMs });
    const [oldest] = told.keys();
    if (told.size > MOST_REMEMBERED && oldest !== undefined) told.delete(oldest);
    return true;
  }
}
