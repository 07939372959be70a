/**
 * From the network to Matrix, one stanza at a time and in order within a contact. Decryption, the new session and the
 * journal are one transaction; what is journalled is sent to the room under ids that a repeat finds again; then message
 * row, journal wiped and receipt queued are one transaction.
 */

import type { Log } from '../model/ambient.ts';
import { type ChatEvent, isRemark } from '../model/chat-event.ts';
import { hasCode } from '../model/errors.ts';
import { contactId } from '../model/ids.ts';
import type { InboundSignal } from '../network/network.ts';
import type { Account, WaitingStanza } from '../storage/storage.ts';
import { receiptStanzaId } from './derived-ids.ts';
import type { Disappearing } from './disappearing.ts';
import type { InboundNotes } from './inbound-notes.ts';
import { type Journal, parseJournal, writeJournal } from './journal.ts';
import type { Links } from './links.ts';
import type { MissingMessages, Placeholder } from './missing-messages.ts';
import { type BridgeParts, enlistedAccount, type NetworkPart, networkOf, signalAccount } from './parts.ts';
import type { PortalRooms, ReadyPortal } from './portal-rooms.ts';
import type { PrekeyKeeper } from './prekey-keeper.ts';
import type { ReadMarks } from './read-marks.ts';
import type { RetryRequests } from './retry-requests.ts';
import type { RoomWriter, Written } from './room-writer.ts';

type Envelope = Extract<InboundSignal, { kind: 'envelope' }>;

export class Inbound {
  readonly #parts: BridgeParts;
  readonly #links: Links;
  readonly #portals: PortalRooms;
  readonly #notes: InboundNotes;
  readonly #prekeys: PrekeyKeeper;
  readonly #missing: MissingMessages;
  readonly #retryRequests: RetryRequests;
  readonly #readMarks: ReadMarks;
  readonly #writer: RoomWriter;
  readonly #disappearing: Disappearing;
  readonly #log: Log;

  constructor(deps: {
    parts: BridgeParts;
    links: Links;
    portals: PortalRooms;
    notes: InboundNotes;
    prekeys: PrekeyKeeper;
    missing: MissingMessages;
    retryRequests: RetryRequests;
    readMarks: ReadMarks;
    writer: RoomWriter;
    disappearing: Disappearing;
  }) {
    this.#parts = deps.parts;
    this.#links = deps.links;
    this.#portals = deps.portals;
    this.#notes = deps.notes;
    this.#prekeys = deps.prekeys;
    this.#missing = deps.missing;
    this.#retryRequests = deps.retryRequests;
    this.#readMarks = deps.readMarks;
    this.#writer = deps.writer;
    this.#disappearing = deps.disappearing;
    this.#log = deps.parts.log.child({ part: 'inbound' });
  }

  /**
   * Takes the row one step on: a waiting stanza is read and, if it is a message, decrypted and journalled; a journalled
   * one is brought into the room and settled.
   * @throws BridgeError: its `retry` says what the queue does.
   */
  async advance(account: Account, row: WaitingStanza): Promise<void> {
    if (row.state === 'decrypted') {
      await this.#deliver(account, row, parseJournal(row.journal));
      return;
    }
    const network = networkOf(this.#parts, account);
    const own = await this.#parts.storage.database.transaction(
      async (tx) => await enlistedAccount(tx, network, account),
    );
    await this.#act(account, row, network, network.adapter.stanzas.read(row.stanza, own));
  }

