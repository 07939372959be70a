import type { Account } from '../../storage/storage.ts';
import { ownFingerprint } from '../boundary-facts.ts';
import { networkOf } from '../parts.ts';
import type { Command } from './command.ts';
import type { CommandParts } from './table.ts';

/** `status`: a line a network, with the fingerprint of the account's own key. */
export function statusCommand({ parts, links }: CommandParts): Command {
  const line = async (account: Account): Promise<string> => {
    const { texts } = parts;
    const said = texts.say('status-line', {
      network: networkOf(parts, account).adapter.displayName,
      state: account.state,
      interop: account.enlistment?.interopId ?? '',
      link: links.get(account.id)?.status.kind ?? 'closed',
      fingerprint: inGroups(await ownFingerprint(parts, account)),
    });
    return account.suspendedReason === undefined
      ? said
      : `${said} ${texts.say('status-reason', { reason: account.suspendedReason })}`;
  };
  return {
    name: 'status',
    aliases: ['ping', 'list-logins', 'whoami'],
    usage: 'status',
    summary: 'command-status',
    args: { min: 0, max: 0 },
    permission: 'user',
    run: async (call) => {
      const { storage } = parts;
      const accounts = await storage.database.transaction(
        async (tx) => await storage.accounts.listOfUser(tx, call.user),
      );
      const known = accounts.filter((account) => parts.networks.has(account.network));
      if (known.length === 0) {
        await call.reply('status-none');
        return;
      }
      const lines: string[] = [];
      for (const account of known) lines.push(await line(account));
      await call.replyWith(lines.join('\n'));
    },
  };
}

/** Hexadecimal digits four by four, to be read aloud. */
function inGroups(hex: string): string {
  return hex.match(/.{1,4}/g)?.join(' ') ?? hex;
}
