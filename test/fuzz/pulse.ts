/** What a worker and its watcher say to one another. */
import type { BatchResult } from './batch.ts';

export interface BatchOrder {
  readonly target: string;
  readonly seed: number;
  readonly runs: number;
}

export type BatchReport = BatchResult & { readonly ms: number };

/** Places in the memory that they share. Counts each run, also while a failing input is made smaller. */
export const BEAT = 0;
/** Runs begun in this batch; stands still while a failing input is made smaller. */
export const RUN = 1;
