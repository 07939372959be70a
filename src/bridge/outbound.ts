/**
 * From Matrix to the network, one event at a time and in order within a room. The last step is one database transaction:
 * ratchet step, stanza in the outbox, message row, inbox row done. Everything before it may be repeated.
 */

import type { RoomEvent } from '../matrix/matrix.ts';
import type { Log } from '../model/ambient.ts';
import { type ChatContent, type ChatEvent, isRemark } from '../model/chat-event.ts';
import { hasCode } from '../model/errors.ts';
import type { DeviceId, MessageId } from '../model/ids.ts';
import type { SignalSession } from '../signal/signal.ts';
import type { Account, Portal, Tx, WaitingEvent } from '../storage/storage.ts';
import { contactNoticeId, outboundMessageId, stanzaOf } from './derived-ids.ts';
import type { Disappearing } from './disappearing.ts';
import { bridgeErrors } from './errors.ts';
import type { LateMessages } from './late-messages.ts';
import type { Links } from './links.ts';
import { type Checked, OutboundContent, type Outgoing, type Refusal } from './outbound-content.ts';
import { type BridgeParts, type NetworkPart, networkOf, signalAccount } from './parts.ts';

/** `nothing`: it is no message to the contact. */
export type OutboundResult = Readonly<{ kind: 'queued' | 'nothing' }> | Refusal;

export class Outbound {
  readonly #parts: BridgeParts;
  readonly #links: Links;
  readonly #late: LateMessages;
  readonly #disappearing: Disappearing;
  readonly #content: OutboundContent;
  readonly #log: Log;

  constructor(deps: {
    parts: BridgeParts;
    links: Links;
    late: LateMessages;
    disappearing: Disappearing;
    /** Ends transfers of files. */
    signal: AbortSignal;
  }) {
    const { parts } = deps;
    this.#parts = parts;
    this.#links = deps.links;
    this.#late = deps.late;
    this.#disappearing = deps.disappearing;
    this.#content = new OutboundContent(parts, deps.signal);
    this.#log = parts.log.child({ part: 'outbound' });
  }

