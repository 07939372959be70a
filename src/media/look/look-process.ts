/**
 * The process that looks at one file and ends: decoders of what strangers send run here, with nothing worth stealing, and a
 * file that breaks them costs a thumbnail. Started by `FileInspector`; what it reads and writes is in findings.ts.
 */
import type { LookWish } from './findings.ts';
import { look } from './look.ts';

/** Outside the JavaScript heap too, where pictures are: what V8 is told to bound is only the heap. */
const SPARE_BYTES = 512 * 1_048_576;
const CHECK_EVERY_MS = 50;
/** Later than the daemon’s own deadline: only for when the daemon is no longer there. */
const LAST_MS = 120_000;
const NEWLINE = 0x0a;
const WISH_MAX_BYTES = 4_096;

async function main(): Promise<void> {
  const { wish, bytes } = await readAll();
  guard(SPARE_BYTES + 3 * bytes.length);
  for await (const findings of look(bytes, wish)) await say(`${JSON.stringify(findings)}\n`);
  // Decoders may leave threads behind.
  process.exit(0);
}

async function readAll(): Promise<{ wish: LookWish; bytes: Uint8Array }> {
  const pieces: Buffer[] = [];
  for await (const piece of process.stdin as AsyncIterable<Buffer>) pieces.push(piece);
  const all = Buffer.concat(pieces);
  const end = all.subarray(0, WISH_MAX_BYTES).indexOf(NEWLINE);
  // Written by the daemon, which is what this process trusts.
  return { wish: JSON.parse(all.toString('utf8', 0, end)) as LookWish, bytes: all.subarray(end + 1) };
}

function guard(maxBytes: number): void {
  const startedAt = performance.now();
  setInterval(() => {
    const isOver = process.memoryUsage.rss() > maxBytes || performance.now() - startedAt > LAST_MS;
    if (isOver) process.exit(1);
  }, CHECK_EVERY_MS).unref();
}

async function say(line: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(line, (failure) => (failure ? reject(failure) : resolve()));
  });
}

await main();
