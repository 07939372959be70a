import type { Command } from './command.ts';
import { networkArgument } from './network-argument.ts';
import type { CommandParts } from './table.ts';

/** `opt-in`: shows the boundary and asks; nothing is enlisted before the answer. */
export function optInCommand({ parts, consent }: CommandParts): Command {
  return {
    name: 'opt-in',
    aliases: ['login', 'register', 'connect'],
    usage: 'opt-in [network]',
    summary: 'command-opt-in',
    args: { min: 0, max: 1 },
    permission: 'user',
    run: async (call) => {
      if (call.portal !== undefined) {
        await call.reply('opt-in-not-here');
        return;
      }
      const network = await networkArgument(parts, call, call.args[0]);
      if (network !== undefined) await consent.askOptIn(call, network);
    },
  };
}
