/**
 * Files on their way: written until their end, checked, and only then passed on. Only ciphertext lies here. What a process
 * left when it died is deleted at the next start: every step that needed it is repeated.
 */
import { createReadStream } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Random } from '../model/ambient.ts';
import type { ByteSource, StoredBytes } from './attachment-cipher.ts';
import { mediaErrors } from './errors.ts';

/** Read from and written to a disk at once: fewer, larger steps than Node's own, still little for many files at a time. */
export const PIECE_BYTES = 256 * 1024;
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

  /** Makes the folder and empties it. */
  async start(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  /**
   * Writes all of `source`, durably; nothing stays when it throws.
   * @throws BridgeError `media/tooLarge` past `maxBytes`; whatever `source` throws; the signal's reason.
   */
  async write(source: ByteSource, limits: { maxBytes: number; signal: AbortSignal }): Promise<SpooledFile> {
    const file = path.join(this.#folder, this.#random.uuid());
    const discard = async () => await rm(file, { force: true });
    let sizeBytes = 0;
    try {
      const handle = await open(file, 'wx', OWNER_ONLY);
      try {
        for await (const piece of source) {
          limits.signal.throwIfAborted();
          sizeBytes += piece.length;
          if (sizeBytes > limits.maxBytes) throw mediaErrors.tooLarge({ limitBytes: limits.maxBytes });
          await writeWhole(handle, piece);
        }
        await handle.sync();
      } finally {
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

async function writeWhole(handle: Awaited<ReturnType<typeof open>>, piece: Uint8Array): Promise<void> {
  for (let done = 0; done < piece.length; ) {
    done += (await handle.write(piece, done)).bytesWritten;
  }
}
