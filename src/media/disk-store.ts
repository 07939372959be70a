import { constants } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { mediaErrors } from './errors.ts';
import type { FinishedFile, MediaStore } from './media-store.ts';
import { PIECE_BYTES } from './spool.ts';

/** A folder, one file each. The spool lies on the same disk, so that a finished file is renamed into its place. */
export class DiskStore implements MediaStore {
  readonly #folder: string;

  constructor(deps: { folder: string }) {
    this.#folder = deps.folder;
  }

  async start(): Promise<void> {
    await told(async () => await mkdir(this.#folder, { recursive: true, mode: 0o700 }));
  }

  async put(id: string, file: FinishedFile): Promise<void> {
    await told(async () => {
      await rename(file.path, this.#pathOf(id));
      // A rename is durable once the folder is (the file's bytes were synced by the spool).
      const folder = await open(this.#folder, constants.O_RDONLY);
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    });
  }

  async read(id: string, { start, end }: { start: number; end: number }): Promise<Readable> {
    const handle = await open(this.#pathOf(id), constants.O_RDONLY).catch((cause: unknown) => {
      const why = codeIn(cause);
      throw why === 'ENOENT' ? mediaErrors.gone({ why }, cause) : mediaErrors.unavailable({ why }, cause);
    });
    // Node counts the last byte in. No hosted file is empty: it has an IV and a MAC.
    return handle.createReadStream({ start, end: end - 1, highWaterMark: PIECE_BYTES });
  }

  async delete(id: string): Promise<void> {
    await told(async () => await rm(this.#pathOf(id), { force: true }));
  }

  #pathOf(id: string): string {
    return path.join(this.#folder, id);
  }
}

async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw mediaErrors.unavailable({ why: codeIn(cause) }, cause);
  }
}

function codeIn(failure: unknown): string | undefined {
  const code = failure instanceof Error && 'code' in failure ? failure.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
