import type { Clock } from '../model/ambient.ts';
import type { StanzaId } from '../model/ids.ts';
import {
  type AccountId,
  type EventId,
  eventId,
  type MessageId,
  messageId,
  type PortalId,
  portalId,
} from '../model/ids.ts';
import type { Tx } from './database.ts';

/** A message and part that crossed, by its ids on both sides. No content. */
export type MessageRecord = Readonly<{
  portal: PortalId;
  direction: 'outbound' | 'inbound';
  message: MessageId;
  part: number;
  stanza: StanzaId;
  event: EventId;
  sentAtMs: number;
  deliveredAtMs: number | undefined;
  /** When either side deleted it; nothing refers to it from then on. */
  deletedAtMs: number | undefined;
  /** An edit, a reaction or a deletion: about another message, and none itself. Only its ids and its fate are of use. */
  isRemark: boolean;
}>;

export class Messages {
  readonly #clock: Clock;

  constructor(deps: { clock: Clock }) {
    this.#clock = deps.clock;
  }

  /** A message and part that is there already stays as it is. */
  async insert(tx: Tx, record: Omit<MessageRecord, 'deliveredAtMs' | 'deletedAtMs'>): Promise<void> {
    await tx('messages')
      .insert({
        portal_id: record.portal,
        direction: record.direction,
        message_id: record.message,
        part: record.part,
        stanza_id: record.stanza,
        event_id: record.event,
        sent_at_ms: record.sentAtMs,
        is_remark: record.isRemark ? 1 : 0,
        stored_at_ms: this.#clock.nowMs(),
      })
      .onConflict(['portal_id', 'direction', 'message_id', 'part'])
      .ignore();
  }

  async find(
    tx: Tx,
    portal: PortalId,
    direction: MessageRecord['direction'],
    message: MessageId,
  ): Promise<MessageRecord | undefined> {
    return await one(tx, { portal_id: portal, direction, message_id: message });
  }

  /** All events that show one message, in order: a long one has several. */
  async listParts(
    tx: Tx,
    portal: PortalId,
    direction: MessageRecord['direction'],
    message: MessageId,
  ): Promise<MessageRecord[]> {
    const rows = await tx('messages')
      .where({ portal_id: portal, direction, message_id: message })
      .orderBy('part')
      .select<MessageRow[]>();
    return rows.map(fromRow);
  }

  /** By the event that shows it; of the messages that one event became, the first. */
  async findByEvent(tx: Tx, portal: PortalId, event: EventId): Promise<MessageRecord | undefined> {
    return await one(tx, { portal_id: portal, event_id: event });
  }

  /** All messages that one event became, in order: a long text may have become several. */
  async listOfEvent(tx: Tx, portal: PortalId, event: EventId): Promise<MessageRecord[]> {
    const rows = await tx('messages')
      .where({ portal_id: portal, event_id: event })
      .orderBy('seq')
      .select<MessageRow[]>();
    return rows.map(fromRow);
  }

  /**
   * The contact's newest message that stood in the room when `event` did, or before `atMs` when the event is none of ours.
   * @returns its place in the order of the conversation, too.
   */
  async findReadUpTo(
    tx: Tx,
    portal: PortalId,
    event: EventId,
    atMs: number,
  ): Promise<{ record: MessageRecord; seq: number } | undefined> {
    const shown = await tx('messages')
      .where({ portal_id: portal, event_id: event })
      .max({ seq: 'seq' })
      .first<{ seq: number | null }>();
    const query = tx('messages')
      .where({ portal_id: portal, direction: 'inbound' })
      .orderBy('seq', 'desc')
      .first<(MessageRow & { seq: number }) | undefined>();
    const row = await (shown.seq === null
      ? query.where('stored_at_ms', '<=', atMs)
      : query.where('seq', '<=', shown.seq));
    return row === undefined ? undefined : { record: fromRow(row), seq: row.seq };
  }

  /** Marks all parts. */
  async saveDeleted(tx: Tx, record: MessageRecord): Promise<void> {
    await tx('messages')
      .where({ portal_id: record.portal, direction: record.direction, message_id: record.message })
      .whereNull('deleted_at_ms')
      .update({ deleted_at_ms: this.#clock.nowMs() });
  }

  /** By the stanza that carried it, in its own conversation and direction only: receipts and bounces name stanzas. */
  async findByStanza(
    tx: Tx,
    portal: PortalId,
    direction: MessageRecord['direction'],
    stanza: string,
  ): Promise<MessageRecord | undefined> {
    return await one(tx, { portal_id: portal, direction, stanza_id: stanza });
  }

  /** As `findByStanza`, in any of an account's conversations: the server itself does not say which one it was. */
  async findOutboundOfAccount(
    tx: Tx,
    account: AccountId,
    stanza: string,
  ): Promise<MessageRecord | undefined> {
    const row = await tx('messages')
      .join('portals', 'portals.id', 'messages.portal_id')
      .where({ 'portals.account_id': account, direction: 'outbound', stanza_id: stanza })
      .first<MessageRow | undefined>('messages.*');
    return row === undefined ? undefined : fromRow(row);
  }

  /** @returns false when it was marked before. */
  async saveDelivered(tx: Tx, record: MessageRecord): Promise<boolean> {
    const changed = await tx('messages')
      .where({ portal_id: record.portal, direction: record.direction, message_id: record.message })
      .whereNull('delivered_at_ms')
      .update({ delivered_at_ms: this.#clock.nowMs() });
    return changed > 0;
  }

  /** How many messages crossed in each direction, for metrics and the demo. */
  async count(tx: Tx): Promise<{ outbound: number; inbound: number }> {
    const rows = await tx('messages')
      .groupBy('direction')
      .select('direction')
      .count<{ direction: string; n: number | string }[]>({ n: '*' });
    const of = (direction: string) => Number(rows.find((row) => row.direction === direction)?.n ?? 0);
    return { outbound: of('outbound'), inbound: of('inbound') };
  }
}

type MessageRow = {
  portal_id: string;
  direction: MessageRecord['direction'];
  message_id: string;
  part: number;
  stanza_id: string;
  event_id: string;
  sent_at_ms: number;
  delivered_at_ms: number | null;
  deleted_at_ms: number | null;
  is_remark: number;
};

async function one(tx: Tx, where: Partial<MessageRow>): Promise<MessageRecord | undefined> {
  const row = await tx('messages').where(where).orderBy('part').first<MessageRow | undefined>();
  return row === undefined ? undefined : fromRow(row);
}

function fromRow(row: MessageRow): MessageRecord {
  return {
    portal: portalId(row.portal_id),
    direction: row.direction,
    message: messageId(row.message_id),
    part: row.part,
    stanza: row.stanza_id as StanzaId,
    event: eventId(row.event_id),
    sentAtMs: row.sent_at_ms,
    deliveredAtMs: row.delivered_at_ms ?? undefined,
    deletedAtMs: row.deleted_at_ms ?? undefined,
    isRemark: row.is_remark === 1,
  };
}
