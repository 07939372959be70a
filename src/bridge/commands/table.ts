import type { ContactId } from '../../model/ids.ts';
import type { Account } from '../../storage/storage.ts';
import type { Consent } from '../consent.ts';
import type { Links } from '../links.ts';
import type { Notices } from '../notices.ts';
import type { BridgeParts } from '../parts.ts';
import type { PortalRooms } from '../portal-rooms.ts';
import type { Requeue } from '../requeue.ts';
import type { UserChoices } from '../user-choices.ts';
import type { Command } from './command.ts';
import { featuresCommand } from './features.ts';
import { helpCommand } from './help.ts';
import { optInCommand } from './opt-in.ts';
import { optOutCommand } from './opt-out.ts';
import { requeueCommand } from './requeue.ts';
import { retryCommand } from './retry.ts';
import { shareCommand } from './share.ts';
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
  choices: UserChoices;
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
    featuresCommand(deps),
    trustCommand(deps),
    shareCommand(deps, {
      name: 'receipts',
      aliases: ['read-receipts'],
      setting: 'read-receipts',
      summary: 'command-receipts',
      answer: 'share-read-receipts',
    }),
    shareCommand(deps, {
      name: 'typing',
      aliases: ['typing-notifications'],
      setting: 'typing',
      summary: 'command-typing',
      answer: 'share-typing',
    }),
    retryCommand(deps),
    optOutCommand(deps),
    versionCommand(deps),
    requeueCommand(deps),
  ];
  return [helpCommand(deps, () => commands), ...commands];
}
