/**
 * Files on their way: written until their end, checked, and only then passed on. Only ciphertext lies here. What a process
 * left when it died is deleted at the next start: every step that needed it is repeated.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Random } from '../model/ambient.ts';
import type { ByteSource, StoredBytes } from './attachment-cipher.ts';
import { mediaErrors } from './errors.ts';

/** Read from and written to a disk at once: fewer, larger steps than Node's own, still little for many files at a time. */
export const PIECE_BYTES = 256 * 1024;
/** Written at once. */
const STEP_BYTES = 1_048_576;
const OWNER_ONLY = 0o600;

/** A whole file. `discard` deletes it; harmless when it is gone or was moved. */
export interface SpooledFile extends StoredBytes {
  readonly path: string;
  discard(): Promise<void>;
}

export class Spool {
  readonly #folder: string;
  readonly #random: Random;

  constructor(deps: { folder: string; random: Random }) {
    this.#folder = deps.folder;
    this.#random = deps.random;
  }

  /** Makes the folder and empties it. @throws BridgeError `media/refused`: it cannot be used. */
  async start(): Promise<void> {
    try {
      await rm(this.#folder, { recursive: true, force: true });
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw mediaErrors.refused({ folder: this.#folder }, cause);
    }
  }

  /**
   * Writes all of `source`, which must not touch a piece that it has given; nothing stays when it throws.
   * @param how `isDurable`: it survives a power cut from then on.
   * @throws BridgeError `media/tooLarge` past `maxBytes`; whatever `source` throws; the signal's reason.
   */
  async write(
    source: ByteSource,
    how: { maxBytes: number; isDurable: boolean; signal: AbortSignal },
  ): Promise<SpooledFile> {
    const file = path.join(this.#folder, this.#random.uuid());
    const discard = async () => await rm(file, { force: true });
    let sizeBytes = 0;
    try {
      const handle = await open(file, 'wx', OWNER_ONLY);
      const writer = new Writer(handle);
      try {
        for await (const piece of source) {
          how.signal.throwIfAborted();
          sizeBytes += piece.length;
          if (sizeBytes > how.maxBytes) throw mediaErrors.tooLarge({ limitBytes: how.maxBytes });
          await writer.add(piece);
        }
        await writer.finish();
        if (how.isDurable) await handle.sync();
      } finally {
        await writer.settled();
        await handle.close();
      }
    } catch (failure) {
      await discard();
      throw failure;
    }
    return { path: file, sizeBytes, discard, read: (start, end) => readFrom(file, start, end) };
  }
}

/** The bytes of a file from `start` up to and without `end`. */
export function readFrom(file: string, start: number, end: number) {
  // Node counts the last byte in; of an empty range there is none.
  return createReadStream(file, { start, end: Math.max(start, end - 1), highWaterMark: PIECE_BYTES });
}

/** Writes in larger steps, one under way while the next is gathered: the ciphers need not wait for the disk. */
class Writer {
  readonly #handle: FileHandle;
  #gathered: Uint8Array[] = [];
  #bytes = 0;
  #underWay: Promise<void> = Promise.resolve();

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async add(piece: Uint8Array): Promise<void> {
    this.#gathered.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes >= STEP_BYTES) await this.#step();
  }

  async finish(): Promise<void> {
    await this.#step();
    await this.#underWay;
  }

  /** Nothing is under way any more, however it ended. */
  async settled(): Promise<void> {
    await this.#underWay.catch(() => {
      /* told by the step after it, or the file is given up anyway */
    });
  }

  async #step(): Promise<void> {
    await this.#underWay;
    if (this.#bytes > 0) this.#underWay = writeWhole(this.#handle, this.#gathered, this.#bytes);
    this.#gathered = [];
    this.#bytes = 0;
    // Its failure is met at the next step; until then nobody listens.
    this.#underWay.catch(() => undefined);
  }
}

async function writeWhole(handle: FileHandle, pieces: Uint8Array[], bytes: number): Promise<void> {
  // Not joined first: copies of every byte are what the garbage collector would be busy with.
  const { bytesWritten } = await handle.writev(pieces);
  if (bytesWritten === bytes) return;
  const rest = Buffer.concat(pieces).subarray(bytesWritten);
  for (let done = 0; done < rest.length; ) done += (await handle.write(rest, done)).bytesWritten;
}
