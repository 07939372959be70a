import { type Command, Option } from 'commander';
import type { CliIo } from './io.ts';

/** How a command is added to the program: one such function a file. */
export type AddCommand = (program: Command, context: CommandContext) => void;

export interface CommandContext {
  readonly io: CliIo;
  /** Makes a commander action of a function that returns the exit code. */
  run<Options>(work: (options: Options) => Promise<number>): (options: Options) => Promise<void>;
}

export interface ConfigOption {
  readonly config: string;
}

/** `-c, --config`: the same for every command that reads the configuration. */
export function configOption(io: CliIo): Option {
  const file = io.environment.DRAWBRIDGE_CONFIG;
  return new Option(
    '-c, --config <file>',
    'configuration file; DRAWBRIDGE_CONFIG names another default',
  ).default(file === undefined || file === '' ? './config.yaml' : file);
}
