/**
 * npm run fuzz -- --runs N [--only target] [--seed S] [--path P]
 *
 * Runs N made-up inputs, shared out over all targets by weight. Any exception that is not a refusal of ours, a rejection
 * that nobody handles, a run that takes too long or holds too much is a finding: it is made small, written to
 * test/fixtures/fuzz/, where `npm run check` replays it, and told with the seed and path that lead to it again. Ends with 1
 * then, with 2 for wrong arguments.
 */
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { type Print, printLine } from '../../scripts/steps.ts';
import { type Finding, runBatch } from './batch.ts';
import { runOrders, type Tally } from './crew.ts';
import { writeFinding } from './fixtures.ts';
import type { FuzzTarget } from './fuzz-target.ts';
import { Judge } from './judge.ts';
import { inTurn, ordersFor, shareOut } from './orders.ts';
import { targets } from './targets/targets.ts';

const USAGE = 'Usage: npm run fuzz -- --runs N [--only target] [--seed S] [--path P]';
const DEFAULT_RUNS = 20_000;
const MAX_WORKERS = 4;
const PROGRESS_MS = 15_000;

interface Wish {
  readonly runs: number;
  readonly chosen: readonly FuzzTarget[];
  readonly seed: number;
  readonly path: string | undefined;
}

/** @returns the exit code. */
export async function main(args: readonly string[], print: Print): Promise<number> {
  const wish = parseWish(args);
  if (typeof wish === 'string') {
    print(`${wish}\n${USAGE}`);
    return 2;
  }
  print(`fuzz: seed ${wish.seed}`);
  const tallies = wish.path === undefined ? await runAll(wish, print) : await runOne(wish, wish.path);
  const findings = [...tallies.values()].flatMap(({ finding }) => (finding === undefined ? [] : [finding]));
  for (const { name } of wish.chosen) printTally(name, tallies.get(name), print);
  for (const finding of findings) await report(finding, print);
  const runs = [...tallies.values()].reduce((sum, tally) => sum + tally.runs, 0);
  print(`fuzz: runs=${runs} targets=${wish.chosen.length} findings=${findings.length}`);
  return findings.length === 0 ? 0 : 1;
}

function parseWish(args: readonly string[]): Wish | string {
  let values: { runs?: string; only?: string; seed?: string; path?: string };
  try {
    const option = { type: 'string' } as const;
    const options = { runs: option, only: option, seed: option, path: option };
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (failure) {
    return failure instanceof Error ? failure.message : String(failure);
  }
  const { only, path } = values;
  const runs = Number(values.runs ?? DEFAULT_RUNS);
  const seed = Number(values.seed ?? randomInt(2 ** 31));
  const chosen = targets.filter(({ name }) => only === undefined || name === only);
  if (!Number.isSafeInteger(runs) || runs < 1) return '--runs takes a whole number from 1';
  if (!Number.isSafeInteger(seed)) return '--seed takes a whole number';
  if (chosen.length === 0) return `no target ${only}: ${targets.map(({ name }) => name).join(', ')}`;
  if (path !== undefined && (only === undefined || values.seed === undefined))
    return '--path needs --only and --seed';
  return { runs, chosen, seed, path };
}

async function runAll({ chosen, runs, seed }: Wish, print: Print): Promise<ReadonlyMap<string, Tally>> {
  const orders = inTurn(shareOut(chosen, runs).map(({ target, share }) => ordersFor(target, share, seed)));
  const startedAt = performance.now();
  let toldAt = startedAt;
  const done = new Map<string, number>();
  return await runOrders(chosen, orders, Math.min(availableParallelism(), MAX_WORKERS), ({ name }, tally) => {
    done.set(name, tally.runs);
    if (performance.now() - toldAt < PROGRESS_MS) return;
    toldAt = performance.now();
    const sum = [...done.values()].reduce((one, other) => one + other, 0);
    print(`fuzz: ${sum} of ${runs} runs after ${Math.round((toldAt - startedAt) / 1000)} s`);
  });
}

/** The input that a seed and a path lead to, in this thread: for a debugger. */
async function runOne({ chosen, seed }: Wish, path: string): Promise<ReadonlyMap<string, Tally>> {
  const tallies = new Map<string, Tally>();
  for (const target of chosen) {
    await using open = await target.open();
    using judge = new Judge(open);
    const startedAt = performance.now();
    const result = await runBatch(target, judge, { seed, runs: 1, path, careful: true });
    tallies.set(target.name, { ...result, ms: performance.now() - startedAt });
  }
  return tallies;
}

function printTally(name: string, tally: Tally | undefined, print: Print): void {
  const { runs, ms, finding } = tally ?? { runs: 0, ms: 0 };
  const rate = ms === 0 ? 0 : Math.round((runs / ms) * 1000);
  print(
    `${name.padEnd(18)} ${String(runs).padStart(8)} runs ${String(rate).padStart(6)} runs/s ${finding ? 'FINDING' : 'ok'}`,
  );
}

async function report(finding: Finding, print: Print): Promise<void> {
  const file = await writeFinding(finding);
  print(`\n${finding.target}: ${finding.what}`);
  print(finding.stack.split('\n').slice(0, 12).join('\n'));
  print(`input: ${(JSON.stringify(finding.input) ?? 'none').slice(0, 1000)}`);
  print(
    `written to ${file}; again: npm run fuzz -- --only ${finding.target} --seed ${finding.seed} --path ${finding.path}\n`,
  );
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2), printLine);
