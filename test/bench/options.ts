/** What `npm run bench -- …` was asked for. */
import { parseArgs } from 'node:util';

export const PARTS = ['latency', 'throughput', 'memory', 'storage', 'media'] as const;
export type PartName = (typeof PARTS)[number];

export type BenchOptions = Readonly<{
  parts: readonly PartName[];
  database: 'sqlite' | 'postgres';
  /** Measured each way by `latency`. */
  messages: number;
  /** Sent at once, each way, by `throughput` and `memory`. */
  burst: number;
  /** Conversations of the wide burst. */
  portals: number;
  /** Accounts that `memory` enlists. */
  accounts: number;
  /** Repetitions of each step of `storage`. */
  steps: number;
  /** MiB of the file that `media` carries. */
  megabytes: number;
  /** Absolute; where the daemon's CPU profile goes. */
  profileDir: string | undefined;
}>;

export const USAGE = `Usage: npm run bench -- [part…] [options]

Parts: ${PARTS.join(', ')}; all when none is named.

  --postgres         the bridge on PostgreSQL instead of SQLite
  --messages <n>     messages each way of "latency" (100)
  --burst <n>        messages of each burst of "throughput" and "memory" (50)
  --portals <n>      conversations of the wide burst (20)
  --accounts <n>     accounts of "memory" (50)
  --steps <n>        repetitions of each step of "storage" (300)
  --megabytes <n>    size of the file of "media" (500)
  --profile <folder> write a CPU profile of the bridge there; it slows the bridge down
  --help             this text`;

/** @returns `undefined` when help was asked for. @throws TypeError with a sentence for what cannot be understood. */
export function parseOptions(argv: readonly string[]): BenchOptions | undefined {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      postgres: { type: 'boolean', default: false },
      messages: { type: 'string', default: '100' },
      burst: { type: 'string', default: '50' },
      portals: { type: 'string', default: '20' },
      accounts: { type: 'string', default: '50' },
      steps: { type: 'string', default: '300' },
      megabytes: { type: 'string', default: '500' },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    parts: positionals.length === 0 ? PARTS : positionals.map(parsePart),
    database: values.postgres ? 'postgres' : 'sqlite',
    messages: parseCount('messages', values.messages),
    burst: parseCount('burst', values.burst),
    portals: parseCount('portals', values.portals),
    accounts: parseCount('accounts', values.accounts),
    steps: parseCount('steps', values.steps),
    megabytes: parseCount('megabytes', values.megabytes),
    profileDir: values.profile,
  };
}

function parsePart(text: string): PartName {
  const part = PARTS.find((name) => name === text);
  if (part === undefined) throw new TypeError(`there is no part "${text}"; there are ${PARTS.join(', ')}`);
  return part;
}

function parseCount(name: string, text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new TypeError(`--${name} takes a number from 1, not "${text}"`);
  return count;
}
