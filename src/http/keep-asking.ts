import type { Clock, Log } from '../model/ambient.ts';
import type { HealthFlag } from './health-flag.ts';

export type AskingDeps = Readonly<{
  /** Rejects when the thing does not work. */
  ask: () => Promise<unknown>;
  flag: HealthFlag;
  /** Pause after a good answer, and after a bad one. */
  everyMs: number;
  againMs: number;
  /** What the log says after a bad one. */
  failed: string;
  clock: Clock;
  log: Log;
}>;

/** Asks something at intervals, at once first, and keeps its health flag. `stop` waits for the question under way. */
export function keepAsking(deps: AskingDeps): { stop(): Promise<void> } {
  const { ask, flag, clock, log } = deps;
  const stopping = new AbortController();
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      let waitMs = deps.everyMs;
      try {
        await ask();
        flag.ok();
      } catch (failure) {
        waitMs = deps.againMs;
        flag.failed(failure);
        if (!stopping.signal.aborted) log.warn(deps.failed, {}, failure);
      }
      await clock.sleep(waitMs, stopping.signal).catch(() => {
        /* stopping: the loop sees it */
      });
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await loop;
    },
  };
}