  async #act(
    account: Account,
    row: WaitingStanza,
    network: NetworkPart,
    signal: InboundSignal,
  ): Promise<void> {
    switch (signal.kind) {
      case 'envelope':
        await this.#decrypt(account, row, network, signal);
        return;
      case 'unreadable':
        await this.#notes.unreadable(account, row, signal.sender, signal.why);
        return;
      case 'receipt':
        await this.#notes.delivered(account, row, signal);
        return;
      case 'bounce':
        await this.#notes.bounced(account, row, signal);
        return;
      case 'identity-changed':
        await this.#notes.keyChanged(account, row, signal.contact);
        return;
      case 'keys-low':
        this.#prekeys.wake(account.id);
        await this.#settle(row);
        return;
      case 'marker':
        await this.#readMarks.show(account, signal);
        await this.#settle(row);
        return;
      case 'chat-state':
        // Told as it came, and stored by an earlier release only.
        await this.#settle(row);
        return;
      case 'retry-request':
        await this.#retryRequests.answer(account, row, signal);
        return;
      case 'ignored':
        this.#log.debug('stanza ignored', { account: account.id, why: signal.why });
        await this.#settle(row, `ignored: ${signal.why}`);
        return;
      default:
        signal satisfies never;
    }
  }

  async #decrypt(
    account: Account,
    row: WaitingStanza,
    network: NetworkPart,
    envelope: Envelope,
  ): Promise<void> {
    const { storage } = this.#parts;
    const address = { contact: envelope.sender, device: envelope.senderDevice };
    try {
      await network.signal.inSession(signalAccount(account), address, async (session) => {
        const plaintext = await session.decrypt(envelope.enc);
        const journal = writeJournal(envelope, plaintext);
        plaintext.fill(0);
        // crash point: inbound-decrypted
        await storage.networkInbox.journal(session.tx, account, row, journal);
        journal.fill(0);
      });
    } catch (failure) {
      if (hasCode(failure, 'signal/duplicate')) {
        // Decrypted before, from another copy of the same ciphertext: that copy's row brought or brings it.
        await this.#settle(row, failure.code);
        return;
      }
      if (hasCode(failure, 'signal/undecryptable') || hasCode(failure, 'signal/badMessage')) {
        await this.#missing.askAgain(account, row, envelope, failure);
        return;
      }
      throw failure;
    }
  }

  async #deliver(account: Account, row: WaitingStanza, journal: Journal): Promise<void> {
    const network = networkOf(this.#parts, account);
    const sender = contactId(journal.sender);
    let chat: ChatEvent;
    try {
      chat = network.adapter.codec.decode(journal.content);
    } catch (failure) {
      if (!hasCode(failure, 'network/badContent')) throw failure;
      await this.#notes.unreadable(account, row, sender, failure.code);
      return;
    }
    // crash point: inbound-journalled
    const portal = await this.#portals.ensure(account, sender);
    const known = await this.#parts.storage.database.transaction(
      async (tx) => await this.#parts.storage.messages.find(tx, portal.id, 'inbound', chat.id),
    );
    if (known === undefined) {
      const placeholder = await this.#missing.findPlaceholder(account, sender, journal.stanzaId);
      await this.#disappearing.tellTimer(portal, chat);
      const written = await this.#writer.write({
        account,
        portal,
        chat,
        placeholder: placeholder?.event,
        attempts: row.attempts,
      });
      // crash point: inbound-sent-to-room
      await this.#settleDelivered({ account, row, journal, portal, chat, written, network, placeholder });
    } else {
      await this.#settle(row);
    }
    // crash point: inbound-settled
    this.#links.wake(account.id);
    if (chat.expiresInS > 0) this.#disappearing.wake();
  }

  async #settleDelivered(step: DeliveredStep): Promise<void> {
    const { account, row, journal, portal, chat, written, network, placeholder } = step;
    const { storage, clock, metrics } = this.#parts;
    await storage.database.transaction(async (tx) => {
      for (const [part, event] of written.events.entries()) {
        await storage.messages.insert(tx, {
          portal: portal.id,
          direction: 'inbound',
          message: chat.id,
          part,
          stanza: journal.stanzaId,
          event,
          sentAtMs: chat.sentAtMs,
          isRemark: isRemark(chat.content),
        });
        await this.#disappearing.note(tx, account, portal.room, event, chat);
      }
      await written.remember?.(tx);
      if (journal.wantsReceipt && network.sendReceipts) {
        const secret = await storage.idSecret(tx, account.dataKey);
        const id = receiptStanzaId(secret, portal.contact, journal.stanzaId);
        const xml = network.adapter.stanzas.writeReceipt({
          id,
          to: portal.contact,
          stanzaId: journal.stanzaId,
        });
        await storage.outbox.insert(tx, account, { stanza: id, xml });
      }
      await placeholder?.settle(tx);
      await storage.networkInbox.settle(tx, row.seq);
    });
    const seconds = (clock.nowMs() - row.receivedAtMs) / 1_000;
    metrics.message({ network: account.network, leg: 'inbound', outcome: 'delivered', seconds });
  }

  async #settle(row: WaitingStanza, errorCode?: string): Promise<void> {
    const { storage } = this.#parts;
    await storage.database.transaction(
      async (tx) => await storage.networkInbox.settle(tx, row.seq, errorCode),
    );
  }
}

type DeliveredStep = Readonly<{
  account: Account;
  row: WaitingStanza;
  journal: Journal;
  portal: ReadyPortal;
  chat: ChatEvent;
  written: Written;
  network: NetworkPart;
  placeholder: Placeholder | undefined;
}>;
