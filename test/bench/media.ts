/**
 * A large file, each way through `media/`: from the ciphertext of Matrix to the hosted one, and from a host of the network to
 * the ciphertext of Matrix. Beside it what OpenSSL takes for the same ciphers and hashes alone, in the same run.
 */
import { execFile, fork } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import type { ByteSource, HostedFile, MatrixFileKey } from '../../src/media/media.ts';
import { MediaWorld, NETWORK } from '../unit/media/media-world.ts';
import type { BenchOptions } from './options.ts';
import { formatTable, mib } from './statistics.ts';

const PIECE = randomBytes(65_536);
const MIB = 1_048_576;
/** Warms up what is compiled and pooled at first use, and is not growth. */
const WARM_UP_MIB = 32;
const SAMPLE_MS = 10;

/** Bytes per second of one primitive, by OpenSSL. */
type Speeds = Readonly<Record<'aes-256-ctr' | 'aes-256-cbc' | 'sha256', number>>;
/** `usedMs`: processor time of all threads of this process. */
type Figure = Readonly<{ tookMs: number; usedMs: number; growthBytes: number }>;

export async function measureMedia({ megabytes }: BenchOptions): Promise<string> {
  const sizeBytes = megabytes * MIB;
  const most = 2 * sizeBytes + WARM_UP_MIB * 4 * MIB;
  // The network's host is known by its port only once there is something to serve.
  const hosts: string[] = [];
  await using world = await MediaWorld.start({
    settings: { maxBytes: most, accountQuotaBytes: 2 * most, totalQuotaBytes: 2 * most },
    sources: new Map([[NETWORK, { hosts }]]),
  });
  const little = WARM_UP_MIB * MIB;
  const warm = await crossOut(world, keyOf(little), little, '$warm-up');
  await withHost(world, warm, hosts, async (url) => await crossIn(world, warm, url));
  const key = keyOf(sizeBytes);
  // Others may use the machine meanwhile: the mean of what it gave before and after.
  const before = [await opensslSpeeds('-elapsed'), await opensslSpeeds()] as const;
  const [out, hosted] = await measured(async () => await crossOut(world, key, sizeBytes, '$file'));
  const [into] = await withHost(world, hosted, hosts, async (url) =>
    measured(async () => await crossIn(world, hosted, url)),
  );
  const after = [await opensslSpeeds('-elapsed'), await opensslSpeeds()] as const;
  const byClock = (alone(before[0]) + alone(after[0])) / 2;
  const byProcessor = (alone(before[1]) + alone(after[1])) / 2;
  return report(sizeBytes, { byClock, byProcessor }, out, into);
}

/** Runs `work` while the hosted file is served, as a network would, by another process. */
async function withHost<T>(
  world: MediaWorld,
  hosted: HostedFile,
  hosts: string[],
  work: (url: string) => Promise<T>,
): Promise<T> {
  const file = join(world.folder, 'hosted', hosted.url.slice(hosted.url.lastIndexOf('/') + 1));
  const server = fork(join(import.meta.dirname, 'file-server.ts'), [file], { silent: true });
  try {
    const [port] = (await once(server.stdout ?? server, 'data')) as [Buffer];
    const origin = `http://127.0.0.1:${port.toString().trim()}`;
    hosts.push(origin);
    return await work(`${origin}/file`);
  } finally {
    server.kill();
  }
}

/** As the core will: Matrix's ciphertext comes, is decrypted, encrypted for the network, and hosted. */
async function crossOut(
  world: MediaWorld,
  key: MatrixFileKey,
  sizeBytes: number,
  reference: string,
): Promise<HostedFile> {
  const { media, account } = world;
  return await media.host({
    account,
    reference,
    open: async () => media.decryptMatrixFile(repeated(sizeBytes), key),
    signal: new AbortController().signal,
  });
}

/** A key under which any bytes are a whole file: the hash is that of what comes. */
function keyOf(sizeBytes: number): MatrixFileKey {
  const hash = createHash('sha256');
  for (let left = sizeBytes; left > 0; left -= PIECE.length) hash.update(PIECE.subarray(0, left));
  return { key: randomBytes(32), iv: randomBytes(16), sha256: hash.digest() };
}

