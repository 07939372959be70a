import path from 'node:path';
import { Option } from 'commander';
import type { CliIo } from './io.ts';

export interface SandboxFolderOption {
  readonly dir?: string;
}

/** `--dir`: the same for the commands that make or use a sandbox. */
export function sandboxFolderOption(): Option {
  return new Option(
    '--dir <folder>',
    'the sandbox’s folder; else "sandbox" beside the tools in .drawbridge/',
  );
}

/** The sandbox's folder, absolute. */
export async function sandboxFolder(options: SandboxFolderOption, io: CliIo): Promise<string> {
  if (options.dir !== undefined) return path.resolve(options.dir);
  const { toolsFolder } = await import('../sandbox/toolbox/toolbox.ts');
  return path.join(toolsFolder(io.environment), 'sandbox');
}
