/**
 * What was received and is not yet stored, in order. The count that XEP-0198 reports moves only with the store: a
 * stanza is handled when it is durable with all before it, so that a crash makes the server send it again. While the
 * archive is asked for what is older, live messages wait here.
 */
import type { Element } from '@xmpp/client';
import type { Log } from '../../../model/ambient.ts';
import { BridgeError, hasCode } from '../../../model/errors.ts';
import type { AccountFeatures } from './account-features.ts';
import type { ArchivedMessage } from './archive-xml.ts';
import { streamErrors } from './errors.ts';
import {
  type InboundContext,
  toArchivedStanza,
  toDiscardedStanza,
  toInboundStanza,
} from './inbound-stanza.ts';
import { bareOf, isSameJid } from './jid.ts';
import type { InboundStanza, StreamStore } from './ports.ts';
import { WaitingRoom } from './waiting-room.ts';

export interface InboundQueueDeps {
  readonly store: StreamStore;
  readonly log: Log;
  readonly context: Omit<InboundContext, 'trustsStanzaIds'>;
  /** Stanzas of this session that are stored already. */
  readonly handled: number;
  /** Whether the archive has nothing that is not stored. If not, live messages wait for `release`. */
  readonly isCaughtUp: boolean;
  /** Settles soon after the session began, `undefined` if nothing is known; asked before anything is stored. */
  readonly features: Promise<AccountFeatures | undefined>;
  /** After each write to the store. */
  readonly onStored: (messages: number) => void;
  readonly onFailed: (reason: BridgeError) => void;
  /** The queue is full, or has room again. */
  readonly onFull: (isFull: boolean) => void;
}

/**
 * `discarded`: a message that was over a limit. `reached`: all that was archived up to this id is in front of it in the
 * queue. `counted`: nothing to store.
 */
export type Arrival =
  | { readonly kind: 'live'; readonly message: Element }
  | { readonly kind: 'archived'; readonly archived: ArchivedMessage }
  | { readonly kind: 'reached'; readonly archiveId: string }
  | { readonly kind: 'discarded'; readonly from: string | undefined; readonly id: string | undefined }
  | { readonly kind: 'counted' };

/**
 * Why live messages need not wait any more. `caught-up`: everything archived was asked for when there had been
 * `arrivals` of them; `isPatient`: what arrived later and waits may be asked for, too. `behind`: the archive takes too
 * long.
 */
export type Release =
  | { readonly kind: 'caught-up'; readonly arrivals: number; readonly isPatient: boolean }
  | { readonly kind: 'behind' };

type Entry = {
  readonly arrival: number;
  readonly count: number | undefined;
  readonly bytes: number;
  readonly what:
    | Arrival
    | { readonly kind: 'release'; readonly release: Release; readonly settle: (isDone: boolean) => void };
};

/** What one write to the store takes. */
interface Batch {
  readonly stanzas: InboundStanza[];
  archiveId: string | undefined;
}

/** Above this the server has to wait. What one packet brings comes on top. */
const maxEntries = 1000;
const maxBytes = 4 * 1024 * 1024;
const batchEntries = 100;

export class InboundQueue {
  readonly #deps: InboundQueueDeps;
  readonly #entries: Entry[] = [];
  readonly #room = new WaitingRoom();
  /** `waiting`: live messages wait. `behind`: they don't, but their archive ids say nothing. */
  #mode: 'waiting' | 'behind' | 'caught-up';
  #arrivals = 0;
  #counted: number;
  #bytes = 0;
  #handled: number;
  #working: Promise<void> | undefined;
  /** The store failed, or the session ended while it had no room: what is here comes again. */
  #hasFailed = false;
  readonly #roomless = new AbortController();

  constructor(deps: InboundQueueDeps) {
    this.#deps = deps;
    this.#handled = deps.handled;
    this.#counted = deps.handled;
    this.#mode = deps.isCaughtUp ? 'caught-up' : 'waiting';
  }