async function* repeated(sizeBytes: number): AsyncGenerator<Buffer> {
  for (let left = sizeBytes; left > 0; left -= PIECE.length) yield PIECE.subarray(0, left);
}

/** As the core will: fetched, verified, decrypted, encrypted for Matrix, and sent on. */
async function crossIn({ media }: MediaWorld, hosted: HostedFile, url: string): Promise<void> {
  const signal = new AbortController().signal;
  const fetched = await media.fetch({ network: NETWORK, file: { ...hosted, url }, signal });
  try {
    const sent = await drained(media.encryptMatrixFile().encrypt(fetched.open()));
    if (sent !== hosted.sizeBytes) throw new Error('it is not whole');
  } finally {
    await fetched.discard();
  }
}

async function drained(source: ByteSource): Promise<number> {
  let bytes = 0;
  for await (const piece of source) bytes += piece.length;
  return bytes;
}

async function measured<T>(work: () => Promise<T>): Promise<[Figure, T]> {
  const startBytes = residentBytes();
  let mostBytes = startBytes;
  const sampling = setInterval(() => {
    mostBytes = Math.max(mostBytes, residentBytes());
  }, SAMPLE_MS);
  const startedMs = performance.now();
  const usedBefore = process.cpuUsage();
  try {
    const done = await work();
    const tookMs = performance.now() - startedMs;
    const { user, system } = process.cpuUsage(usedBefore);
    return [{ tookMs, usedMs: (user + system) / 1_000, growthBytes: mostBytes - startBytes }, done];
  } finally {
    clearInterval(sampling);
  }
}

/** Of this process, as the system counts it. */
function residentBytes(): number {
  return Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]) * 4_096;
}

/** @param how `-elapsed`: by the clock; else by processor time. */
async function opensslSpeeds(...how: readonly string[]): Promise<Speeds> {
  const speed = async (name: string) => {
    const args = ['speed', ...how, '-mr', '-seconds', '1', '-bytes', String(PIECE.length), '-evp', name];
    const { stdout } = await promisify(execFile)('openssl', args);
    // `+F:22:AES-256-CBC:1234567.89`
    const told = Number(/^\+F:.*:([\d.]+)$/m.exec(stdout)?.[1]);
    if (!(told > 0)) throw new Error(`openssl told no speed of ${name}`);
    return told;
  };
  return {
    'aes-256-ctr': await speed('aes-256-ctr'),
    'aes-256-cbc': await speed('aes-256-cbc'),
    sha256: await speed('sha256'),
  };
}

/** One after the other: Matrix's cipher and hash, Signal's cipher, MAC and digest. @returns bytes a second. */
function alone(speeds: Speeds): number {
  return 1 / (1 / speeds['aes-256-ctr'] + 1 / speeds['aes-256-cbc'] + 3 / speeds.sha256);
}

function report(
  sizeBytes: number,
  openssl: Readonly<{ byClock: number; byProcessor: number }>,
  out: Figure,
  into: Figure,
): string {
  const row = (name: string, { tookMs, usedMs, growthBytes }: Figure) => {
    const [rate, rateUsed] = [sizeBytes / (tookMs / 1_000), sizeBytes / (usedMs / 1_000)];
    const ratios = [rate / openssl.byClock, rateUsed / openssl.byProcessor];
    return [name, `${mib(rate)}/s`, ...ratios.map((ratio) => ratio.toFixed(2)), mib(growthBytes)];
  };
  const { byClock, byProcessor } = openssl;
  return formatTable({
    title:
      `A file of ${mib(sizeBytes)}; its ciphers and hashes alone, one after the other, in OpenSSL: ` +
      `${mib(byClock)}/s by the clock, ${mib(byProcessor)}/s by processor time`,
    head: ['way', 'speed', 'of OpenSSL’s', 'by processor time', 'memory, most above the start'],
    rows: [row('Matrix to hosted, on disk', out), row('host to Matrix', into)],
  });
}
