/**
 * A large file, each way through `media/`: from the ciphertext of Matrix to the hosted one, and from a host of the network to
 * the ciphertext of Matrix. Beside it what OpenSSL takes for the same ciphers and hashes alone, in the same run.
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
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
/** What the issue of this part promises. */
const LEAST_RATIO = 0.5;
const MOST_GROWTH_BYTES = 48 * MIB;

/** Bytes per second of one primitive, by OpenSSL. */
type Speeds = Readonly<Record<'aes-256-ctr' | 'aes-256-cbc' | 'sha256', number>>;
type Figure = Readonly<{ tookMs: number; growthBytes: number }>;

export async function measureMedia({ megabytes }: BenchOptions): Promise<string> {
  const sizeBytes = megabytes * MIB;
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const most = 2 * sizeBytes + WARM_UP_MIB * 4 * MIB;
  await using world = await MediaWorld.start({
    settings: { maxBytes: most, accountQuotaBytes: 2 * most, totalQuotaBytes: 2 * most },
    sources: new Map([[NETWORK, { hosts: [origin] }]]),
  });
  try {
    const little = WARM_UP_MIB * MIB;
    const warm = await crossOut(world, keyOf(little), little, '$warm-up');
    await crossIn(world, server, origin, warm);
    const key = keyOf(sizeBytes);
    const before = await opensslSpeeds();
    let hosted: HostedFile | undefined;
    const out = await measured(async () => {
      hosted = await crossOut(world, key, sizeBytes, '$file');
    });
    if (hosted === undefined) throw new Error('nothing was hosted');
    const file = hosted;
    const into = await measured(async () => await crossIn(world, server, origin, file));
    const after = await opensslSpeeds();
    // Others may use the machine meanwhile: the mean of what it gave before and after.
    const speeds = meanOf(before, after);
    return report(sizeBytes, speeds, out, into);
  } finally {
    server.closeAllConnections();
    server.close();
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
async function crossIn(world: MediaWorld, server: Server, origin: string, hosted: HostedFile): Promise<void> {
  const { media } = world;
  const served = await media.findServed(hosted.url.slice(hosted.url.lastIndexOf('/') + 1));
  if (served === undefined) throw new Error('it is not served');
  server.removeAllListeners('request').on('request', (_request, response) => {
    media.readServed(served, { start: 0, end: served.sizeBytes }).then(
      (body) => body.pipe(response),
      () => response.destroy(),
    );
  });
  const fetched = await media.fetch({
    network: NETWORK,
    file: { ...hosted, url: `${origin}/file` },
    signal: new AbortController().signal,
  });
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

async function measured(work: () => Promise<void>): Promise<Figure> {
  const startBytes = residentBytes();
  let mostBytes = startBytes;
  const sampling = setInterval(() => {
    mostBytes = Math.max(mostBytes, residentBytes());
  }, SAMPLE_MS);
  const startedMs = performance.now();
  try {
    await work();
  } finally {
    clearInterval(sampling);
  }
  return { tookMs: performance.now() - startedMs, growthBytes: mostBytes - startBytes };
}

/** Of this process, as the system counts it. */
function residentBytes(): number {
  return Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]) * 4_096;
}

async function opensslSpeeds(): Promise<Speeds> {
  const speed = async (name: string) => {
    const args = ['speed', '-elapsed', '-mr', '-seconds', '2', '-bytes', String(PIECE.length), '-evp', name];
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

function meanOf(one: Speeds, other: Speeds): Speeds {
  const mean = (name: keyof Speeds) => (one[name] + other[name]) / 2;
  return { 'aes-256-ctr': mean('aes-256-ctr'), 'aes-256-cbc': mean('aes-256-cbc'), sha256: mean('sha256') };
}

function report(sizeBytes: number, speeds: Speeds, out: Figure, into: Figure): string {
  // One after the other: Matrix's cipher and hash, Signal's cipher, MAC and digest.
  const alone = 1 / (1 / speeds['aes-256-ctr'] + 1 / speeds['aes-256-cbc'] + 3 / speeds.sha256);
  const row = (name: string, { tookMs, growthBytes }: Figure) => {
    const rate = sizeBytes / (tookMs / 1_000);
    const isKept = rate > LEAST_RATIO * alone && growthBytes < MOST_GROWTH_BYTES;
    return [name, `${mib(rate)}/s`, (rate / alone).toFixed(2), mib(growthBytes), isKept ? 'yes' : 'no'];
  };
  return formatTable({
    title: `A file of ${mib(sizeBytes)}; its ciphers and hashes alone, one after the other, in OpenSSL: ${mib(alone)}/s`,
    head: ['way', 'speed', 'of OpenSSL’s', 'memory, most above the start', 'over half, and under 48 MiB'],
    rows: [row('Matrix to hosted, on disk', out), row('host to Matrix', into)],
  });
}
