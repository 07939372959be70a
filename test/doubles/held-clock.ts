import type { Clock } from '../../src/model/ambient.ts';

/** A clock that stands still until a test moves it. Sleepers wake, in order, when their time has come. */
export function heldClock(startMs = 0): Clock & { advance(ms: number): void } {
  let nowMs = startMs;
  const sleepers = new Set<{ untilMs: number; wake: () => void }>();
  return {
    nowMs: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const sleeper = { untilMs: nowMs + ms, wake: resolve };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', () => {
          sleepers.delete(sleeper);
          reject(signal.reason as Error);
        });
      }),
    advance: (ms) => {
      nowMs += ms;
      const due = [...sleepers].filter((sleeper) => sleeper.untilMs <= nowMs);
      for (const sleeper of due.sort((a, b) => a.untilMs - b.untilMs)) {
        sleepers.delete(sleeper);
        sleeper.wake();
      }
    },
  };
}
