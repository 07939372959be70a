import type { Identifier } from '../../network/network.ts';
import type { Account } from '../../storage/storage.ts';
import { enlistedAccount, type NetworkPart, networkOf } from '../parts.ts';
import type { Command, CommandCall } from './command.ts';
import type { CommandParts } from './table.ts';

/** `start-chat <identifier> [network]`: looks the person up and opens the portal; each outcome has its answer. */
export function startChatCommand({ parts, portals }: CommandParts): Command {
  return {
    name: 'start-chat',
    aliases: ['pm', 'dm', 'resolve-identifier'],
    usage: 'start-chat <identifier> [network]',
    summary: 'command-start-chat',
    // A phone number may be typed with spaces.
    args: { min: 1, max: 9 },
    permission: 'user',
    run: async (call) => {
      const account = await accountFor(call);
      if (account === undefined) return;
      const network = networkOf(parts, account);
      const { typed } = split(call.args);
      const identifier = network.adapter.inspectIdentifier(typed);
      if (identifier === undefined) await call.reply('start-chat-bad-identifier', { identifier: typed });
      else await open(call, account, network, identifier);
    },
  };

  /** The last word is a network if one is called so; everything before it is the identifier. */
  function split(args: readonly string[]): { typed: string; network: string | undefined } {
    const last = args.at(-1)?.toLowerCase();
    const isNetwork = args.length > 1 && [...parts.networks.keys()].some((id) => id === last);
    return isNetwork
      ? { typed: args.slice(0, -1).join(' '), network: last }
      : { typed: args.join(' '), network: undefined };
  }

  async function accountFor(call: CommandCall): Promise<Account | undefined> {
    const { storage } = parts;
    const accounts = await storage.database.transaction(
      async (tx) => await storage.accounts.listOfUser(tx, call.user),
    );
    const { network: name } = split(call.args);
    const active = accounts.filter(
      ({ state, network }) =>
        state === 'active' && parts.networks.has(network) && (name ?? network) === network,
    );
    const [only] = active;
    if (only !== undefined && active.length === 1) return only;
    if (active.length > 1) {
      await call.reply('network-which', { networks: active.map(({ network }) => network).join(', ') });
      return undefined;
    }
    const networks = [...parts.networks.values()].map(({ adapter }) => adapter.displayName).join(', ');
    await call.reply('start-chat-not-connected', { network: name ?? networks });
    return undefined;
  }

  async function open(
    call: CommandCall,
    account: Account,
    network: NetworkPart,
    identifier: Identifier,
  ): Promise<void> {
    const { storage } = parts;
    const own = await storage.database.transaction(async (tx) => await enlistedAccount(tx, network, account));
    const [found] = await network.adapter.enlistment.lookup(own, [identifier]);
    const told = { contact: identifier.value, network: network.adapter.displayName };
    if (found?.status !== 'reachable') {
      await call.reply(
        found?.status === 'not-opted-in' ? 'start-chat-not-opted-in' : 'start-chat-unknown',
        told,
      );
      return;
    }
    const portal = await portals.ensure(account, found.contact, found.displayName);
    await call.reply('start-chat-done', {
      contact: found.displayName ?? identifier.value,
      // A room id of version 12 names no server: `via` tells clients whom to ask.
      room: `https://matrix.to/#/${encodeURIComponent(portal.room)}?via=${parts.matrix.domain}`,
    });
  }
}
