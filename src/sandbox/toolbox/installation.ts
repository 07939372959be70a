import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from './lock.cjs';
import type { Installation, Toolbox } from './toolbox.ts';

const STAMP = '.installed';

/** `Toolbox.ensure`: see `Installation`. */
export async function ensureInstalled(
  { folder, progress }: Pick<Toolbox, 'folder' | 'progress'>,
  installation: Installation,
): Promise<string> {
  const { name, version } = installation;
  const dir = join(folder, `${name}-${version}`);
  // Asked without the lock first: a finished installation must not wait for one that is being built elsewhere.
  if (await isFinished(dir, installation)) return dir;
  return withLock(
    join(folder, `${name}.lock`),
    async () => {
      if (await isFinished(dir, installation)) return dir;
      const startedAt = performance.now();
      progress(`${name}: installing…`);
      await rm(dir, { recursive: true, force: true });
      await mkdir(dir, { recursive: true });
      await installation.build(dir);
      await writeFile(join(dir, STAMP), `${version}\n`);
      progress(`${name}: ready (${((performance.now() - startedAt) / 1000).toFixed(0)} s)`);
      return dir;
    },
    () => progress(`${name}: waiting for another run that is installing it…`),
  );
}

async function isFinished(dir: string, { version, intact }: Installation): Promise<boolean> {
  const stamp = await readFile(join(dir, STAMP), 'utf8').catch(() => ''); // no stamp: never finished
  return stamp.trim() === version && (intact === undefined || (await intact(dir)));
}
