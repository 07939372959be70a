/**
 * What must not compile. Checked by `tsc -p .`: an expectation that is not met is an error of its own. Nothing here runs.
 */
import type { ChatContent } from '../../src/model/chat-event.ts';
import {
  type AccountId,
  accountId,
  type ContactId,
  contactId,
  type DeviceId,
  deviceId,
  type EventId,
  type MatrixUserId,
  type MessageId,
  type NetworkId,
  type PortalId,
  type RoomId,
  roomId,
  type StanzaId,
} from '../../src/model/ids.ts';

declare function takesRoom(room: RoomId): void;
declare function takesAccount(account: AccountId): void;
declare function takesContact(contact: ContactId): void;
declare function takesDevice(device: DeviceId): void;
declare function takesText(text: string): void;

/** Only a parser makes an id, and an id is a text. */
export function parsersMakeIds(): void {
  takesRoom(roomId('!room'));
  takesAccount(accountId('11111111-2222-3333-4444-555555555555'));
  takesContact(contactId('bob@gk.example'));
  takesDevice(deviceId(1));
  takesText(roomId('!room'));
  // @ts-expect-error a plain string is no id
  takesRoom('!room');
  // @ts-expect-error nor is one that was put together
  takesRoom(`!${'room'}` as string);
  // @ts-expect-error a plain number is no device
  takesDevice(1);
  // @ts-expect-error what is absent is no id
  takesRoom(undefined);
}

/** An id of one kind is none of another. */
export function kindsDoNotMix(ids: {
  account: AccountId;
  contact: ContactId;
  room: RoomId;
  user: MatrixUserId;
  event: EventId;
  network: NetworkId;
  portal: PortalId;
  stanza: StanzaId;
  message: MessageId;
}): void {
  // @ts-expect-error
  takesAccount(ids.contact);
  // @ts-expect-error
  takesContact(ids.account);
  // @ts-expect-error
  takesContact(ids.user);
  // @ts-expect-error
  takesRoom(ids.event);
  // @ts-expect-error
  takesRoom(ids.portal);
  // @ts-expect-error
  takesAccount(ids.portal);
  // @ts-expect-error
  takesRoom(ids.network);
  // @ts-expect-error a stanza's id is not its message's: a copy that is encrypted anew has another
  ids.message satisfies StanzaId;
  // @ts-expect-error
  ids.stanza satisfies MessageId;
}

/** A choice over kinds of content that forgets one does not compile. */
export function everyKindIsDecided(content: ChatContent): string {
  switch (content.kind) {
    case 'text':
      return content.body;
    case 'media':
    case 'reaction':
    case 'edit':
    case 'revoke':
    case 'location':
    case 'contact-card':
    case 'boundary-notice':
      return content.kind;
    default:
      // @ts-expect-error `unsupported` is left
      return content satisfies never;
  }
}
