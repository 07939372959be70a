/** The bridge's memory, as the operating system counts it, with none, one and many accounts, and after a burst. */
import { BenchWorld } from './bench-world.ts';
import { burstHanded, burstIn } from './burst.ts';
import type { BenchOptions } from './options.ts';
import { formatTable, mib } from './statistics.ts';

/** After this, what a step left to be done is done. */
const REST_MS = 3_000;
/** Enlisting at once; more would only wait for Synapse. */
const AT_ONCE = 4;
const BURSTS = 3;

type Reading = Readonly<{ what: string; rssBytes: number; heapBytes: number; accounts: number }>;

export async function measureMemory(options: BenchOptions): Promise<string> {
  const world = await BenchWorld.start(options);
  try {
    const readings: Reading[] = [];
    const read = async (what: string, accounts: number) => {
      await rest();
      const { rssBytes } = await world.bridgeFigures();
      const heapBytes = await world.metric('nodejs_heap_size_used_bytes');
      readings.push({ what, rssBytes, heapBytes, accounts });
    };
    await read('after the start', 0);
    const alice = await world.addUser('alice');
    const optedIn = await world.optIn(alice);
    await read('1 account', 1);
    const names = Array.from({ length: options.accounts - 1 }, (_, index) => `user${index}`);
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let name = names.shift(); name !== undefined; name = names.shift()) {
          await world.optIn(await world.addUser(name));
        }
      }),
    );
    await read(`${options.accounts} accounts`, options.accounts);
    await world.restartBridge(options.accounts);
    await read(`${options.accounts} accounts, after a restart`, options.accounts);
    const conversation = await world.converse(alice, optedIn, 1);
    // Again and again: what is kept for each message would show as growth from one to the next.
    for (let round = 1; round <= BURSTS; round += 1) {
      await burstHanded(world, `memory-out-${round}`, options.burst, [conversation]);
      await burstIn(world, `memory-in-${round}`, options.burst, [conversation]);
      await read(`after ${round * options.burst} messages each way`, options.accounts);
    }
    return report(options, readings);
  } finally {
    await world.stop();
  }
}

function report(options: BenchOptions, readings: readonly Reading[]): string {
  const atStart = readings[0]?.rssBytes ?? Number.NaN;
  return formatTable({
    title: `Memory of the bridge, ${options.database}, each after ${REST_MS / 1_000} s of rest`,
    head: ['state', 'resident', 'JavaScript heap in use', 'resident more than at the start, an account'],
    rows: readings.map(({ what, rssBytes, heapBytes, accounts }) => [
      what,
      mib(rssBytes),
      mib(heapBytes),
      accounts > 1 ? mib((rssBytes - atStart) / accounts) : '–',
    ]),
  });
}

async function rest(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
}
