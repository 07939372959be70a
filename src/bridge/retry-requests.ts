import type { Log } from '../model/ambient.ts';
import { type ContactId, messageId } from '../model/ids.ts';
import type { PrekeyBundle } from '../model/prekeys.ts';
import type { InboundSignal } from '../network/network.ts';
import type { Account, WaitingStanza } from '../storage/storage.ts';
import { bridgeErrors } from './errors.ts';
import type { Links } from './links.ts';
import { type BridgeParts, networkOf, signalAccount } from './parts.ts';
import { copyStanzaOf, firstStanzaOf, MOST_RETRIES } from './retry-ids.ts';

type RetryRequest = Extract<InboundSignal, { kind: 'retry-request' }>;

/**
 * Answers contacts who could not decrypt a message of ours: the kept plaintext is encrypted again in a new session. Only
 * the one to whom it was sent gets it, each count once.
 */
export class RetryRequests {
  readonly #parts: BridgeParts;
  readonly #links: Links;
  readonly #log: Log;

  constructor(parts: BridgeParts, links: Links) {
    this.#parts = parts;
    this.#links = links;
    this.#log = parts.log.child({ part: 'retry-requests' });
  }

  /** Queues the copy and settles the request's row in one transaction. */
  async answer(account: Account, row: WaitingStanza, request: RetryRequest): Promise<void> {
    const { storage } = this.#parts;
    const id = await this.#findSent(account, request);
    if (id === undefined) {
      this.#log.info('retry request not answered', { account: account.id, count: request.count });
      await storage.database.transaction(
        async (tx) => await storage.networkInbox.settle(tx, row.seq, 'bridge/retryNotKept'),
      );
      return;
    }
    // crash point: retry-found
    const { signal, adapter } = networkOf(this.#parts, account);
    const bundle = request.bundle ?? (await this.#fetchBundle(account, request.sender));
    const address = { contact: request.sender, device: bundle.device };
    await signal.inSession(signalAccount(account), address, async (session) => {
      const { tx } = session;
      const sent = await storage.sentMessages.find(tx, account, id);
      if (sent !== undefined && sent.retries < request.count) {
        await session.archive();
        await session.start(bundle);
        const encrypted = await session.encrypt(sent.content);
        sent.content.fill(0);
        const stanza = copyStanzaOf(id, request.count);
        const xml = adapter.stanzas.writeMessage({
          id: stanza,
          to: request.sender,
          fromDevice: signalAccount(account).device,
          recipients: [{ ...encrypted, device: bundle.device }],
          wantsReceipt: true,
        });
        await storage.outbox.insert(tx, account, { stanza, xml });
        await storage.sentMessages.saveRetries(tx, account.id, id, request.count);
      }
      // crash point: retry-in-transaction
      await storage.networkInbox.settle(tx, row.seq);
    });
    // crash point: retry-queued
    this.#links.wake(account.id);
  }

  /** @returns the message that is asked for; `undefined` when it is not kept, was another's, or was sent this often. */
  async #findSent(account: Account, request: RetryRequest) {
    const first = firstStanzaOf(request.stanzaId);
    if (!/^[0-9a-f]{32}$/.test(first) || request.count > MOST_RETRIES) return undefined;
    const id = messageId(first);
    const { storage } = this.#parts;
    const sent = await storage.database.transaction(
      async (tx) => await storage.sentMessages.find(tx, account, id),
    );
    sent?.content.fill(0);
    return sent?.contact === request.sender && sent.retries < request.count ? id : undefined;
  }

  async #fetchBundle(account: Account, contact: ContactId): Promise<PrekeyBundle> {
    const link = this.#links.get(account.id);
    if (link === undefined) throw bridgeErrors.linkDown({ account: account.id });
    const [bundle] = await link.keys.bundles(contact);
    if (bundle === undefined) throw bridgeErrors.contactHasNoKeys({ account: account.id });
    return bundle;
  }
}
