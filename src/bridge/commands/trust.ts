import { networkOf } from '../parts.ts';
import type { Command } from './command.ts';
import type { CommandParts } from './table.ts';

/** `trust`, in a chat room: accepts the contact's changed identity key; what waited for it goes on. */
export function trustCommand({ parts, wakeInbound }: CommandParts): Command {
  return {
    name: 'trust',
    aliases: [],
    usage: 'trust',
    summary: 'command-trust',
    args: { min: 0, max: 0 },
    permission: 'user',
    run: async (call) => {
      const { storage } = parts;
      if (call.portal === undefined || call.portal.account.user !== call.user) {
        await call.reply('trust-nothing');
        return;
      }
      const { account, portal } = call.portal;
      const { signal } = networkOf(parts, account);
      const trusted = await storage.database.transaction(async (tx) => {
        const identities = await signal.listRemoteIdentities(tx, account, portal.contact);
        let any = false;
        for (const { device } of identities) {
          any = (await signal.trustIdentity(tx, account, { contact: portal.contact, device })) || any;
        }
        // Sessions with devices of the old key would be taken first.
        if (any) await signal.deleteSessions(tx, account, portal.contact);
        await storage.networkInbox.makeDue(tx, account.id, portal.contact);
        await call.settle(tx);
        return any;
      });
      wakeInbound(account, portal.contact);
      const contact = portal.contact.slice(0, portal.contact.indexOf('@'));
      await call.reply(trusted ? 'trust-done' : 'trust-nothing', trusted ? { contact } : {});
    },
  };
}
