import type { Log } from '../model/ambient.ts';
import { codeOf } from '../model/errors.ts';
import { type MatrixUserId, matrixUserId } from '../model/ids.ts';
import type { Tx } from '../storage/storage.ts';
import { backoffMs } from './backoff.ts';
import { type Failures, Lanes, type StepResult } from './lanes.ts';
import type { Notices } from './notices.ts';
import type { BridgeParts } from './parts.ts';
import type { TextArguments } from './texts/texts.ts';

/**
 * What the bot tells people in their own chat, without having been asked just now. It is queued in the transaction of what
 * it is about and said afterwards, however long the homeserver is away: a proof of deletion is not lost with a crash.
 */
export class BotNotices {
  readonly #parts: BridgeParts;
  readonly #notices: Notices;
  readonly #lanes: Lanes;
  readonly #log: Log;

  constructor(parts: BridgeParts, notices: Notices) {
    this.#parts = parts;
    this.#notices = notices;
    this.#log = parts.log.child({ part: 'bot-notices' });
    this.#lanes = new Lanes({
      step: async (lane, failures) => await this.#sayNext(matrixUserId(lane), failures),
      concurrency: 8,
      clock: parts.clock,
      log: this.#log,
    });
  }

  /**
   * Queues a text in the caller's transaction; call `wake` when it has committed.
   * @param key the same thing told twice has the same key.
   */
  async queue(tx: Tx, user: MatrixUserId, key: string, id: string, args: TextArguments = {}): Promise<void> {
    const { storage, texts } = this.#parts;
    await storage.botNotices.insert(tx, user, { key, text: texts.say(id, args) });
  }

  /** Queues and says it. */
  async tell(user: MatrixUserId, key: string, id: string, args: TextArguments = {}): Promise<void> {
    await this.#parts.storage.database.transaction(async (tx) => await this.queue(tx, user, key, id, args));
    this.wake(user);
  }

  wake(user: MatrixUserId): void {
    this.#lanes.wake(user);
  }

  /** Takes up what a former run has not said. */
  async start(): Promise<void> {
    const { storage } = this.#parts;
    const users = await storage.database.transaction(async (tx) => await storage.botNotices.listUsers(tx));
    for (const user of users) this.wake(user);
    this.#lanes.start();
  }

  async stop(): Promise<void> {
    await this.#lanes.stop();
  }

  async #sayNext(user: MatrixUserId, before: Failures | undefined): Promise<StepResult> {
    const { storage, matrix, clock, random } = this.#parts;
    const found = await storage.database.transaction(async (tx) => ({
      notice: await storage.botNotices.findNext(tx, user),
      room: await storage.managementRooms.findOfUser(tx, user),
    }));
    if (found.notice === undefined) return 'idle';
    const { key, text } = found.notice;
    try {
      const room = found.room?.room ?? (await matrix.createManagementRoom(user));
      await this.#notices.say(room, key, text);
      await storage.database.transaction(async (tx) => {
        if (found.room === undefined) await storage.managementRooms.insert(tx, room, user);
        await storage.botNotices.delete(tx, key);
      });
      return 'more';
    } catch (failure) {
      const failures = (before?.count ?? 0) + 1;
      this.#log.warn('notice not said', { code: codeOf(failure), failures }, failure);
      // Someone who has thrown the bot out may come back: it waits, ever more rarely.
      return { notBeforeMs: clock.nowMs() + backoffMs(failures, random, 1_000, 60 * 60_000), failed: true };
    }
  }
}
