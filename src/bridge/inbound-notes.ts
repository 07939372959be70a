import type { BridgeError } from '../model/errors.ts';
import { type ContactId, type EventId, type MessageId, messageId, type RoomId } from '../model/ids.ts';
import type { InboundSignal } from '../network/network.ts';
import type { Account, Tx, WaitingStanza } from '../storage/storage.ts';
import type { FateReports } from './fate-reports.ts';
import type { Notices } from './notices.ts';
import { type BridgeParts, reasonOf } from './parts.ts';
import type { PortalRooms } from './portal-rooms.ts';
import { firstStanzaOf } from './retry-ids.ts';

/** What a stanza tells about a message, rather than being one: each is made visible where it matters, and settled. */
export class InboundNotes {
  readonly #parts: BridgeParts;
  readonly #portals: PortalRooms;
  readonly #notices: Notices;
  readonly #fates: FateReports;

  constructor(parts: BridgeParts, portals: PortalRooms, notices: Notices, fates: FateReports) {
    this.#parts = parts;
    this.#fates = fates;
    this.#portals = portals;
    this.#notices = notices;
  }

  /** A message came that cannot be shown: a placeholder says so in the room. */
  async unreadable(account: Account, row: WaitingStanza, sender: ContactId, why: string): Promise<void> {
    const { texts, metrics } = this.#parts;
    const portal = await this.#portals.ensure(account, sender);
    const contact = sender.slice(0, sender.indexOf('@'));
    const text = texts.say('not-shown', { contact, reason: texts.say(causeOf(why)) });
    await this.#notices.say(portal.room, `not-shown ${row.rowId}`, text);
    await this.#settle(row, why);
    metrics.message({ network: account.network, leg: 'inbound', outcome: 'unreadable' });
  }

  /** The contact's device has our message. A receipt for what we never sent them changes nothing. */
  async delivered(
    account: Account,
    row: WaitingStanza,
    receipt: Extract<InboundSignal, { kind: 'receipt' }>,
  ): Promise<void> {
    const { storage, metrics } = this.#parts;
    const room = await storage.database.transaction(async (tx) => {
      const portal = await storage.portals.find(tx, account.id, receipt.sender);
      const stanza = firstStanzaOf(receipt.stanzaId);
      const record = portal && (await storage.messages.findByStanza(tx, portal.id, 'outbound', stanza));
      await storage.networkInbox.settle(tx, row.seq);
      if (record === undefined || portal?.room === undefined) return undefined;
      if (!(await storage.messages.saveDelivered(tx, record))) return undefined;
      const { event } = record;
      await storage.sentMessages.delete(tx, account.id, record.message);
      // An event that became several messages has arrived when the last of them has.
      const parts = await storage.messages.listOfEvent(tx, portal.id, event);
      if (parts.some(({ deliveredAtMs }) => deliveredAtMs === undefined)) return undefined;
      await storage.fates.save(tx, { event, room: portal.room, account: account.id, state: 'delivered' });
      return portal.room;
    });
    if (room === undefined) return;
    this.#fates.wake(room);
    metrics.message({ network: account.network, leg: 'outbound', outcome: 'delivered' });
  }

  /** Our message came back, from the contact or from the server itself: its sender is told in the room. */
  async bounced(
    account: Account,
    row: WaitingStanza,
    bounce: Extract<InboundSignal, { kind: 'bounce' }>,
  ): Promise<void> {
    const { storage, settings } = this.#parts;
    const room = await storage.database.transaction(async (tx) => {
      await storage.networkInbox.settle(tx, row.seq);
      const found = await this.#findBounced(tx, account, bounce);
      if (found === undefined) return undefined;
      await storage.fates.save(tx, {
        event: found.event,
        room: found.room,
        account: account.id,
        state: 'failed',
        errorCode: 'bridge/bounced',
        reason: 'reason-bounced',
        reasonArgs: { condition: bounce.condition },
      });
      await storage.sentMessages.keepFor(tx, account.id, found.message, settings.keepFailedMs);
      return found.room;
    });
    if (room === undefined) return;
    this.#fates.wake(room);
    this.#parts.metrics.message({ network: account.network, leg: 'outbound', outcome: 'bounced' });
  }

  /** A stanza of ours can never be sent: it leaves the outbox, and if it carried a message, its sender is told. */
  async rejected(account: Account, rowId: string, reason: BridgeError): Promise<void> {
    const { storage, texts, metrics, settings } = this.#parts;
    const room = await storage.database.transaction(async (tx) => {
      const carried = await storage.outbox.fail(tx, rowId);
      if (carried === undefined) return undefined;
      const { event, room: of, stanza } = carried;
      await storage.sentMessages.keepFor(tx, account.id, messageId(stanza), settings.keepFailedMs);
      await storage.fates.save(tx, {
        event,
        room: of,
        account: account.id,
        state: reason.arrived === 'no' ? 'failed' : 'maybe-failed',
        errorCode: reason.code,
        reason: reasonOf(texts, reason),
      });
      return of;
    });
    if (room === undefined) return;
    this.#fates.wake(room);
    metrics.message({ network: account.network, leg: 'outbound', outcome: 'rejected' });
  }

  /** The contact has a new identity key: said once, in the portal if there is one. */
  async keyChanged(account: Account, row: WaitingStanza, contact: ContactId): Promise<void> {
    const { storage, texts, settings } = this.#parts;
    const portal = await storage.database.transaction(
      async (tx) => await storage.portals.find(tx, account.id, contact),
    );
    if (portal?.room !== undefined) {
      const text = texts.say('contact-key-changed', {
        contact: contact.slice(0, contact.indexOf('@')),
        prefix: settings.commandPrefix,
      });
      await this.#notices.say(portal.room, `key-changed ${row.rowId}`, text);
    }
    await this.#settle(row);
  }

  async #findBounced(
    tx: Tx,
    account: Account,
    bounce: Extract<InboundSignal, { kind: 'bounce' }>,
  ): Promise<{ event: EventId; room: RoomId; message: MessageId } | undefined> {
    const { storage } = this.#parts;
    const stanza = firstStanzaOf(bounce.stanzaId);
    const message = await storage.messages.findOutboundOfAccount(tx, account.id, stanza);
    if (message === undefined) return undefined;
    const portals = await storage.portals.listOfAccount(tx, account.id);
    const portal = portals.find(({ id }) => id === message.portal);
    // Only the one it was sent to, or the server, can say that it came back.
    if (portal?.room === undefined || (bounce.contact ?? portal.contact) !== portal.contact) return undefined;
    return { event: message.event, room: portal.room, message: message.message };
  }

  async #settle(row: WaitingStanza, errorCode?: string): Promise<void> {
    const { storage } = this.#parts;
    await storage.database.transaction(
      async (tx) => await storage.networkInbox.settle(tx, row.seq, errorCode),
    );
  }
}

/** The id of the text that tells why a message cannot be shown. */
function causeOf(why: string): string {
  if (why === 'too-large') return 'reason-message-discarded';
  return why === 'network/badContent' || why === 'malformed'
    ? 'reason-malformed'
    : 'reason-message-undecryptable';
}
