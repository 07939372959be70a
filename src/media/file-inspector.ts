/**
 * Has files looked at, each by a process of its own that ends with it: started when there is a file, without environment,
 * with bounded memory and time. So what one person sends can neither hurt the daemon nor see what another sends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock, Log } from '../model/ambient.ts';
import type { MediaKind } from '../model/chat-event.ts';
import type { ByteSource } from './attachment-cipher.ts';
import { ANY_MIME, type Extra, FINDINGS_MAX_BYTES, type FindingsOf, type LookWish } from './look/findings.ts';
import { parseFindings } from './parse-findings.ts';
import { Turns } from './turns.ts';

export type InspectWish = Readonly<{
  /** Opens the plaintext, once at most. What it throws is no failure: nothing is found out then. */
  open: () => Promise<ByteSource>;
  /** As the sender told. */
  kind: MediaKind;
  /** As the sender told; '' or anything. */
  mime: string;
  /** Plaintext bytes, where somebody has told: saves reading a file that is looked at by its beginning only. */
  expectedBytes?: number;
  /** What is missing and to be made. */
  extras: readonly Extra[];
  signal: AbortSignal;
}>;

/**
 * What is known of a file. `kind` and `mime` are what its bytes show; the sender’s word holds where they show nothing and
 * it could be so; else it is a `file` of no particular type.
 */
export type FileFacts = Readonly<FindingsOf<Uint8Array> & { kind: MediaKind; mime: string }>;

/** Of the beginning: enough for the type of any file, and the sizes of a picture. */
const HEAD_BYTES = 256 * 1024;
/** Of one look, with the time that the file takes to come. */
const DEADLINE_MS = 30_000;
const AT_ONCE = 2;
/** Of the JavaScript heap; what is outside of it the process watches itself. */
const HEAP_MB = 128;
/** It may read files, the libraries among them, and load their native parts; no writing, no other processes. */
const BOUNDS = [
  `--max-old-space-size=${HEAP_MB}`,
  '--permission',
  '--allow-addons',
  '--allow-fs-read=*',
] as const;
const LOOK_PROCESS = path.join(
  import.meta.dirname,
  'look',
  // As this file: TypeScript in the source tree, JavaScript in dist/.
  `look-process${path.extname(import.meta.filename)}`,
);

export class FileInspector {
  readonly #deps: Readonly<{
    settings: { maxBytes: number; thumbnails: boolean };
    clock: Clock;
    log: Log;
    program: string;
  }>;
  readonly #turns = new Turns(AT_ONCE);
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  /**
   * @param deps `maxBytes`: larger files are looked at by their beginning only. `thumbnails`: whether pixels are decoded.
   * `program`: what looks, for tests of how it can fail.
   */
  constructor(deps: {
    settings: { maxBytes: number; thumbnails: boolean };
    clock: Clock;
    log: Log;
    program?: string;
  }) {
    this.#deps = { program: LOOK_PROCESS, ...deps };
  }

  /** Never fails for the file’s sake. @throws the signal’s reason; Error: the daemon is stopping. */
  async inspect(wish: InspectWish): Promise<FileFacts> {
    const signal = AbortSignal.any([wish.signal, this.#stopping.signal]);
    const done = await this.#turns.take(signal);
    const work = this.#look(wish, signal);
    this.#running.add(work);
    try {
      const findings = await work;
      signal.throwIfAborted();
      return { kind: 'file', mime: ANY_MIME, ...findings };
    } finally {
      this.#running.delete(work);
      done();
    }
  }

  /** Ends what is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'));
    await Promise.allSettled(this.#running);
  }

  async #look(wish: InspectWish, signal: AbortSignal): Promise<FindingsOf<Uint8Array>> {
    const { clock, log, program } = this.#deps;
    const child = spawn(process.execPath, [...BOUNDS, program], {
      env: {},
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const { stdin, stdout } = child;
    const over = new AbortController();
    const kill = () => child.kill('SIGKILL');
    signal.addEventListener('abort', kill);
    const deadline = clock.sleep(DEADLINE_MS, over.signal).then(kill, () => {
      /* it ended in time */
    });
    // Not waited for: a source that hangs must not hold up what the deadline has ended.
    pipeline(Readable.from(toProcess(wish, this.#toLookWish(wish))), stdin).catch((failure: unknown) => {
      log.debug('a file did not come to the end of its look', {}, failure);
      kill();
    });
    try {
      const [said, ended] = await Promise.all([listen(stdout, kill), endOf(child)]);
      if (ended !== 'well') log.info('a file could not be looked at to the end', { ended });
      return parseFindings(said);
    } finally {
      signal.removeEventListener('abort', kill);
      over.abort();
      await deadline;
    }
  }

  #toLookWish({ kind, mime, extras, expectedBytes = 0 }: InspectWish): LookWish {
    const { maxBytes, thumbnails } = this.#deps.settings;
    const isHeadEnough = kind === 'file' || expectedBytes > maxBytes;
    return {
      kind,
      mime: mime.slice(0, 128),
      extras: extras.filter((extra) => thumbnails || extra === 'waveform'),
      limitBytes: isHeadEnough ? HEAD_BYTES : maxBytes + 1,
    };
  }
}

async function* toProcess({ open }: InspectWish, look: LookWish): ByteSource {
  yield Buffer.from(`${JSON.stringify(look)}\n`);
  let left = look.limitBytes;
  for await (const piece of await open()) {
    yield piece.subarray(0, left);
    left -= piece.length;
    if (left <= 0) return;
  }
}

/** @returns all it says, until it ends or says too much. */
async function listen(stdout: Readable, kill: () => void): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of stdout as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > FINDINGS_MAX_BYTES) {
      kill();
      break;
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** @returns how it ended, in one word. */
async function endOf(child: ChildProcess): Promise<string> {
  return await new Promise((resolve) => {
    child.once('error', () => resolve('not-started'));
    child.once('close', (code, signal) => resolve(code === 0 ? 'well' : (signal ?? `code-${code}`)));
  });
}
