/**
 * npm run bench: what the bridge costs, measured on the sandbox's real parts and told beside what its neighbours cost in
 * the same run. Prints Markdown tables; docs/performance.md explains them.
 *
 * Exit code 0 when everything arrived, in order; 1 otherwise. No duration decides about it.
 */
import { mkdir } from 'node:fs/promises';
import { availableParallelism, loadavg, release, totalmem } from 'node:os';
import { installSentence } from '../../src/sandbox/toolbox/toolbox.ts';
import { measureLatency } from './latency.ts';
import { measureMedia } from './media.ts';
import { measureMemory } from './memory.ts';
import { type BenchOptions, type PartName, parseOptions, USAGE } from './options.ts';
import { gib } from './statistics.ts';
import { measureStorage } from './storage.ts';
import { measureThroughput } from './throughput.ts';

const MEASURE: Readonly<Record<PartName, (options: BenchOptions) => Promise<string>>> = {
  latency: measureLatency,
  throughput: measureThroughput,
  memory: measureMemory,
  storage: measureStorage,
  media: measureMedia,
};

async function main(argv: readonly string[]): Promise<number> {
  const options = understood(argv);
  if (options === undefined) return 0;
  if (options === 'not understood') return 2;
  if (options.profileDir !== undefined) await mkdir(options.profileDir, { recursive: true });
  console.log(
    `Node.js ${process.versions.node}, Linux ${release()}, ${availableParallelism()} cores, ` +
      `${gib(totalmem())}, load ${loadavg()[0]?.toFixed(1)} before the start`,
  );
  for (const part of options.parts) {
    process.stderr.write(`bench: ${part}…\n`);
    try {
      console.log(await MEASURE[part](options));
    } catch (failure) {
      console.error(installSentence(failure) ?? failure);
      return 1;
    }
  }
  return 0;
}

function understood(argv: readonly string[]): BenchOptions | undefined | 'not understood' {
  try {
    const options = parseOptions(argv);
    if (options === undefined) console.log(USAGE);
    return options;
  } catch (failure) {
    if (!(failure instanceof TypeError)) throw failure;
    console.error(`${failure.message}\n\n${USAGE}`);
    return 'not understood';
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
