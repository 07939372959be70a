import type { BridgeError } from '../model/errors.ts';
import type { ContactId } from '../model/ids.ts';
import type { InboundSignal } from '../network/network.ts';
import type { Account, MessageRecord, WaitingStanza } from '../storage/storage.ts';
import type { Notices } from './notices.ts';
import { type BridgeParts, networkOf, reasonText } from './parts.ts';
import type { PortalRooms } from './portal-rooms.ts';

/** What a stanza tells about a message, rather than being one: each is made visible where it matters, and settled. */
export class InboundNotes {
  readonly #parts: BridgeParts;
  readonly #portals: PortalRooms;
  readonly #notices: Notices;

  constructor(parts: BridgeParts, portals: PortalRooms, notices: Notices) {
    this.#parts = parts;
    this.#portals = portals;
    this.#notices = notices;
  }

  /** A message came that cannot be shown: a placeholder says so in the room. */
  async unreadable(account: Account, row: WaitingStanza, sender: ContactId, why: string): Promise<void> {
    const { texts, metrics } = this.#parts;
    const portal = await this.#portals.ensure(account, sender);
    const cause =
      why === 'network/badContent' || why === 'malformed'
        ? 'reason-malformed'
        : 'reason-message-undecryptable';
    const contact = sender.slice(0, sender.indexOf('@'));
    const text = texts.say('not-shown', { contact, reason: texts.say(cause) });
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
    const fresh = await storage.database.transaction(async (tx) => {
      const portal = await storage.portals.find(tx, account.id, receipt.sender);
      const record =
        portal && (await storage.messages.findByStanza(tx, portal.id, 'outbound', receipt.stanzaId));
      await storage.networkInbox.settle(tx, row.seq);
      return record !== undefined && (await storage.messages.saveDelivered(tx, record));
    });
    if (fresh) metrics.message({ network: account.network, leg: 'outbound', outcome: 'delivered' });
  }

  /** Our message came back: its sender is told in the room. */
  async bounced(
    account: Account,
    row: WaitingStanza,
    bounce: Extract<InboundSignal, { kind: 'bounce' }>,
  ): Promise<void> {
    const { texts, metrics } = this.#parts;
    const record = bounce.contact && (await this.#outboundMessage(account, bounce.contact, bounce.stanzaId));
    if (record !== undefined) {
      const { portal, message } = record;
      const reason = texts.say('reason-bounced', {
        network: networkOf(this.#parts, account).adapter.displayName,
        condition: bounce.condition,
      });
      const event = { event_id: message.event, room_id: portal, sender: account.user };
      await this.#notices.notBridged(event, reason);
      metrics.message({ network: account.network, leg: 'outbound', outcome: 'bounced' });
    }
    await this.#settle(row);
  }

  /** A stanza of ours can never be sent: it leaves the outbox, and if it carried a message, its sender is told. */
  async rejected(account: Account, rowId: string, reason: BridgeError): Promise<void> {
    const { storage, texts, metrics } = this.#parts;
    const carried = await storage.database.transaction(async (tx) => await storage.outbox.fail(tx, rowId));
    if (carried === undefined) return;
    const network = networkOf(this.#parts, account).adapter.displayName;
    const event = { event_id: carried.event, room_id: carried.room, sender: account.user };
    await this.#notices.notBridged(event, reasonText(texts, reason, network), reason.arrived === 'no');
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

  async #outboundMessage(account: Account, contact: ContactId, stanza: string) {
    const { storage } = this.#parts;
    return await storage.database.transaction(async (tx) => {
      const portal = await storage.portals.find(tx, account.id, contact);
      if (portal?.room === undefined) return undefined;
      const message: MessageRecord | undefined = await storage.messages.findByStanza(
        tx,
        portal.id,
        'outbound',
        stanza,
      );
      return message === undefined ? undefined : { portal: portal.room, message };
    });
  }

  async #settle(row: WaitingStanza, errorCode?: string): Promise<void> {
    const { storage } = this.#parts;
    await storage.database.transaction(
      async (tx) => await storage.networkInbox.settle(tx, row.seq, errorCode),
    );
  }
}
