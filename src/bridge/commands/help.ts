import type { Command } from './command.ts';
import type { CommandParts } from './table.ts';

/** `help`: a line for each command that the person may use. @param others the commands beside itself. */
export function helpCommand({ parts }: CommandParts, others: () => readonly Command[]): Command {
  const help: Command = {
    name: 'help',
    aliases: ['commands', '?'],
    usage: 'help',
    summary: 'command-help',
    args: { min: 0, max: 1 },
    permission: 'user',
    run: async (call) => {
      const { texts, settings } = parts;
      const isAdmin = settings.permissionOf(call.user) === 'admin';
      const usable = [help, ...others()].filter(({ permission }) => isAdmin || permission !== 'admin');
      const lines = usable.map((command) =>
        texts.say('help-line', { usage: command.usage, summary: texts.say(command.summary) }),
      );
      const head = texts.say('help-head', { prefix: settings.commandPrefix });
      await call.replyWith([head, ...lines].join('\n'));
    },
  };
  return help;
}
