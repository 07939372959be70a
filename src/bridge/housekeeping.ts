import type { Log } from '../model/ambient.ts';
import { messageId, type RoomId } from '../model/ids.ts';
import type { BridgeParts } from './parts.ts';

/** For how long a settled row is remembered, so that what comes again is recognised: longer than any archive is asked for. */
export const REMEMBER_MS = 30 * 24 * 60 * 60_000;
const EVERY_MS = 60 * 60_000;

/** Forgets, hourly, what has been settled for long, gives up what is too old, and takes up what was overlooked. */
export class Housekeeping {
  readonly #parts: BridgeParts;
  readonly #wake: { all: () => Promise<void>; room: (room: RoomId) => void };
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #loop: Promise<void> | undefined;

  /** @param wake.all takes up whatever waits, in case a wake-up was missed. */
  constructor(parts: BridgeParts, wake: { all: () => Promise<void>; room: (room: RoomId) => void }) {
    this.#parts = parts;
    this.#wake = wake;
    this.#log = parts.log.child({ part: 'housekeeping' });
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#tidy();
      } catch (failure) {
        this.#log.error('settled rows not forgotten', {}, failure);
      }
      await this.#parts.clock.sleep(EVERY_MS, this.#stopping.signal).catch(() => {
        /* stopping: the loop sees it */
      });
    }
  }

  async #tidy(): Promise<void> {
    await this.#giveUpTooOld();
    await this.#forget();
    await this.#wake.all();
  }

  /** Table by table, each in a transaction of its own: nobody waits long for it. */
  async #forget(): Promise<void> {
    const { storage, clock, settings } = this.#parts;
    const { database, matrixInbox, networkInbox, outbox, fates, sentMessages, missingMessages } = storage;
    const beforeMs = clock.nowMs() - REMEMBER_MS;
    const wipeBeforeMs = clock.nowMs() - settings.keepFailedMs;
    await database.transaction(async (tx) => await matrixInbox.wipeFailed(tx, wipeBeforeMs));
    await database.transaction(async (tx) => await matrixInbox.deleteSettled(tx, beforeMs));
    await database.transaction(async (tx) => await networkInbox.deleteSettled(tx, beforeMs));
    await database.transaction(async (tx) => await outbox.deleteSettled(tx, beforeMs));
    await database.transaction(async (tx) => await fates.deleteOlder(tx, beforeMs));
    await database.transaction(async (tx) => await missingMessages.deleteOlder(tx, beforeMs));
    await database.transaction(async (tx) => await sentMessages.deleteExpired(tx));
  }

  /** What was encrypted but never reached the network's server for too long is not sent late: its sender is told. */
  async #giveUpTooOld(): Promise<void> {
    const { storage, clock, settings } = this.#parts;
    const beforeMs = clock.nowMs() - settings.tooOldMs;
    const accounts = await storage.database.transaction(async (tx) => await storage.accounts.list(tx));
    for (const account of accounts) {
      const rooms = await storage.database.transaction(async (tx) => {
        const given: RoomId[] = [];
        for (const rowId of await storage.outbox.listTooOld(tx, account.id, beforeMs)) {
          const carried = await storage.outbox.fail(tx, rowId);
          if (carried === undefined) continue;
          const { event, room, stanza } = carried;
          await storage.sentMessages.keepFor(tx, account.id, messageId(stanza), settings.keepFailedMs);
          await storage.fates.save(tx, {
            event,
            room,
            account: account.id,
            // It may have been written to an earlier connection that was lost before the server said so.
            state: 'maybe-failed',
            errorCode: 'bridge/tooOld',
            reason: 'reason-too-old',
          });
          given.push(room);
        }
        return given;
      });
      for (const room of rooms) this.#wake.room(room);
    }
  }
}
