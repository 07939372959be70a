import type { Clock, Log } from '../model/ambient.ts';
import { Lanes, type StepResult } from './lanes.ts';

/**
 * Lanes in groups that cannot starve one another: a network that hangs holds up its own rooms only, and invitations of
 * strangers hold up nobody's messages.
 */
export class LaneGroups {
  readonly #groups = new Map<string, Lanes>();
  readonly #deps: {
    step: (lane: string) => Promise<StepResult>;
    concurrency: (group: string) => number;
    clock: Clock;
    log: Log;
  };
  #started = false;
  #stopped = false;

  constructor(deps: {
    step: (lane: string) => Promise<StepResult>;
    /** How many lanes of a group may run at once. */
    concurrency: (group: string) => number;
    clock: Clock;
    log: Log;
  }) {
    this.#deps = deps;
  }

  wake(group: string, lane: string): void {
    if (this.#stopped) return;
    let lanes = this.#groups.get(group);
    if (lanes === undefined) {
      const { step, concurrency, clock, log } = this.#deps;
      lanes = new Lanes({ step, concurrency: concurrency(group), clock, log });
      this.#groups.set(group, lanes);
      if (this.#started) lanes.start();
    }
    lanes.wake(lane);
  }

  start(): void {
    this.#started = true;
    for (const lanes of this.#groups.values()) lanes.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#groups.values()].map(async (lanes) => await lanes.stop()));
  }
}
