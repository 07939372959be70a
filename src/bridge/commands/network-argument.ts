import type { BridgeParts, NetworkPart } from '../parts.ts';
import type { CommandCall } from './command.ts';

/**
 * The network that a command is about: the one named, or the only one that is configured.
 * @returns `undefined` after the person was told what to name.
 */
export async function networkArgument(
  parts: BridgeParts,
  call: CommandCall,
  name: string | undefined,
): Promise<NetworkPart | undefined> {
  const all = [...parts.networks.values()];
  const named = all.find(
    ({ adapter }) =>
      adapter.id === name?.toLowerCase() || adapter.displayName.toLowerCase() === name?.toLowerCase(),
  );
  if (named !== undefined) return named;
  const networks = all.map(({ adapter }) => adapter.id).join(', ');
  if (name !== undefined) await call.reply('network-unknown', { name, networks });
  else if (all.length === 1) return all[0];
  else await call.reply('network-which', { networks });
  return undefined;
}
