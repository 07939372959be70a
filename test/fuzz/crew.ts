/** Workers and who watches them: hands out batches, and ends a worker whose run does not end. */
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Finding, inputOf, lineOf } from './batch.ts';
import type { FuzzTarget } from './fuzz-target.ts';
import { bounds } from './judge.ts';
import { type BatchOrder, type BatchReport, BEAT, RUN } from './pulse.ts';

const WATCH_MS = 500;
/** For a worker to load everything and to open a target, on a machine that has other things to do. */
const OPENING_MS = 120_000;
const WORKER = new URL('./worker.ts', import.meta.url);

export interface Tally {
  runs: number;
  /** Time that workers spent on it, together. */
  ms: number;
  finding?: Finding;
}

/**
 * Runs the orders on so many workers at once.
 * @param onBatch called after each batch with the tally of its target, which changes from batch to batch. After a finding
 *   the target's other batches are left out: they would find the same again.
 * @returns by target.
 */
export async function runOrders(
  targets: readonly FuzzTarget[],
  orders: readonly BatchOrder[],
  workers: number,
  onBatch: (target: FuzzTarget, tally: Tally) => void,
): Promise<ReadonlyMap<string, Tally>> {
  const tallies = new Map<string, Tally>(targets.map(({ name }) => [name, { runs: 0, ms: 0 }]));
  const waiting = [...orders];
  const work = async () => {
    let hand: Hand | undefined;
    for (let order = waiting.shift(); order !== undefined; order = waiting.shift()) {
      const target = targets.find(({ name }) => name === order?.target);
      const tally = tallies.get(order.target);
      if (target === undefined || tally === undefined || tally.finding !== undefined) continue;
      hand ??= new Hand();
      const report = await hand.run(target, order);
      if (hand.isGone) hand = undefined;
      tally.runs += report.runs;
      tally.ms += report.ms;
      if (report.finding !== undefined) tally.finding ??= report.finding;
      onBatch(target, tally);
    }
    await hand?.end();
  };
  await Promise.all(Array.from({ length: workers }, work));
  return tallies;
}

/** One worker. */
class Hand {
  readonly #pulse = new Int32Array(new SharedArrayBuffer(8));
  readonly #worker = new Worker(WORKER, {
    workerData: this.#pulse,
    // A library of the Matrix side warns of itself.
    execArgv: ['--no-deprecation'],
    // The stack as the main thread of the daemon has it; a worker's own is four times as deep.
    resourceLimits: { maxOldGenerationSizeMb: bounds.heapMb, stackSizeMb: 1 },
  });
  isGone = false;

  async run(target: FuzzTarget, order: BatchOrder): Promise<BatchReport> {
    const startedAt = performance.now();
    const done = new AbortController();
    Atomics.store(this.#pulse, RUN, 0);
    const { signal } = done;
    const lost = async (): Promise<BatchReport> => {
      const why = await Promise.race([this.#ended(signal), this.#stoodStill(signal)]);
      this.isGone = true;
      await this.#worker.terminate();
      return this.#reportLoss(target, order, why, performance.now() - startedAt);
    };
    const answer = this.#answer(signal);
    this.#worker.postMessage(order);
    try {
      return await Promise.race([answer, lost()]);
    } finally {
      done.abort();
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  async #answer(signal: AbortSignal): Promise<BatchReport> {
    const { promise, resolve } = Promise.withResolvers<BatchReport>();
    this.#worker.on('message', resolve);
    signal.addEventListener('abort', () => this.#worker.off('message', resolve));
    return await promise;
  }

  /** Resolves when the worker has ended, which it does not by itself. Never when the signal comes first. */
  async #ended(signal: AbortSignal): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const onError = (failure: unknown) => resolve(lineOf(failure));
    const onExit = (code: number) => resolve(`the worker ended with ${code}`);
    this.#worker.on('error', onError).on('exit', onExit);
    signal.addEventListener('abort', () => this.#worker.off('error', onError).off('exit', onExit));
    return await promise;
  }

  /** Resolves when no run has begun for too long, or for much longer when it is the first. Never as above. */
  async #stoodStill(signal: AbortSignal): Promise<string> {
    let beat = -1;
    let stillSince = performance.now();
    const patienceMs = () => (Atomics.load(this.#pulse, RUN) === 0 ? OPENING_MS : bounds.hangMs);
    while (!signal.aborted && performance.now() - stillSince < patienceMs()) {
      await delay(WATCH_MS, undefined, { ref: false });
      const now = Atomics.load(this.#pulse, BEAT);
      if (now !== beat) stillSince = performance.now();
      beat = now;
    }
    if (signal.aborted) return await new Promise(() => undefined);
    return `hangs: a run took more than ${bounds.hangMs} ms`;
  }

  #reportLoss(target: FuzzTarget, { seed }: BatchOrder, why: string, ms: number): BatchReport {
    const runs = Atomics.load(this.#pulse, RUN);
    if (runs === 0) throw new Error(`${target.name} did not begin: ${why}`);
    const at = runs - 1;
    const input = inputOf(target, seed, at);
    return {
      runs,
      ms,
      finding: { target: target.name, input, what: why, stack: why, seed, path: String(at) },
    };
  }
}
