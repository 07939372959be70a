import type { Command } from './command.ts';
import { networkArgument } from './network-argument.ts';
import type { CommandParts } from './table.ts';

/** `opt-out`: says what will be deleted and asks; the proof comes when it is done. */
export function optOutCommand({ parts, consent }: CommandParts): Command {
  return {
    name: 'opt-out',
    aliases: ['logout', 'unregister', 'disconnect'],
    usage: 'opt-out [network]',
    summary: 'command-opt-out',
    args: { min: 0, max: 1 },
    permission: 'none',
    run: async (call) => {
      if (call.portal !== undefined) {
        await call.reply('opt-in-not-here');
        return;
      }
      const network = await networkArgument(parts, call, call.args[0]);
      if (network !== undefined) await consent.askOptOut(call, network);
    },
  };
}
