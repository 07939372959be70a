/**
 * Ghosts: `@` prefix network `_` contact `:` domain. The contact, a bare JID, is escaped as the Matrix specification says in
 * "Mapping from other character sets": each byte of its UTF-8 outside `a-z 0-9 . - _` becomes `=` and two lower-case
 * hexadecimal digits. Upper case is escaped and not folded, so the mapping can be read back; a network id has no `_`,
 * so the first one ends it.
 */
import { BridgeError } from '../model/errors.ts';
import {
  type ContactId,
  contactId,
  type MatrixUserId,
  matrixUserId,
  type NetworkId,
  networkId,
} from '../model/ids.ts';
import { matrixErrors } from './errors.ts';

export interface GhostIds {
  /** @throws BridgeError `matrix/contactTooLong` when the user id would be longer than 255 bytes. */
  toUserId(network: NetworkId, contact: ContactId): MatrixUserId;
  /** @returns `undefined` for a user that is no ghost of this bridge, and for any other spelling than ours of one that is. */
  parse(user: string): { network: NetworkId; contact: ContactId } | undefined;
}

/** @param prefix beginning of a ghost's localpart, such as `_interop_`. */
export function createGhostIds({ prefix, domain }: { prefix: string; domain: string }): GhostIds {
  const toUserId = (network: NetworkId, contact: ContactId): MatrixUserId => {
    const user = `@${prefix}${network}_${escapeLocalpart(contact)}:${domain}`;
    if (user.length > 255) throw matrixErrors.contactTooLong({ network, length: user.length });
    return matrixUserId(user);
  };
  const parse = (user: string) => {
    const start = `@${prefix}`;
    const end = `:${domain}`;
    if (user.length > 255 || !user.startsWith(start) || !user.endsWith(end)) return undefined;
    const localpart = user.slice(start.length, -end.length);
    const split = localpart.indexOf('_');
    const contact = split < 1 ? undefined : unescapeLocalpart(localpart.slice(split + 1));
    if (contact === undefined) return undefined;
    try {
      const found = { network: networkId(localpart.slice(0, split)), contact: contactId(contact) };
      // One ghost has one spelling, or a homeserver user could pose as a second one.
      return toUserId(found.network, found.contact) === user ? found : undefined;
    } catch (failure) {
      // Not ids, so not a ghost: that is what the caller asks.
      if (failure instanceof BridgeError) return undefined;
      throw failure;
    }
  };
  return { toUserId, parse };
}

/** Escapes any text for a localpart; the answer holds only `a-z 0-9 . - _ =`. */
export function escapeLocalpart(text: string): string {
  return Buffer.from(text, 'utf8').reduce((escaped, byte) => {
    const character = String.fromCharCode(byte);
    return escaped + (/[a-z0-9._-]/.test(character) ? character : `=${byte.toString(16).padStart(2, '0')}`);
  }, '');
}

function unescapeLocalpart(escaped: string): string | undefined {
  if (!/^([a-z0-9._-]|=[0-9a-f]{2})+$/.test(escaped)) return undefined;
  const bytes: number[] = [];
  for (const [piece] of escaped.matchAll(/=..|./g)) {
    bytes.push(piece.length === 3 ? Number.parseInt(piece.slice(1), 16) : piece.charCodeAt(0));
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    /* not UTF-8: nothing that we escaped */
    return undefined;
  }
}
