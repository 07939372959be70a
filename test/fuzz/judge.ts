/** Runs one input and says what is wrong with it: an exception, too much time, memory that stays, a stray rejection. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { OpenTarget } from './fuzz-target.ts';

export const bounds = {
  /** Of one run, in processor time of this thread: the machine may be busy with other things. */
  cpuMs: 2_000,
  /** Of one run by the clock; one that is over it hangs. */
  hangMs: 20_000,
  /** Outside the heap, after one run. What is in the heap is bounded by the worker's own limit. */
  externalBytes: 192 * 1024 * 1024,
  /** Of a worker. */
  heapMb: 512,
  /** That stays after a garbage collection, of all runs of a target in one worker. */
  growthBytes: 48 * 1024 * 1024,
} as const;

/** Above this a run is worth a closer look at what it holds. */
const NOTABLE_MS = 20;

export class Judge {
  readonly #target: OpenTarget;
  readonly #cpuMs: number;
  readonly #strays: unknown[] = [];
  readonly #onStray = (reason: unknown) => {
    this.#strays.push(reason);
  };

  /** From now on rejections that nobody handles, and exceptions thrown out of events, count against the running input. */
  constructor(target: OpenTarget, cpuMs: number = bounds.cpuMs) {
    this.#target = target;
    this.#cpuMs = cpuMs;
    process.on('unhandledRejection', this.#onStray);
    process.on('uncaughtException', this.#onStray);
  }

  /** @throws what the target threw, or an Error that says which bound is broken. */
  async run(input: unknown): Promise<void> {
    const startedAt = performance.now();
    const cpu = process.threadCpuUsage();
    const pending = this.#target.run(input);
    if (pending !== undefined) await pending;
    if (performance.now() - startedAt > NOTABLE_MS) await this.#look(cpu);
    if (this.#strays.length > 0) await this.settle();
  }

  /** Lets what is under way come out. @throws Error when there was something. */
  async settle(): Promise<void> {
    await nextTurn();
    const [stray] = this.#strays;
    this.#strays.length = 0;
    if (stray !== undefined) throw new Error(`nobody handled: ${String(stray)}`, { cause: stray });
  }

  [Symbol.dispose](): void {
    process.off('unhandledRejection', this.#onStray);
    process.off('uncaughtException', this.#onStray);
  }

  async #look(since: NodeJS.CpuUsage): Promise<void> {
    const { user, system } = process.threadCpuUsage(since);
    if ((user + system) / 1000 > this.#cpuMs) throw new Error(`took more than ${this.#cpuMs} ms`);
    // Only when there is much: what is garbage does not count, and to collect it takes time.
    if (
      process.memoryUsage().external > bounds.externalBytes &&
      (await heldBytes()).external > bounds.externalBytes
    ) {
      throw new Error(`holds more than ${bounds.externalBytes} bytes outside the heap`);
    }
    await this.settle();
  }
}

let collectGarbage: (() => void) | undefined;

/** What is in memory and no garbage. */
export async function heldBytes(): Promise<{ readonly heap: number; readonly external: number }> {
  if (collectGarbage === undefined) {
    setFlagsFromString('--expose-gc');
    collectGarbage = runInNewContext('gc') as () => void;
  }
  // Twice, with a turn between: what native objects hold is given back only after they were found to be garbage.
  for (let round = 0; round < 2; round += 1) {
    collectGarbage();
    await nextTurn();
  }
  const { heapUsed: heap, external } = process.memoryUsage();
  return { heap, external };
}
