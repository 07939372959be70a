import { type EventId, eventId, type MessageId, messageId, type PortalId } from '../model/ids.ts';
import type { AccountKey } from './accounts.ts';
import type { Tx } from './database.ts';
import type { MessageRecord } from './messages.ts';
import type { Sealer } from './sealer.ts';

type Direction = MessageRecord['direction'];

/** A reaction that stands in a conversation. */
export type Reaction = Readonly<{
  /** The `m.reaction` event. */
  event: EventId;
  portal: PortalId;
  /** `outbound`: of the Matrix user. `inbound`: of the contact. */
  direction: Direction;
  /** Who wrote what was reacted to, in the same words. */
  targetDirection: Direction;
  target: MessageId;
  emoji: string;
}>;

/** Which reaction is meant is told by its emoji on the network and by its event on Matrix: both are held, one sealed. */
export class Reactions {
  readonly #sealer: Sealer;

  constructor(deps: { sealer: Sealer }) {
    this.#sealer = deps.sealer;
  }

  /** One that is there already stays as it is. */
  async insert(tx: Tx, account: AccountKey, reaction: Reaction): Promise<void> {
    const { event, emoji } = reaction;
    await tx('reactions')
      .insert({
        event_id: event,
        account_id: account.id,
        portal_id: reaction.portal,
        direction: reaction.direction,
        target_direction: reaction.targetDirection,
        target_id: reaction.target,
        sealed_emoji: await this.#sealer.seal(tx, account.dataKey, place(event), Buffer.from(emoji)),
      })
      .onConflict('event_id')
      .ignore();
  }

  async findByEvent(
    tx: Tx,
    account: AccountKey,
    portal: PortalId,
    event: EventId,
  ): Promise<Reaction | undefined> {
    const row = await tx('reactions')
      .where({ event_id: event, portal_id: portal })
      .first<ReactionRow | undefined>();
    return row === undefined ? undefined : await this.#open(tx, account, row);
  }

  /** The reactions of one side to one message, in no given order. */
  async listTo(
    tx: Tx,
    account: AccountKey,
    of: Pick<Reaction, 'portal' | 'direction' | 'targetDirection' | 'target'>,
  ): Promise<Reaction[]> {
    const rows = await tx('reactions')
      .where({
        portal_id: of.portal,
        direction: of.direction,
        target_direction: of.targetDirection,
        target_id: of.target,
      })
      .select<ReactionRow[]>();
    const found: Reaction[] = [];
    for (const row of rows) found.push(await this.#open(tx, account, row));
    return found;
  }

  /** Harmless when it is gone. */
  async delete(tx: Tx, event: EventId): Promise<void> {
    await tx('reactions').where({ event_id: event }).delete();
  }

  /** All that anybody reacted with to one message, which is gone. */
  async deleteTo(tx: Tx, portal: PortalId, targetDirection: Direction, target: MessageId): Promise<void> {
    await tx('reactions')
      .where({ portal_id: portal, target_direction: targetDirection, target_id: target })
      .delete();
  }

  async deleteOfAccount(tx: Tx, account: AccountKey['id']): Promise<void> {
    await tx('reactions').where({ account_id: account }).delete();
  }

  async #open(tx: Tx, account: AccountKey, row: ReactionRow): Promise<Reaction> {
    const emoji = await this.#sealer.open(tx, account.dataKey, place(row.event_id), row.sealed_emoji);
    return {
      event: eventId(row.event_id),
      portal: row.portal_id as PortalId,
      direction: row.direction,
      targetDirection: row.target_direction,
      target: messageId(row.target_id),
      emoji: emoji.toString('utf8'),
    };
  }
}

type ReactionRow = {
  event_id: string;
  portal_id: string;
  direction: Direction;
  target_direction: Direction;
  target_id: string;
  sealed_emoji: Buffer;
};

function place(event: string) {
  return { table: 'reactions', column: 'sealed_emoji', row: event };
}
