import { randomUUID } from 'node:crypto';
import { open, realpath, rename, rm, stat } from 'node:fs/promises';

/**
 * Writes a file that holds secrets: whole or not at all, also when the power fails. An existing file keeps its mode and
 * owner (and a link to it stays one), a new one is for its owner only.
 * @throws the file system's error.
 */
export async function replaceFile(file: string, text: string): Promise<void> {
  const before = await statIfThere(file);
  const target = before === undefined ? file : await realpath(file);
  const written = `${target}.${randomUUID()}.tmp`;
  try {
    const handle = await open(written, 'wx', 0o600);
    try {
      if (before !== undefined) {
        const own = await handle.stat();
        if (own.uid !== before.uid || own.gid !== before.gid) await handle.chown(before.uid, before.gid);
        await handle.chmod(before.mode & 0o777);
      }
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(written, target);
  } catch (failure) {
    await rm(written, { force: true });
    throw failure;
  }
}

/** What stands at `file`, or `undefined` if nothing does. */
export async function statIfThere(file: string) {
  try {
    return await stat(file);
  } catch (failure) {
    if (fileErrorCode(failure) === 'ENOENT') return undefined;
    throw failure;
  }
}

/** The file system's code (`ENOENT`), or `undefined` for any other failure. */
export function fileErrorCode(failure: unknown): string | undefined {
  return failure instanceof Error && 'syscall' in failure && 'code' in failure
    ? String(failure.code)
    : undefined;
}
