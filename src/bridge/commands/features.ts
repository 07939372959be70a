import { FEATURES, verdictOf } from '../capability-table.ts';
import { networkOf } from '../parts.ts';
import type { Command } from './command.ts';
import type { CommandParts } from './table.ts';

/** `features`: what crosses to each network the user is connected to, what arrives as less, and what does not cross. */
export function featuresCommand({ parts }: CommandParts): Command {
  return {
    name: 'features',
    aliases: ['capabilities'],
    usage: 'features',
    summary: 'command-features',
    args: { min: 0, max: 0 },
    permission: 'user',
    run: async (call) => {
      const { storage, texts } = parts;
      const accounts = await storage.database.transaction(
        async (tx) => await storage.accounts.listOfUser(tx, call.user),
      );
      const lines: string[] = [];
      for (const account of accounts) {
        const { enlistment } = account;
        if (enlistment === undefined || !parts.networks.has(account.network)) continue;
        const { displayName: network } = networkOf(parts, account).adapter;
        const named = (wanted: string) =>
          FEATURES.filter((feature) => verdictOf(feature, enlistment) === wanted)
            .map((feature) => texts.say('feature-name', { feature }))
            .join(', ');
        const { limits } = enlistment;
        lines.push(
          texts.say('features-pass', { network, features: named('pass') }),
          texts.say('features-degrade', { network, features: named('degrade') }),
          texts.say('features-refuse', { network, features: named('refuse') }),
          texts.say('features-limits', {
            characters: limits.textCharacters,
            megabytes: Math.floor(limits.mediaBytes / 1_000_000),
          }),
        );
      }
      if (lines.length === 0) await call.reply('status-none');
      else await call.replyWith(lines.join('\n'));
    },
  };
}
