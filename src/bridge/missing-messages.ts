import type { Log } from '../model/ambient.ts';
import { codeOf } from '../model/errors.ts';
import type { ContactId, EventId, StanzaId } from '../model/ids.ts';
import type { Account, WaitingStanza } from '../storage/storage.ts';
import { matrixTxnId, retryStanzaId } from './derived-ids.ts';
import type { Links } from './links.ts';
import { type BridgeParts, networkOf, signalAccount } from './parts.ts';
import type { PortalRooms, ReadyPortal } from './portal-rooms.ts';
import { firstStanzaOf, MOST_RETRIES } from './retry-ids.ts';

/** A placeholder that a late copy replaces. */
export type Placeholder = Readonly<{ event: EventId; settle: (tx: Tx) => Promise<void> }>;
type Tx = Parameters<Parameters<BridgeParts['storage']['database']['transaction']>[0]>[0];

/**
 * Contacts' messages that could not be decrypted: a placeholder keeps their place in the room, they are asked for again,
 * and the late copy replaces the placeholder; after the last try the placeholder says that it is final.
 */
export class MissingMessages {
  readonly #parts: BridgeParts;
  readonly #links: Links;
  readonly #portals: PortalRooms;
  readonly #log: Log;

  constructor(parts: BridgeParts, links: Links, portals: PortalRooms) {
    this.#parts = parts;
    this.#links = links;
    this.#portals = portals;
    this.#log = parts.log.child({ part: 'missing-messages' });
  }

  /** Shows the placeholder, queues the request, and settles the row. */
  async askAgain(
    account: Account,
    row: WaitingStanza,
    from: { sender: ContactId; stanzaId: StanzaId },
    failure: unknown,
  ): Promise<void> {
    const { storage, metrics } = this.#parts;
    const key = { account: account.id, contact: from.sender, stanza: firstStanzaOf(from.stanzaId) };
    const known = await storage.database.transaction(
      async (tx) => await storage.missingMessages.find(tx, key),
    );
    const retries = known?.retries ?? 0;
    const isFinal = retries >= MOST_RETRIES;
    const portal = await this.#portals.ensure(account, from.sender);
    const placeholder = await this.#show(portal, key.stanza, known?.placeholder, isFinal);
    // crash point: missing-shown
    const asked = isFinal ? undefined : await this.#request(account, from.sender, key.stanza, retries + 1);
    await storage.database.transaction(async (tx) => {
      await storage.missingMessages.save(tx, key, {
        retries: Math.min(retries + 1, MOST_RETRIES),
        placeholder,
      });
      if (asked !== undefined) await storage.outbox.insert(tx, account, asked);
      await storage.networkInbox.settle(tx, row.seq, codeOf(failure));
    });
    // crash point: missing-asked
    this.#links.wake(account.id);
    this.#log.warn('message cannot be decrypted', { account: account.id, retries, isFinal }, failure);
    metrics.message({
      network: account.network,
      leg: 'inbound',
      outcome: isFinal ? 'unreadable' : 'asked-again',
    });
  }

  /** The placeholder of the message that this stanza is a copy of; `undefined` when none is shown. */
  async findPlaceholder(
    account: Account,
    sender: ContactId,
    stanza: StanzaId,
  ): Promise<Placeholder | undefined> {
    const { storage } = this.#parts;
    const key = { account: account.id, contact: sender, stanza: firstStanzaOf(stanza) };
    const known = await storage.database.transaction(
      async (tx) => await storage.missingMessages.find(tx, key),
    );
    if (known?.placeholder === undefined) return undefined;
    return {
      event: known.placeholder,
      settle: async (tx) => await storage.missingMessages.delete(tx, key),
    };
  }

  /** Sends the placeholder, or changes it when it has become final. @returns the placeholder's event. */
  async #show(
    portal: ReadyPortal,
    stanza: string,
    shown: EventId | undefined,
    isFinal: boolean,
  ): Promise<EventId> {
    const { storage, matrix, texts } = this.#parts;
    if (shown !== undefined && !isFinal) return shown;
    const body = texts.say(isFinal ? 'message-missing-final' : 'message-missing');
    const secret = await storage.database.transaction(async (tx) => await storage.idSecret(tx));
    const notice = { msgtype: 'm.notice', body };
    const sent = await matrix.send({
      room: portal.room,
      as: portal.ghost,
      type: 'm.room.message',
      content: shown === undefined ? notice : matrix.asReplacement(shown, notice),
      txnId: matrixTxnId(secret, portal.ghost, 'missing', portal.id, stanza, isFinal ? 'final' : 'asked'),
    });
    return shown ?? sent;
  }

  /** From the second try on with keys of ours, so that the contact begins a new session (profile §6). */
  async #request(account: Account, to: ContactId, stanza: string, count: number) {
    const { storage } = this.#parts;
    const { adapter, signal } = networkOf(this.#parts, account);
    const { device } = signalAccount(account);
    return await storage.database.transaction(async (tx) => {
      const secret = await storage.idSecret(tx, account.dataKey);
      const id = retryStanzaId(secret, to, stanza, count);
      const own = count > 1 ? await signal.publicDevice(tx, account) : undefined;
      const bundle = own && {
        device,
        registrationId: own.registrationId,
        identityKey: own.identityKey,
        signedPrekey: own.signedPrekey,
        kyberPrekey: own.kyberLastResort,
      };
      const xml = adapter.stanzas.writeRetry({
        id,
        to,
        stanzaId: stanza as StanzaId,
        count,
        ...(bundle === undefined ? {} : { bundle }),
      });
      return { stanza: id, xml };
    });
  }
}
