/** Some runs of one target from one seed: the same seed makes the same inputs again. */
import fc from 'fast-check';
import type { FuzzTarget } from './fuzz-target.ts';
import type { Judge } from './judge.ts';

export interface Finding {
  readonly target: string;
  /** The smallest input found that still fails. */
  readonly input: unknown;
  /** What came out, in one line. */
  readonly what: string;
  /** Where, for who mends it. */
  readonly stack: string;
  readonly seed: number;
  /** Of fast-check: leads to the input, together with the seed. */
  readonly path: string;
}

export interface BatchResult {
  readonly runs: number;
  readonly finding?: Finding;
}

/** A slow failure is made smaller for so long at most. */
const SHRINK_MS = 20_000;

/**
 * Stops at the first failure and makes its input smaller.
 * @param options `path`: only the input that it leads to. `careful`: waits after each run for what is still under way.
 *   `onRun`: called before each run.
 */
export async function runBatch(
  target: FuzzTarget,
  judge: Judge,
  options: {
    readonly seed: number;
    readonly runs: number;
    readonly path?: string;
    readonly careful?: boolean;
    readonly onRun?: (isShrinking: boolean) => void;
  },
): Promise<BatchResult> {
  let failedAt: number | undefined;
  const property = fc.asyncProperty(target.inputs, async (input) => {
    if (failedAt !== undefined && performance.now() - failedAt > SHRINK_MS) return;
    options.onRun?.(failedAt !== undefined);
    try {
      await judge.run(input);
      if (options.careful) await judge.settle();
    } catch (failure) {
      failedAt ??= performance.now();
      throw failure;
    }
  });
  const { seed, runs, path } = options;
  const details = await fc.check(property, {
    seed,
    numRuns: runs,
    ...(path === undefined ? {} : { path, endOnFailure: true }),
  });
  if (!details.failed) return { runs: details.numRuns };
  const failure = details.errorInstance;
  const finding: Finding = {
    target: target.name,
    input: details.counterexample?.[0],
    what: lineOf(failure),
    stack: failure instanceof Error ? (failure.stack ?? '') : String(failure),
    seed,
    path: details.counterexamplePath ?? '',
  };
  return { runs: details.numRuns, finding };
}

/** The input of one run, without running it: for a run that took its worker along. */
export function inputOf(target: FuzzTarget, seed: number, run: number): unknown {
  return fc.sample(target.inputs, { seed, path: String(run), numRuns: 1 })[0];
}

/** What failed, in one line. */
export function lineOf(failure: unknown): string {
  const text = failure instanceof Error ? `${failure.name}: ${failure.message}` : String(failure);
  return text.replace(/\s+/g, ' ').slice(0, 200);
}
