/** A thread that runs batches, one after another, so that a run which never ends or takes all memory ends only the thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { type BatchResult, type Finding, runBatch } from './batch.ts';
import type { FuzzTarget, OpenTarget } from './fuzz-target.ts';
import { bounds, heldBytes, Judge } from './judge.ts';
import { type BatchOrder, type BatchReport, BEAT, RUN } from './pulse.ts';
import { targets } from './targets/targets.ts';

class Laboratory {
  readonly #pulse: Int32Array;
  readonly #open = new Map<string, OpenTarget>();
  /** By target: what has stayed in memory. The first batch is not counted, since much is made once. */
  readonly #growth = new Map<string, number>();

  constructor(pulse: Int32Array) {
    this.#pulse = pulse;
  }

  async run({ target: name, seed, runs }: BatchOrder): Promise<BatchReport> {
    const startedAt = performance.now();
    const target = targets.find((one) => one.name === name);
    if (target === undefined) throw new Error(`no target ${name}`);
    const isFirst = !this.#open.has(name);
    const open = this.#open.get(name) ?? (await target.open());
    this.#open.set(name, open);
    const before = await allHeldBytes();
    const result = await this.#runBatch(target, open, seed, runs);
    const grown = (this.#growth.get(name) ?? 0) + (isFirst ? 0 : (await allHeldBytes()) - before);
    this.#growth.set(name, isFirst ? 0 : grown);
    const ms = performance.now() - startedAt;
    if (grown <= bounds.growthBytes || result.finding !== undefined) return { ...result, ms };
    return { ...result, ms, finding: leak(name, seed, grown) };
  }

  async #runBatch(target: FuzzTarget, open: OpenTarget, seed: number, runs: number): Promise<BatchResult> {
    using judge = new Judge(open);
    Atomics.store(this.#pulse, RUN, 0);
    const onRun = (isShrinking: boolean) => {
      Atomics.add(this.#pulse, BEAT, 1);
      if (!isShrinking) Atomics.add(this.#pulse, RUN, 1);
    };
    const result = await runBatch(target, judge, { seed, runs, onRun });
    if (result.finding !== undefined) return result;
    try {
      await judge.settle();
      return result;
    } catch {
      // Some run left it behind: which one, the same batch tells when each run is waited for.
      return await runBatch(target, judge, { seed, runs, onRun, careful: true });
    }
  }
}

async function allHeldBytes(): Promise<number> {
  const { heap, external } = await heldBytes();
  return heap + external;
}

function leak(target: string, seed: number, bytes: number): Finding {
  const what = `${Math.round(bytes / 1024 / 1024)} MiB stayed in memory`;
  return { target, what, stack: what, seed, path: '', input: undefined };
}

const laboratory = new Laboratory(workerData as Int32Array);
parentPort?.on('message', (order: BatchOrder) => {
  laboratory.run(order).then(
    (report) => parentPort?.postMessage(report),
    (failure: unknown) => {
      // Thrown again where nothing catches it: the thread ends, and its watcher tells why.
      setImmediate(() => {
        throw failure;
      });
    },
  );
});
