import type { Clock } from '../model/ambient.ts';

/** The least that must move: `bytes` in each span of `ms`. It bounds the whole as well, where the size is bounded. */
export type LeastPace = Readonly<{ bytes: number; ms: number }>;

/** Watches over something that moves, from when it is made until `stop`. */
export class Pace {
  readonly #stopped = new AbortController();
  readonly #tooSlow = new AbortController();
  #moved = 0;

  constructor(deps: { clock: Clock; least: LeastPace }) {
    this.#watch(deps.clock, deps.least).catch(() => {
      /* stopped in time */
    });
  }

  /** Aborted when a span ended with less than the least. */
  get signal(): AbortSignal {
    return this.#tooSlow.signal;
  }

  count(bytes: number): void {
    this.#moved += bytes;
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #watch(clock: Clock, least: LeastPace): Promise<void> {
    for (;;) {
      this.#moved = 0;
      await clock.sleep(least.ms, this.#stopped.signal);
      if (this.#moved < least.bytes) {
        this.#tooSlow.abort();
        return;
      }
    }
  }
}
