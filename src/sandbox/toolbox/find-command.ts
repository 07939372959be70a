import { access, constants, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';

/** `Toolbox.findCommand`. Relative folders on PATH are passed over. */
export async function findCommand(
  name: string,
  path: string,
  folders: readonly string[],
): Promise<string | undefined> {
  for (const folder of [...path.split(delimiter), ...folders]) {
    const file = join(folder, name);
    if (isAbsolute(folder) && (await isExecutable(file))) return file;
  }
  return undefined;
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false; // not there, or not for us: the next folder may have it
  }
}
