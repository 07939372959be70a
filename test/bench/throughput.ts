/** Bursts over one conversation and over many, each way; beside them what Synapse alone does with as many messages. */
import { BenchWorld, type Conversation } from './bench-world.ts';
import { type BurstResult, burstHanded, burstIn, burstOut, burstPlain } from './burst.ts';
import { countTransactions } from './database-figures.ts';
import type { MatrixUser } from './matrix-user.ts';
import type { BenchOptions } from './options.ts';
import { digits, formatTable, kib, ms, percentile, perSecond } from './statistics.ts';

/** One kind of burst, once a round. `transactions`: ids used in each round; empty on SQLite. */
type Line = Readonly<{ what: string; results: BurstResult[]; transactions: number[] }>;

/** Others on the machine come and go: each burst is measured as often, in turn, and its median told. */
const ROUNDS = 3;
const ALONE = 'Synapse alone';

/** @throws Error when a message was lost or came out of order: figures of such a run mean nothing. */
export async function measureThroughput(options: BenchOptions): Promise<string> {
  const world = await BenchWorld.start(options);
  try {
    const alice = await world.addUser('alice');
    const dave = await world.addUser('dave');
    const optedIn = await world.optIn(alice);
    const conversations: Conversation[] = [];
    const rooms: string[] = [];
    for (let number = 1; number <= options.portals; number += 1) {
      conversations.push(await world.converse(alice, optedIn, number));
      rooms.push(await alice.createRoom(dave.userId, false));
    }
    // Once around unmeasured: the first hundreds of messages also pay for the compilation of what they run through.
    await burstOut(world, 'warm-up-out', options.burst, conversations);
    await burstIn(world, 'warm-up-in', options.burst, conversations);
    const lines = new Map<string, Line>();
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const width of new Set([1, options.portals])) {
        const over = conversations.slice(0, width);
        for (const [what, run] of bursts(world, options.burst, over, {
          rooms: rooms.slice(0, width),
          users: [alice, dave],
        })) {
          const label = `${what}, ${width}`;
          const { result, transactions } = await countTransactions(world.postgres, async () =>
            refuseBroken(label, await run(`${what.replaceAll(' ', '-')}-${width}-${round}`)),
          );
          const line = lines.get(label) ?? { what: label, results: [], transactions: [] };
          lines.set(label, line);
          line.results.push(result);
          if (transactions !== undefined) line.transactions.push(transactions);
        }
      }
    }
    return report(options, [...lines.values()]);
  } finally {
    await world.stop();
  }
}

type Run = (name: string) => Promise<BurstResult>;

function bursts(
  world: BenchWorld,
  burst: number,
  over: readonly Conversation[],
  plain: Readonly<{ rooms: readonly string[]; users: readonly [MatrixUser, MatrixUser] }>,
): readonly (readonly [string, Run])[] {
  return [
    [ALONE, (name) => burstPlain(world, name, burst, plain.rooms, plain.users)],
    ['outbound through Synapse', (name) => burstOut(world, name, burst, over)],
    ['outbound handed to the bridge', (name) => burstHanded(world, name, burst, over)],
    ['inbound', (name) => burstIn(world, name, burst, over)],
  ];
}

function refuseBroken(what: string, result: BurstResult): BurstResult {
  if (result.lost === 0 && result.inOrder) return result;
  throw new Error(`${what}: ${result.lost} lost, in order: ${result.inOrder}`);
}

function report(options: BenchOptions, lines: readonly Line[]): string {
  const tookMs = ({ results }: Line) =>
    percentile(
      results.map((result) => result.tookMs),
      0.5,
    );
  const each = ({ results }: Line, figure: (result: BurstResult) => number) =>
    percentile(
      results.map((result) => figure(result) / options.burst),
      0.5,
    );
  return formatTable({
    title: `Throughput, ${options.database}, ${options.burst} messages at once, over 1 and ${options.portals} conversations, median of ${ROUNDS}`,
    head: [
      'burst',
      'messages',
      '/ Synapse alone',
      'order',
      'CPU bridge',
      'CPU Synapse',
      'written',
      'transaction ids',
    ],
    rows: lines.map((line) => {
      const width = line.what.slice(line.what.lastIndexOf(','));
      const alone = lines.find(({ what }) => what === `${ALONE}${width}`);
      const ofBridge = line !== alone;
      return [
        line.what,
        perSecond(options.burst, tookMs(line)),
        alone === undefined ? '–' : digits(tookMs(alone) / tookMs(line)),
        'kept',
        ofBridge ? ms(each(line, ({ bridge }) => bridge.cpuMs)) : '–',
        ms(each(line, ({ synapse }) => synapse.cpuMs)),
        ofBridge && options.database === 'sqlite'
          ? kib(each(line, ({ bridge }) => bridge.writtenBytes))
          : '–',
        ofBridge ? digits(percentile(line.transactions, 0.5) / options.burst) : '–',
      ];
    }),
  });
}
