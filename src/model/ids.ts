/**
 * Branded identifiers. A plain string is not an id: each type is made only by its parser here, and its comment says in
 * which scope it is unique.
 */
import { defineErrors } from './errors.ts';

export const idErrors = defineErrors('model', {
  /** A text or number that is no id of its kind: a bug, or a row of another version. */
  badId: { retry: 'never', arrived: 'no', notice: 'internal' },
});

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** A person on Matrix: `@localpart:server`. Unique everywhere. */
export type MatrixUserId = Brand<string, 'MatrixUserId'>;
/** A room on Matrix: `!opaque:server`, without a server from room version 12 on. Unique everywhere. */
export type RoomId = Brand<string, 'RoomId'>;
/** An event on Matrix: `$opaque`. Unique everywhere. */
export type EventId = Brand<string, 'EventId'>;
/** A configured network: lower-case letters, digits and `-`. Unique in this deployment. */
export type NetworkId = Brand<string, 'NetworkId'>;
/** One Matrix user on one network. Made by us; unique in this deployment and never reused. */
export type AccountId = Brand<string, 'AccountId'>;
/** One person on one network: an XMPP bare JID. Unique within its network only; never compare across networks. */
export type ContactId = Brand<string, 'ContactId'>;
/** One conversation of an account with a contact. Made by us; unique in this deployment. */
export type PortalId = Brand<string, 'PortalId'>;
/** The id attribute of a stanza. Unique within its sender only. */
export type StanzaId = Brand<string, 'StanzaId'>;
/** `Content.id`: 16 bytes in lower-case hexadecimal. Unique within its conversation and direction. */
export type MessageId = Brand<string, 'MessageId'>;
/** A Signal device: 1 to 127. Unique within its account or contact. */
export type DeviceId = Brand<number, 'DeviceId'>;

function parser<Id extends string>(kind: string, pattern: RegExp, maxBytes: number) {
  return (text: string): Id => {
    const tooLong = text.length > maxBytes || Buffer.byteLength(text) > maxBytes;
    if (tooLong || !pattern.test(text)) throw idErrors.badId({ kind, length: text.length });
    return text as Id;
  };
}

// Matrix specification, "Identifier grammar": 255 bytes at most; historical localparts may hold any printable ASCII.
export const matrixUserId = parser<MatrixUserId>(
  'MatrixUserId',
  /^@[\x21-\x39\x3b-\x7e]*:[A-Za-z0-9.:[\]-]+$/,
  255,
);
export const roomId = parser<RoomId>('RoomId', /^![^\s\p{Cc}]+$/u, 255);
export const eventId = parser<EventId>('EventId', /^\$[^\s\p{Cc}]+$/u, 255);
export const networkId = parser<NetworkId>('NetworkId', /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/, 32);
export const accountId = parser<AccountId>('AccountId', /^[0-9a-f-]{36}$/, 36);
export const portalId = parser<PortalId>('PortalId', /^[0-9a-f-]{36}$/, 36);
// RFC 7622 §3.1: 1023 bytes a part. A bare JID here always has a localpart; the resource is not part of it.
export const contactId = parser<ContactId>(
  'ContactId',
  /^[^\s@/"&'<>\p{Cc}]{1,1023}@[^\s@/"&'<>\p{Cc}]{1,1023}$/u,
  2047,
);
export const stanzaId = parser<StanzaId>('StanzaId', /^[^\p{Cc}]{1,256}$/u, 256);
export const messageId = parser<MessageId>('MessageId', /^[0-9a-f]{32}$/, 32);

/** @throws BridgeError `model/badId` outside 1 to 127 (libsignal's range for a protocol address). */
export function deviceId(value: number): DeviceId {
  if (!Number.isInteger(value) || value < 1 || value > 127) throw idErrors.badId({ kind: 'DeviceId', value });
  return value as DeviceId;
}

/** The server part of a Matrix user id. */
export function serverOf(user: MatrixUserId): string {
  return user.slice(user.indexOf(':') + 1);
}

/** The domain part of a bare JID. */
export function domainOf(contact: ContactId): string {
  return contact.slice(contact.indexOf('@') + 1);
}
