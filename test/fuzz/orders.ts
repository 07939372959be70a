/** How the runs are shared out: by weight over the targets, then in batches. Pure. */
import type { FuzzTarget } from './fuzz-target.ts';
import type { BatchOrder } from './pulse.ts';

/** A batch takes seconds, whatever its target costs: heavy ones have less weight. */
const BATCH_PER_WEIGHT = 10;
const SMALLEST_BATCH = 100;
/** Steps between the seeds of batches, so that two runs with neighbouring seeds share none. */
const SEED_STEP = 0x9e37_79b1;

/** Whole shares that make up `runs` together; a target gets none only when there are fewer runs than targets. */
export function shareOut(
  targets: readonly FuzzTarget[],
  runs: number,
): { readonly target: FuzzTarget; readonly share: number }[] {
  let weightLeft = targets.reduce((sum, { weight }) => sum + weight, 0);
  let runsLeft = runs;
  // The light ones first: what is rounded up for them the heavy ones do not feel.
  return targets
    .toSorted((one, other) => one.weight - other.weight)
    .map((target) => {
      const share = Math.min(runsLeft, Math.ceil((runsLeft * target.weight) / weightLeft));
      weightLeft -= target.weight;
      runsLeft -= share;
      return { target, share };
    });
}

/** The batches of one target; the first has the seed itself. */
export function ordersFor({ name, weight }: FuzzTarget, runs: number, seed: number): BatchOrder[] {
  const size = Math.max(SMALLEST_BATCH, weight * BATCH_PER_WEIGHT);
  return Array.from({ length: Math.ceil(runs / size) }, (_, index) => ({
    target: name,
    seed: (seed + Math.imul(index, SEED_STEP)) | 0,
    runs: Math.min(size, runs - index * size),
  }));
}

/** One batch of each in turn, so that every target is reached soon. */
export function inTurn(lists: readonly (readonly BatchOrder[])[]): BatchOrder[] {
  const longest = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, round) => lists.flatMap((list) => list[round] ?? [])).flat();
}
