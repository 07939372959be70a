import { type ConfigSource, type LoadResult, loadConfig } from '../config/config.ts';
import { faultLine } from '../config/fault.ts';
import { EXIT } from './exit-codes.ts';
import type { CliIo } from './io.ts';

export type Loaded = Extract<LoadResult, { kind: 'loaded' }>;

/**
 * Loads the configuration and tells its faults and warnings.
 * @returns what was loaded, or the exit code.
 */
export async function loadOrTell(
  source: Omit<ConfigSource, 'environment'>,
  io: CliIo,
): Promise<Loaded | number> {
  const result = await loadConfig({ ...source, environment: io.environment });
  if (result.kind === 'loaded') {
    for (const warning of result.warnings) io.err(`warning: ${warning}`);
    return result;
  }
  for (const fault of result.faults) io.err(faultLine(fault));
  const count = result.faults.length === 1 ? 'one fault' : `${result.faults.length} faults`;
  if (result.kind === 'unreadable') {
    io.err(
      `The configuration could not be read: ${count}. "drawbridge sample-config" prints one to start from.`,
    );
    return EXIT.configUnreadable;
  }
  io.err(`The configuration is not valid: ${count}. What each setting means: docs/configuration.md.`);
  return EXIT.configInvalid;
}
