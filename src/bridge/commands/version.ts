import type { Command } from './command.ts';
import type { CommandParts } from './table.ts';

/** `version`, with the link to the source that the AGPL asks for (section 13). */
export function versionCommand({ parts }: CommandParts): Command {
  return {
    name: 'version',
    aliases: ['about', 'source'],
    usage: 'version',
    summary: 'command-version',
    args: { min: 0, max: 0 },
    permission: 'none',
    run: async (call) => {
      await call.reply('version', { version: parts.settings.version, source: parts.settings.sourceUrl });
    },
  };
}
