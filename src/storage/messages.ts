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
}>;

export class Messages {
  readonly #clock: Clock;

  constructor(deps: { clock: Clock }) {
    this.#clock = deps.clock;
  }

  /** A message and part that is there already stays as it is. */
  async insert(tx: Tx, record: Omit<MessageRecord, 'deliveredAtMs'>): Promise<void> {
    await tx('messages')
      .insert({
        portal_id: record.portal,
        direction: record.direction,
        message_id: record.message,
        part: record.part,
        stanza_id: record.stanza,
        event_id: record.event,
        sent_at_ms: record.sentAtMs,
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

  /** The first part of what a Matrix event became. */
  async findByEvent(tx: Tx, portal: PortalId, event: EventId): Promise<MessageRecord | undefined> {
    return await one(tx, { portal_id: portal, direction: 'outbound', event_id: event });
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
  };
}
