/**
 * Ids that a repeat of the same step finds again: whatever crashes in between, the other side recognises the second
 * attempt. Each is a keyed hash, so that it says nothing about what it was made of.
 */
import { createHmac } from 'node:crypto';
import {
  type AccountId,
  type ContactId,
  type EventId,
  type MatrixUserId,
  type MessageId,
  messageId,
  type PortalId,
  type StanzaId,
  stanzaId,
} from '../model/ids.ts';

/** Interop profile §6: the first 16 bytes of HMAC-SHA256 under a key of the account over event id and part. */
export function outboundMessageId(accountSecret: Uint8Array, event: EventId, part: number): MessageId {
  return messageId(shortHmac(accountSecret, 'message', event, String(part)));
}

/** The stanza that carries a message bears its id. */
export function stanzaOf(message: MessageId): StanzaId {
  return stanzaId(message);
}

/** The boundary notice that a new contact gets once. */
export function contactNoticeId(accountSecret: Uint8Array, portal: PortalId): MessageId {
  return messageId(shortHmac(accountSecret, 'contact-notice', portal));
}

/** The delivery receipt for one inbound stanza. */
export function receiptStanzaId(accountSecret: Uint8Array, contact: ContactId, stanza: string): StanzaId {
  return stanzaId(shortHmac(accountSecret, 'receipt', contact, stanza));
}

/** Tells that all up to one inbound stanza was read. */
export function markerStanzaId(accountSecret: Uint8Array, contact: ContactId, stanza: string): StanzaId {
  return stanzaId(shortHmac(accountSecret, 'marker', contact, stanza));
}

/** One request for a message that could not be decrypted: the same count is the same request. */
export function retryStanzaId(
  accountSecret: Uint8Array,
  contact: ContactId,
  stanza: string,
  count: number,
): StanzaId {
  return stanzaId(shortHmac(accountSecret, 'retry', contact, stanza, String(count)));
}

/**
 * Matrix transaction id (client-server API, "Transaction identifiers"). It includes the sending user: Synapse tells
 * requests of one appservice apart by path and transaction id, not by user.
 */
export function matrixTxnId(
  deploymentSecret: Uint8Array,
  as: MatrixUserId,
  ...parts: readonly string[]
): string {
  return `db${shortHmac(deploymentSecret, 'txn', as, ...parts)}`;
}

/** Local part of the alias that makes the creation of a portal room idempotent. */
export function portalAliasSuffix(
  deploymentSecret: Uint8Array,
  account: AccountId,
  contact: ContactId,
): string {
  return shortHmac(deploymentSecret, 'alias', account, contact);
}

/** Finds the account that a push names without holding its interop id in clear. 64 hexadecimal digits. */
export function interopIdHash(deploymentSecret: Uint8Array, network: string, interopId: string): string {
  return hmac(deploymentSecret, 'interop-id', network, interopId).toString('hex');
}

function shortHmac(key: Uint8Array, ...parts: readonly string[]): string {
  return hmac(key, ...parts)
    .subarray(0, 16)
    .toString('hex');
}

/** Length-prefixed parts: no two lists give the same bytes. */
function hmac(key: Uint8Array, ...parts: readonly string[]): Buffer {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(`${Buffer.byteLength(part)}:${part}`);
  return mac.digest();
}