  /**
   * Brings one event of a portal to the outbox and settles its inbox row. On `refused` and `nothing` the row is left to
   * the caller.
   * @throws BridgeError of the network, of Signal, or of this folder: its `retry` says what the queue does.
   */
  async bridge(
    portal: Portal,
    account: Account,
    event: RoomEvent,
    row: WaitingEvent,
  ): Promise<OutboundResult> {
    const network = networkOf(this.#parts, account);
    const checked = this.check(account, event);
    if (checked.kind !== 'message') return checked;
    if (this.#parts.clock.nowMs() - row.receivedAtMs > this.#parts.settings.tooOldMs)
      throw bridgeErrors.tooOld();
    const outgoing = await this.#content.resolve(account, portal, event, checked.message);
    if (outgoing.kind !== 'send') return outgoing;
    const device = await this.deviceOf(account, portal);
    // crash point: outbound-before-queue
    await this.#queue({ network, account, portal, device, event, row, outgoing });
    // crash point: outbound-queued
    this.#links.wake(account.id);
    this.#late.wake(account.id);
    if (portal.expiresInS > 0) this.#disappearing.wake();
    return { kind: 'queued' };
  }

  /**
   * Whether the rules let an event of a portal pass.
   * @throws BridgeError `bridge/accountNotActive`: not yet.
   */
  check(account: Account, event: RoomEvent): Checked {
    return this.#content.check(account, event);
  }

  /**
   * The contact's device with which there is a session; a new session is begun where there is none.
   * @throws BridgeError of the network: the contact's keys are asked for over the link.
   */
  async deviceOf(account: Account, portal: Portal): Promise<DeviceId> {
    const { storage } = this.#parts;
    const network = networkOf(this.#parts, account);
    const [known] = await storage.database.transaction(
      async (tx) => await network.signal.listDevices(tx, account, portal.contact),
    );
    if (known !== undefined) return known;
    const link = this.#links.get(account.id);
    if (link === undefined) throw bridgeErrors.linkDown({ account: account.id });
    // Interop is one device on both sides (docs/interop-profile.md §6): the first is the contact's phone.
    const bundles = await link.keys.bundles(portal.contact).catch((failure: unknown) => {
      // A contact who takes no messages stays so for long: the sender is told at once instead of waiting in silence.
      if (!hasCode(failure, 'network/noKeys')) throw failure;
      throw bridgeErrors.contactHasNoKeys({ account: account.id }, failure);
    });
    const [bundle] = bundles;
    if (bundle === undefined) throw bridgeErrors.contactHasNoKeys({ account: account.id });
    const address = { contact: portal.contact, device: bundle.device };
    await network.signal.inSession(signalAccount(account), address, async (session) => {
      if (!(await session.exists())) await session.start(bundle);
    });
    return bundle.device;
  }

  async #queue(step: QueueStep): Promise<void> {
    const { network, account, portal, device, event, row, outgoing } = step;
    const { storage, clock } = this.#parts;
    const address = { contact: portal.contact, device };
    try {
      await network.signal.inSession(signalAccount(account), address, async (session) => {
        const { tx } = session;
        const secret = await storage.idSecret(tx, account.dataKey);
        if (portal.contactToldAtMs === undefined) {
          await this.#queueContactNotice(session, step, contactNoticeId(secret, portal.id));
        }
        for (const [part, { content, reply }] of outgoing.parts.entries()) {
          const id = outboundMessageId(secret, event.event_id, part);
          const chat: ChatEvent = {
            id,
            sentAtMs: saneTime(event.origin_server_ts, clock.nowMs()),
            expiresInS: portal.expiresInS,
            content,
            ...(reply === undefined ? {} : { reply }),
          };
          await this.#queueChatEvent(session, step, chat, true);
          await storage.messages.insert(tx, {
            portal: portal.id,
            direction: 'outbound',
            message: id,
            part,
            stanza: stanzaOf(id),
            event: event.event_id,
            sentAtMs: chat.sentAtMs,
            isRemark: isRemark(content),
          });
          await this.#disappearing.note(tx, account, event.room_id, event.event_id, chat);
        }
        await outgoing.remember?.(tx);
        // crash point: outbound-in-transaction
        await storage.matrixInbox.settle(tx, row.seq);
      });
    } catch (failure) {
      // The session was archived meanwhile: the next attempt begins a new one.
      if (hasCode(failure, 'signal/sessionMissing')) this.#log.info('session gone', { portal: portal.id });
      throw failure;
    }
  }

  /** Interop profile §6: sent once, before the first message, so that people who never chose a bridge know. */
  async #queueContactNotice(session: SignalSession, step: QueueStep, id: MessageId): Promise<void> {
    const { account, network, portal } = step;
    const { texts, settings, clock, storage } = this.#parts;
    const { operator } = settings;
    if (account.enlistment?.capabilities.includes('boundary-notice') === false) return;
    const content: ChatContent = {
      kind: 'boundary-notice',
      operatorName: operator.name,
      operatorContact: operator.contact,
      mode: operator.mode,
      text: texts.say('boundary-told-to-contact', {
        user: account.user,
        operator: operator.name,
        network: network.adapter.displayName,
      }),
    };
    await this.#queueChatEvent(session, step, { id, sentAtMs: clock.nowMs(), expiresInS: 0, content }, false);
    await storage.portals.saveContactTold(session.tx, portal.id);
  }

  async #queueChatEvent(
    session: SignalSession,
    step: QueueStep,
    chat: ChatEvent,
    carriesEvent: boolean,
  ): Promise<void> {
    const { account, portal, device, event, network } = step;
    const { codec, stanzas } = network.adapter;
    const plaintext = codec.encode(chat);
    try {
      const encrypted = await session.encrypt(plaintext);
      await this.#parts.storage.sentMessages.insert(session.tx, account, {
        message: chat.id,
        contact: portal.contact,
        content: plaintext,
        keepMs: network.keepSentMs,
      });
      const xml = stanzas.writeMessage({
        id: stanzaOf(chat.id),
        to: portal.contact,
        fromDevice: signalAccount(account).device,
        recipients: [{ ...encrypted, device }],
        wantsReceipt: true,
      });
      await this.#insert(session.tx, account, chat.id, xml, carriesEvent ? event : undefined);
    } finally {
      plaintext.fill(0);
    }
  }

  async #insert(
    tx: Tx,
    account: Account,
    id: MessageId,
    xml: string,
    event: RoomEvent | undefined,
  ): Promise<void> {
    await this.#parts.storage.outbox.insert(tx, account, {
      stanza: stanzaOf(id),
      xml,
      ...(event === undefined ? {} : { event: event.event_id, room: event.room_id }),
    });
  }
}

type QueueStep = Readonly<{
  network: NetworkPart;
  account: Account;
  portal: Portal;
  device: DeviceId;
  event: RoomEvent;
  row: WaitingEvent;
  outgoing: Outgoing;
}>;

/** The homeserver's time of the event, unless it lies in the future or before the epoch. */
function saneTime(originServerTs: number, nowMs: number): number {
  return Math.min(Math.max(0, originServerTs), nowMs);
}
