import type { UserSettingName } from '../../storage/storage.ts';
import type { Command } from './command.ts';
import type { CommandParts } from './table.ts';

/** `summary` and `answer` are ids of texts. */
type Choice = Readonly<{
  name: string;
  aliases: readonly string[];
  setting: UserSettingName;
  summary: string;
  answer: string;
}>;

/** `receipts on|off` and `typing on|off`: what contacts may see of the user besides messages; alone, what they see now. */
export function shareCommand(
  { parts, choices }: CommandParts,
  { name, aliases, setting, summary, answer }: Choice,
): Command {
  return {
    name,
    aliases,
    usage: `${name} [on|off]`,
    summary,
    args: { min: 0, max: 1 },
    permission: 'user',
    run: async (call) => {
      const { storage } = parts;
      const wish = call.args[0]?.toLowerCase();
      if (wish !== undefined && wish !== 'on' && wish !== 'off') {
        await call.reply('command-usage', { usage: `${name} [on|off]` });
        return;
      }
      const shares = await storage.database.transaction(async (tx) => {
        if (wish !== undefined) await choices.save(tx, call.user, setting, wish === 'on');
        return await choices.shares(tx, call.user, setting);
      });
      await call.reply(answer, { shares: shares ? 'yes' : 'no' });
    },
  };
}
