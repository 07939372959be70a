import type { Log } from '../model/ambient.ts';
import type { BridgeParts } from './parts.ts';

/** For how long a settled row is remembered, so that what comes again is recognised: longer than any archive is asked for. */
const REMEMBER_MS = 30 * 24 * 60 * 60_000;
const EVERY_MS = 60 * 60_000;

/** Forgets, hourly, what has been settled for long. */
export class Housekeeping {
  readonly #parts: BridgeParts;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(parts: BridgeParts) {
    this.#parts = parts;
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
    const { storage, clock } = this.#parts;
    const beforeMs = clock.nowMs() - REMEMBER_MS;
    await storage.database.transaction(async (tx) => {
      await storage.matrixInbox.deleteSettled(tx, beforeMs);
      await storage.networkInbox.deleteSettled(tx, beforeMs);
      await storage.outbox.deleteSettled(tx, beforeMs);
    });
  }
}
