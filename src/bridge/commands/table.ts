import type { ContactId } from '../../model/ids.ts';
import type { Account } from '../../storage/storage.ts';
import type { Consent } from '../consent.ts';
import type { Links } from '../links.ts';
import type { Notices } from '../notices.ts';
import type { BridgeParts } from '../parts.ts';
import type { PortalRooms } from '../portal-rooms.ts';
import type { Requeue } from '../requeue.ts';
import type { Command } from './command.ts';
import { helpCommand } from './help.ts';
import { optInCommand } from './opt-in.ts';
import { optOutCommand } from './opt-out.ts';
import { requeueCommand } from './requeue.ts';
import { retryCommand } from './retry.ts';
import { startChatCommand } from './start-chat.ts';
import { statusCommand } from './status.ts';
import { trustCommand } from './trust.ts';
import { versionCommand } from './version.ts';

export type CommandParts = Readonly<{
  parts: BridgeParts;
  consent: Consent;
  links: Links;
  notices: Notices;
  portals: PortalRooms;
  requeue: Requeue;
  /** Work may be due in this lane of this account. */
  wakeInbound: (account: Account, sender: ContactId) => void;
}>;

/** All commands, in the order in which `help` shows them. */
export function commandTable(deps: CommandParts): readonly Command[] {
  const commands: Command[] = [
    optInCommand(deps),
    statusCommand(deps),
    startChatCommand(deps),
    trustCommand(deps),
    retryCommand(deps),
    optOutCommand(deps),
    versionCommand(deps),
    requeueCommand(deps),
  ];
  return [helpCommand(deps, () => commands), ...commands];
}
