import type { Clock, Random } from '../model/ambient.ts';
import {
  type AccountId,
  accountId,
  type ContactId,
  contactId,
  type EventId,
  eventId,
  type PortalId,
  portalId,
  type RoomId,
  roomId,
} from '../model/ids.ts';
import type { Tx } from './database.ts';
import { storageErrors } from './errors.ts';

/** One conversation of an account with a contact, and the room that shows it. */
export type Portal = Readonly<{
  id: PortalId;
  account: AccountId;
  contact: ContactId;
  /** `undefined` until the room is made. */
  room: RoomId | undefined;
  /** The boundary notice; `undefined` until it stands in the room. Nothing of the conversation is sent before. */
  notice: EventId | undefined;
  /** SHA-256 of the boundary facts last told in the room. */
  boundarySha256: string | undefined;
  /** When our boundary notice to the contact was queued; `undefined` before. */
  contactToldAtMs: number | undefined;
  /** When the user left the room; `undefined` while they are in it, or invited. */
  userLeftAtMs: number | undefined;
  /** Seconds after which messages of this conversation disappear on both sides; 0 means never. */
  expiresInS: number;
}>;

export class Portals {
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(deps: { clock: Clock; random: Random }) {
    this.#clock = deps.clock;
    this.#random = deps.random;
  }

  /**
   * The portal of this conversation, made if it is new. Harmless when two callers race.
   * @throws BridgeError `storage/rowMissing` when the account is gone: nothing may be left behind an opt-out.
   */
  async findOrInsert(tx: Tx, account: AccountId, contact: ContactId): Promise<Portal> {
    const holder = await tx('accounts').where({ id: account }).forUpdate().first('id');
    if (holder === undefined) throw storageErrors.rowMissing({ table: 'accounts', account });
    const row = {
      id: this.#random.uuid(),
      account_id: account,
      contact_id: contact,
      created_at_ms: this.#clock.nowMs(),
    };
    await tx('portals').insert(row).onConflict(['account_id', 'contact_id']).ignore();
    const found = await tx('portals').where({ account_id: account, contact_id: contact }).first<PortalRow>();
    return fromRow(found);
  }

  async find(tx: Tx, account: AccountId, contact: ContactId): Promise<Portal | undefined> {
    return await one(tx, { account_id: account, contact_id: contact });
  }

  async findByRoom(tx: Tx, room: RoomId): Promise<Portal | undefined> {
    return await one(tx, { room_id: room });
  }

  async listOfAccount(tx: Tx, account: AccountId): Promise<Portal[]> {
    const rows = await tx('portals')
      .where({ account_id: account })
      .orderBy('created_at_ms')
      .select<PortalRow[]>();
    return rows.map(fromRow);
  }

  async saveRoom(tx: Tx, id: PortalId, room: RoomId): Promise<void> {
    await tx('portals').where({ id }).update({ room_id: room });
  }

  /** The room is gone: another one is made with the next message, with its own notice. */
  async forgetRoom(tx: Tx, id: PortalId): Promise<void> {
    await tx('portals')
      .where({ id })
      .update({ room_id: null, notice_event_id: null, boundary_sha256: null, user_left_at_ms: null });
  }

  /** @param left whether the user has left the room, or is in it again. */
  async saveUserLeft(tx: Tx, id: PortalId, left: boolean): Promise<void> {
    await tx('portals')
      .where({ id })
      .update({ user_left_at_ms: left ? this.#clock.nowMs() : null });
  }

  async saveNotice(tx: Tx, id: PortalId, notice: EventId, boundarySha256: string): Promise<void> {
    await tx('portals').where({ id }).update({ notice_event_id: notice, boundary_sha256: boundarySha256 });
  }

  async saveContactTold(tx: Tx, id: PortalId): Promise<void> {
    await tx('portals').where({ id }).update({ contact_told_at_ms: this.#clock.nowMs() });
  }

  async saveExpiresInS(tx: Tx, id: PortalId, seconds: number): Promise<void> {
    await tx('portals').where({ id }).update({ expires_in_s: seconds });
  }

  /**
   * Notes that the contact is going to be told that the user has read up to this message.
   * @returns false when that, or a later one, was noted before.
   */
  async saveRead(tx: Tx, id: PortalId, messageSeq: number): Promise<boolean> {
    const changed = await tx('portals')
      .where({ id })
      .where('read_seq', '<', messageSeq)
      .update({ read_seq: messageSeq });
    return changed > 0;
  }

  async deleteOfAccount(tx: Tx, account: AccountId): Promise<void> {
    await tx('messages')
      .whereIn('portal_id', tx('portals').where({ account_id: account }).select('id'))
      .delete();
    await tx('portals').where({ account_id: account }).delete();
  }
}

type PortalRow = {
  id: string;
  account_id: string;
  contact_id: string;
  room_id: string | null;
  notice_event_id: string | null;
  boundary_sha256: string | null;
  contact_told_at_ms: number | null;
  user_left_at_ms: number | null;
  expires_in_s: number;
};

async function one(tx: Tx, where: Partial<PortalRow>): Promise<Portal | undefined> {
  const row = await tx('portals').where(where).first<PortalRow | undefined>();
  return row === undefined ? undefined : fromRow(row);
}

function fromRow(row: PortalRow): Portal {
  return {
    id: portalId(row.id),
    account: accountId(row.account_id),
    contact: contactId(row.contact_id),
    room: row.room_id === null ? undefined : roomId(row.room_id),
    notice: row.notice_event_id === null ? undefined : eventId(row.notice_event_id),
    boundarySha256: row.boundary_sha256 ?? undefined,
    contactToldAtMs: row.contact_told_at_ms ?? undefined,
    userLeftAtMs: row.user_left_at_ms ?? undefined,
    expiresInS: row.expires_in_s,
  };
}
