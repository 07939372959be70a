import type { Log } from '../model/ambient.ts';
import type { BridgeError } from '../model/errors.ts';
import type { AccountId, ContactId, NetworkId, RoomId } from '../model/ids.ts';
import type { ChatState, InboundSignal, Link, LinkStatus } from '../network/network.ts';
import type { Account } from '../storage/storage.ts';
import type { InboxBacklog } from './inbox-backlog.ts';
import { createLinkStore } from './link-store.ts';
import { type BridgeParts, enlistedAccount, networkOf } from './parts.ts';

/** At a start, links come up one after another with this pause between them, so that no gatekeeper meets a storm. */
const PACE_MS = 50;

/** What others do when something happens on a link. */
export interface LinkListener {
  /** Stanzas of these senders to this account were stored. */
  stored(account: Account, senders: readonly string[]): void;
  /** What a sender has sent was not taken: too much of theirs waits for the user. `episode`: the same as long as it goes on. */
  refused(account: Account, sender: string, episode: string): void;
  /** A contact begins to write, or stops. */
  typing(account: Account, contact: ContactId, state: ChatState): void;
  /** The link came online, anew or resumed. */
  online(account: AccountId): void;
  /** Any change of a link; those above and below stand for some of them. */
  status(account: AccountId, status: LinkStatus): void;
  /** The link is down; it may try again by itself. */
  offline(account: AccountId): void;
  /** A stanza cannot be sent, ever. */
  rejected(account: Account, rowId: string, reason: BridgeError): Promise<void>;
  /** Messages of these rooms have reached the network's server. */
  sent(rooms: readonly RoomId[]): void;
  /** The link will not try again by itself. */
  givenUp(account: Account, reason: BridgeError): void;
}

/** The links of all active accounts: opened, kept, closed. */
export class Links {
  readonly #parts: BridgeParts;
  readonly #backlog: InboxBacklog;
  readonly #log: Log;
  readonly #links = new Map<AccountId, Readonly<{ link: Link; network: NetworkId }>>();
  #listener: LinkListener | undefined;
  readonly #stopping = new AbortController();

  constructor(parts: BridgeParts, backlog: InboxBacklog) {
    this.#parts = parts;
    this.#backlog = backlog;
    this.#log = parts.log.child({ part: 'links' });
  }

  /** Who is told; set once, before any link is opened. */
  listen(listener: LinkListener): void {
    this.#listener = listener;
  }

  /** Opens the links of these accounts, paced. Resolves when all have been started, not when they are online. */
  async openAll(accounts: readonly AccountId[], signal?: AbortSignal): Promise<void> {
    const stopping =
      signal === undefined ? this.#stopping.signal : AbortSignal.any([this.#stopping.signal, signal]);
    for (const account of accounts) {
      if (stopping.aborted) return;
      try {
        await this.open(account);
      } catch (failure) {
        // One account's trouble is its own.
        this.#log.error('link not opened', { account }, failure);
      }
      const pauseMs = PACE_MS * 2 * this.#parts.random.fraction();
      await this.#parts.clock.sleep(pauseMs, stopping).catch(() => {
        /* stopping: the loop sees it */
      });
    }
  }

  /** Opens the link of an account, if it is active; wakes one that had given up; harmless when it runs. */
  async open(id: AccountId): Promise<void> {
    const open = this.#links.get(id);
    if (open !== undefined) {
      if (open.link.status.kind === 'stopped') open.link.start();
      return;
    }
    const { storage } = this.#parts;
    const found = await storage.database.transaction(async (tx) => {
      const account = await storage.accounts.findById(tx, id);
      if (account?.state !== 'active') return undefined;
      const network = networkOf(this.#parts, account);
      return { account, network, enlisted: await enlistedAccount(tx, network, account) };
    });
    if (found === undefined || this.#links.has(id) || this.#stopping.signal.aborted) return;
    const { account, network, enlisted } = found;
    const log = this.#log.child({ account: account.id, network: account.network });
    const link = network.adapter.openLink(enlisted, {
      store: createLinkStore({
        storage,
        account,
        log,
        backlog: this.#backlog,
        isOfUse: (stanza) => {
          const signal = network.adapter.stanzas.read(stanza, enlisted);
          // What somebody did a while ago is not what they do.
          if (signal.kind === 'chat-state' && stanza.delayedAtMs === undefined)
            this.#listener?.typing(account, signal.sender, signal.state);
          return isOfUse(signal, log);
        },
        onStored: (senders) => this.#listener?.stored(account, senders),
        onRefused: (sender, episode) => {
          log.warn('messages refused: their sender has too many that wait for the user');
          this.#parts.metrics.message({ network: account.network, leg: 'inbound', outcome: 'refused' });
          this.#listener?.refused(account, sender, episode);
        },
        onRejected: async (rowId, reason) => await this.#listener?.rejected(account, rowId, reason),
        onSent: (rooms) => this.#listener?.sent(rooms),
      }),
      onStatus: (status) => {
        logStatus(log, status);
        this.#listener?.status(account.id, status);
        if (status.kind === 'online') this.#listener?.online(account.id);
        else this.#listener?.offline(account.id);
        if (status.kind === 'stopped' && status.reason !== undefined)
          this.#listener?.givenUp(account, status.reason);
      },
    });
    this.#links.set(account.id, { link, network: account.network });
    link.start();
  }

  get(account: AccountId): Link | undefined {
    return this.#links.get(account)?.link;
  }

  /** The outbox of this account has something new. */
  wake(account: AccountId): void {
    this.#links.get(account)?.link.wake();
  }

  async close(account: AccountId): Promise<void> {
    const open = this.#links.get(account);
    this.#links.delete(account);
    await open?.link.stop();
  }

  /** The account is destroyed, with all that waited for it. */
  forget(account: AccountId): void {
    this.#backlog.forget(account);
  }

  /** How many accounts of a network have an inbox so full that their stream is not read. */
  countHeld(network: NetworkId): number {
    return this.#backlog.countHeld(network);
  }

  /** How many links of a network are in each state: for health and metrics. */
  count(network: NetworkId): Readonly<Record<LinkStatus['kind'], number>> {
    const counts = { connecting: 0, online: 0, waiting: 0, stopped: 0 };
    for (const { link, network: of } of this.#links.values()) {
      if (of === network) counts[link.status.kind] += 1;
    }
    return counts;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#links.values()].map(async ({ link }) => await link.stop()));
    this.#links.clear();
  }
}

/** Typing is worth nothing later; the rest means nothing to us, whoever sends it. */
function isOfUse(signal: InboundSignal, log: Log): boolean {
  if (signal.kind === 'ignored') log.debug('stanza ignored', { why: signal.why });
  return signal.kind !== 'ignored' && signal.kind !== 'chat-state';
}

function logStatus(log: Log, status: LinkStatus): void {
  switch (status.kind) {
    case 'connecting':
      log.debug('link connecting');
      return;
    case 'online':
      log.info('link online', { resumed: status.resumed });
      return;
    case 'waiting':
      log.warn('link lost', { retryAtMs: status.retryAtMs }, status.reason);
      return;
    case 'stopped':
      if (status.reason === undefined) log.info('link closed');
      else log.error('link given up', {}, status.reason);
      return;
    default:
      status satisfies never;
  }
}