  /** Counted stanzas that are durable, with all before them. */
  get handled(): number {
    return this.#handled;
  }

  /** Entries that are not being stored yet. */
  get waiting(): number {
    return this.#entries.length;
  }

  /** How often something was pushed so far. */
  get arrivals(): number {
    return this.#arrivals;
  }

  /** The session ends: what finds no room in the store now is left to the server, which has no count for it. */
  stopWaiting(): void {
    this.#roomless.abort();
  }

  push(what: Arrival, isCounted: boolean, bytes: number): void {
    if (this.#hasFailed) return;
    if (isCounted) this.#counted += 1;
    this.#add(what, isCounted ? this.#counted : undefined, bytes);
  }

  /**
   * Lets live messages go, behind all that was pushed before.
   * @returns `false` when they go on waiting: the archive has to be asked again for what there was no room for, or can be
   *   for what came since, so that they take their place in its order.
   */
  async release(release: Release): Promise<boolean> {
    if (this.#hasFailed) return false;
    return await new Promise((settle) => this.#add({ kind: 'release', release, settle }, undefined, 0));
  }

  /** Resolves when all that was pushed is stored or waits for the archive, or the store has failed. */
  async settled(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
  }

  #add(what: Entry['what'], count: number | undefined, bytes: number): void {
    this.#arrivals += 1;
    this.#entries.push({ arrival: this.#arrivals, count, bytes, what });
    this.#bytes += bytes;
    if (this.#entries.length > maxEntries || this.#bytes > maxBytes) this.#deps.onFull(true);
    this.#start();
  }

  #start(): void {
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      // What was added after the last look.
      if (this.#entries.length > 0) this.#start();
    });
  }

  async #work(): Promise<void> {
    try {
      const features = await this.#deps.features;
      const context = { ...this.#deps.context, trustsStanzaIds: features?.stanzaIds ?? false };
      // There is nothing to wait for.
      if (features?.archive === false && this.#mode === 'waiting') this.#mode = 'behind';
      for (let [first] = this.#entries; first !== undefined; [first] = this.#entries) {
        if (first.what.kind === 'release') {
          this.#entries.shift();
          first.what.settle(await this.#release(first.what.release));
        } else if (!(await this.#hasRoom())) this.#drop();
        else {
          const end = this.#entries.findIndex(({ what }) => what.kind === 'release');
          const size = end === -1 ? batchEntries : Math.min(end, batchEntries);
          await this.#storeBatch(this.#entries.splice(0, size), context);
        }
      }
    } catch (failure) {
      this.#fail(failure);
    }
  }

  /** @returns whether something can be stored now; waits for it. */
  async #hasRoom(): Promise<boolean> {
    const { signal } = this.#roomless;
    try {
      await this.#deps.store.whenRoom(signal);
      return true;
    } catch (failure) {
      if (!signal.aborted) throw failure;
      return false;
    }
  }

  /** Takes nothing more: what is not stored was not counted either. */
  #drop(): void {
    this.#hasFailed = true;
    for (const { what } of this.#entries.splice(0)) if (what.kind === 'release') what.settle(false);
  }

  #fail(failure: unknown): void {
    this.#drop();
    this.#deps.onFailed(failure instanceof BridgeError ? failure : streamErrors.storeFailed({}, failure));
  }

  async #storeBatch(entries: readonly Entry[], context: InboundContext): Promise<void> {
    const batch: Batch = { stanzas: [], archiveId: undefined };
    for (const entry of entries) this.#collect(entry, context, batch);
    await this.#store(batch);
    for (const entry of entries) this.#bytes -= entry.bytes;
    if (this.#entries.length < maxEntries / 2 && this.#bytes < maxBytes / 2) this.#deps.onFull(false);
    this.#deps.onStored(batch.stanzas.length);
  }

  #collect({ what, arrival, count }: Entry, context: InboundContext, batch: Batch): void {
    if (what.kind === 'reached') batch.archiveId = what.archiveId;
    else if (what.kind === 'archived') this.#collectArchived(what.archived, context, batch);
    else if (what.kind === 'live' || what.kind === 'discarded') {
      const stanza =
        what.kind === 'live' ? this.#convert(what.message, context) : toDiscardedStanza(what, context);
      if (stanza === undefined) return;
      if (this.#mode === 'waiting' && this.#room.take({ stanza, arrival, count })) return;
      batch.stanzas.push(stanza);
      if (this.#mode === 'caught-up') batch.archiveId = stanza.archiveId ?? batch.archiveId;
    }
  }

  #collectArchived(archived: ArchivedMessage, context: InboundContext, batch: Batch): void {
    batch.archiveId = archived.archiveId;
    if (isOwn(archived.message, context.ownBareJid)) return;
    const stanza = this.#convert(archived.message, context, () => toArchivedStanza(archived, context));
    if (stanza === undefined) return;
    batch.stanzas.push(stanza);
    this.#room.drop(archived.archiveId);
  }

  /** What has left the queue and the room counts as handled by this very write. */
  async #store({ stanzas, archiveId }: Batch): Promise<void> {
    const handled = this.#countDone();
    if (stanzas.length > 0 || archiveId !== undefined || handled !== this.#handled) {
      try {
        await this.#deps.store.storeInbound(stanzas, handled, archiveId);
      } catch (failure) {
        throw streamErrors.storeFailed({ step: 'inbound' }, failure);
      }
    }
    this.#handled = handled;
  }

  /** How many counted stanzas have none before them that still waits. */
  #countDone(): number {
    const inQueue = this.#entries.find(({ count }) => count !== undefined)?.count;
    const inRoom = this.#room.firstCount;
    return Math.min(inQueue ?? this.#counted + 1, inRoom ?? this.#counted + 1) - 1;
  }

  async #release(release: Release): Promise<boolean> {
    if (release.kind === 'caught-up') {
      const { arrivals, isPatient } = release;
      if (this.#room.hasTurnedAwaySince(arrivals)) return false;
      if (isPatient && this.#room.hasArchivedSince(arrivals)) return false;
      this.#room.forgetTurnedAway();
    }
    for (let some = this.#room.takeOldest(batchEntries); some.length > 0; ) {
      if (!(await this.#hasRoom())) {
        this.#drop();
        return false;
      }
      // No archive id: it is not known whether they are newer than what the archive has brought.
      await this.#store({ stanzas: some.map(({ stanza }) => stanza), archiveId: undefined });
      this.#deps.onStored(some.length);
      some = this.#room.takeOldest(batchEntries);
    }
    this.#mode = release.kind;
    if (release.kind === 'behind') return true;
    await this.#store({ stanzas: [], archiveId: undefined });
    this.#deps.onStored(0);
    await this.#deps.store.markCaughtUp();
    return true;
  }

  /** One stanza that can't be taken is told and counted; it must not come again for ever. */
  #convert(
    message: Element,
    context: InboundContext,
    convert = (one: Element) => toInboundStanza(one, context),
  ): InboundStanza | undefined {
    try {
      const stanza = convert(message);
      if (stanza === undefined) this.#deps.log.warn('message refused', { fault: 'from' });
      return stanza;
    } catch (failure) {
      if (!hasCode(failure, 'stream/badStanza')) throw failure;
      this.#deps.log.warn('message refused', { fault: 'stanzaBytes' }, failure);
      return toDiscardedStanza({ from: message.attrs.from, id: message.attrs.id }, context);
    }
  }
}

/** Our own messages stand in the archive, too. */
function isOwn(message: Element, ownBareJid: string): boolean {
  const from = message.attrs.from ?? '';
  return from === '' || isSameJid(bareOf(from), ownBareJid);
}
