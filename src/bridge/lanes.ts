/**
 * Work that must go one step at a time within a lane (a room; an account's contact), while many lanes go at once. What is
 * to be done stands in the database; a lane only says where to look, so losing one loses nothing.
 */
import type { Clock, Log } from '../model/ambient.ts';

/**
 * `more`: look again at once. `idle`: until woken. `notBeforeMs`: look again then, or when woken; `failed`: since this
 * step failed, which the next one is told.
 */
export type StepResult = 'more' | 'idle' | Readonly<{ notBeforeMs: number; failed?: true }>;

/** How often in a row a lane's steps have failed before this one, and since when. Forgotten with the lane, not durable. */
export type Failures = Readonly<{ count: number; sinceMs: number }>;

/** One step of a lane. @param failures those in a row just before; `undefined` when there were none. */
export type LaneStep = (lane: string, failures: Failures | undefined) => Promise<StepResult>;

type Lane = {
  running: boolean;
  woken: boolean;
  timer: AbortController | undefined;
  failures: Failures | undefined;
};

/** After a step that threw, which none should: how long the lane rests. */
const REST_AFTER_FAULT_MS = 5_000;

export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  readonly #ready: string[] = [];
  readonly #step: LaneStep;
  readonly #concurrency: number;
  readonly #clock: Clock;
  readonly #log: Log;
  #running = 0;
  #started = false;
  #stopped = false;
  #whenDrained: (() => void) | undefined;

  /** @param deps.concurrency how many lanes may run at once. */
  constructor(deps: {
    step: LaneStep;
    concurrency: number;
    clock: Clock;
    log: Log;
  }) {
    this.#step = deps.step;
    this.#concurrency = deps.concurrency;
    this.#clock = deps.clock;
    this.#log = deps.log;
  }

  /** There may be work in this lane. Cheap; any number of calls while it runs make it look once more. */
  wake(name: string): void {
    if (this.#stopped) return;
    const lane = this.#lanes.get(name) ?? {
      running: false,
      woken: false,
      timer: undefined,
      failures: undefined,
    };
    this.#lanes.set(name, lane);
    lane.timer?.abort();
    lane.timer = undefined;
    if (!lane.woken && !lane.running) this.#ready.push(name);
    lane.woken = true;
    this.#pump();
  }

  /** Begins to work; what was woken before is taken up now. */
  start(): void {
    this.#started = true;
    this.#pump();
  }

  /** Takes no new step; resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ready.length = 0;
    for (const lane of this.#lanes.values()) lane.timer?.abort();
    if (this.#running === 0) return;
    await new Promise<void>((resolve) => {
      this.#whenDrained = resolve;
    });
  }

  #pump(): void {
    while (this.#started && this.#running < this.#concurrency) {
      const name = this.#ready.shift();
      const lane = name === undefined ? undefined : this.#lanes.get(name);
      if (name === undefined) return;
      if (lane === undefined) continue;
      this.#running += 1;
      lane.running = true;
      lane.woken = false;
      void this.#run(name, lane);
    }
  }

  async #run(name: string, lane: Lane): Promise<void> {
    let result: StepResult;
    try {
      result = await this.#step(name, lane.failures);
    } catch (fault) {
      this.#log.error('lane step failed', { lane: name }, fault);
      result = { notBeforeMs: this.#clock.nowMs() + REST_AFTER_FAULT_MS, failed: true };
    }
    this.#running -= 1;
    lane.running = false;
    lane.failures = this.#failuresAfter(lane.failures, result);
    if (this.#stopped) {
      if (this.#running === 0) this.#whenDrained?.();
      return;
    }
    if (lane.woken || result === 'more') {
      lane.woken = true;
      this.#ready.push(name);
    } else if (result === 'idle') {
      this.#lanes.delete(name);
    } else {
      this.#wakeLater(name, lane, result.notBeforeMs);
    }
    this.#pump();
  }

  #failuresAfter(before: Failures | undefined, result: StepResult): Failures | undefined {
    if (typeof result !== 'object' || result.failed !== true) return undefined;
    return { count: (before?.count ?? 0) + 1, sinceMs: before?.sinceMs ?? this.#clock.nowMs() };
  }

  #wakeLater(name: string, lane: Lane, notBeforeMs: number): void {
    const timer = new AbortController();
    lane.timer = timer;
    const waitMs = Math.max(0, notBeforeMs - this.#clock.nowMs());
    this.#clock.sleep(waitMs, timer.signal).then(
      () => this.wake(name),
      () => {
        /* woken before its time, or stopped */
      },
    );
  }
}
