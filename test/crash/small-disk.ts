/** A file system of its own for the bridge's database, which can be full. Linux, and root, who may mount. */
import { execFileSync } from 'node:child_process';
import { mkdir, statfs } from 'node:fs/promises';

const ROOMY = '2g';
/** What a full one has left: less than one transaction takes. */
const LEFT_BYTES = 16_384;

export class SmallDisk {
  readonly #folder: string;
  readonly #unmount = () => {
    // Lazily: whatever still has a file open there is ended by others.
    execFileSync('umount', ['--lazy', this.#folder], { stdio: 'ignore' });
  };

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Mounts memory at the folder. @returns `undefined` where this machine does not let us. */
  static async mount(folder: string): Promise<SmallDisk | undefined> {
    await mkdir(folder, { recursive: true });
    const disk = new SmallDisk(folder);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${ROOMY},mode=700`, 'tmpfs', folder], {
        stdio: 'ignore',
      });
    } catch {
      return undefined; // not root, not Linux, or a container without the right
    }
    process.once('exit', disk.#unmount);
    return disk;
  }

  /** From now on hardly a byte more fits. */
  async fill(): Promise<void> {
    const { blocks, bfree, bsize } = await statfs(this.#folder);
    this.#resize(String((blocks - bfree) * bsize + LEFT_BYTES));
  }

  free(): void {
    this.#resize(ROOMY);
  }

  unmount(): void {
    process.off('exit', this.#unmount);
    this.#unmount();
  }

  #resize(size: string): void {
    execFileSync('mount', ['-o', `remount,size=${size}`, this.#folder], { stdio: 'ignore' });
  }
}
