/**
 * What was received and is not yet stored, in order. The count that XEP-0198 reports moves only with the store: a
 * stanza is handled when it is durable, so that a crash makes the server send it again.
 */
import type { Element } from '@xmpp/client';
import type { Log } from '../../../model/ambient.ts';
import { BridgeError, hasCode } from '../../../model/errors.ts';
import { streamErrors } from './errors.ts';
import { type InboundContext, toInboundStanza } from './inbound-stanza.ts';
import type { InboundStanza, StreamStore } from './ports.ts';

export interface InboundQueueDeps {
  readonly store: StreamStore;
  readonly log: Log;
  readonly context: Omit<InboundContext, 'trustsStanzaIds'>;
  /** Stanzas of this session that are stored already. */
  readonly handled: number;
  /** Settles soon after the session began; asked before anything is stored. */
  readonly trustsStanzaIds: Promise<boolean>;
  /** After each write to the store. */
  readonly onStored: (messages: number) => void;
  readonly onFailed: (reason: BridgeError) => void;
  /** The queue is full, or has room again. */
  readonly onFull: (isFull: boolean) => void;
}

interface Entry {
  readonly message: Element | undefined;
  readonly isCounted: boolean;
  readonly bytes: number;
}

/** Above this the server has to wait. What one packet brings comes on top. */
const maxEntries = 1000;
const maxBytes = 4 * 1024 * 1024;
const batchEntries = 100;

export class InboundQueue {
  readonly #deps: InboundQueueDeps;
  readonly #entries: Entry[] = [];
  #bytes = 0;
  #handled: number;
  #working: Promise<void> | undefined;
  #hasFailed = false;

  constructor(deps: InboundQueueDeps) {
    this.#deps = deps;
    this.#handled = deps.handled;
  }

  /** Counted stanzas that are durable. */
  get handled(): number {
    return this.#handled;
  }

  /** Entries that are not being stored yet. */
  get waiting(): number {
    return this.#entries.length;
  }

  /** @param message `undefined` for a stanza that is only counted. */
  push(message: Element | undefined, isCounted: boolean, bytes: number): void {
    if (this.#hasFailed) return;
    this.#entries.push({ message, isCounted, bytes });
    this.#bytes += bytes;
    if (this.#entries.length > maxEntries || this.#bytes > maxBytes) this.#deps.onFull(true);
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** Resolves when all that was pushed is stored, or the store has failed. */
  async settled(): Promise<void> {
    await this.#working;
  }

  async #work(): Promise<void> {
    try {
      const trustsStanzaIds = await this.#deps.trustsStanzaIds;
      while (this.#entries.length > 0) {
        const batch = this.#entries.splice(0, batchEntries);
        await this.#storeBatch(batch, { ...this.#deps.context, trustsStanzaIds });
      }
    } catch (failure) {
      this.#hasFailed = true;
      this.#entries.length = 0;
      this.#deps.onFailed(failure instanceof BridgeError ? failure : streamErrors.storeFailed({}, failure));
    }
  }

  async #storeBatch(batch: readonly Entry[], context: InboundContext): Promise<void> {
    const stanzas: InboundStanza[] = [];
    for (const { message } of batch) {
      const stanza = message === undefined ? undefined : this.#convert(message, context);
      if (stanza !== undefined) stanzas.push(stanza);
    }
    const handled = this.#handled + batch.filter((entry) => entry.isCounted).length;
    if (stanzas.length > 0 || handled !== this.#handled) {
      try {
        await this.#deps.store.storeInbound(stanzas, handled);
      } catch (failure) {
        throw streamErrors.storeFailed({ step: 'inbound' }, failure);
      }
    }
    this.#handled = handled;
    for (const entry of batch) this.#bytes -= entry.bytes;
    if (this.#entries.length < maxEntries / 2 && this.#bytes < maxBytes / 2) this.#deps.onFull(false);
    this.#deps.onStored(stanzas.length);
  }

  /** One stanza that can't be taken is told and counted; it must not come again for ever. */
  #convert(message: Element, context: InboundContext): InboundStanza | undefined {
    try {
      const stanza = toInboundStanza(message, context);
      if (stanza === undefined) this.#deps.log.warn('message refused', { fault: 'from' });
      return stanza;
    } catch (failure) {
      if (!hasCode(failure, 'stream/badStanza')) throw failure;
      this.#deps.log.warn('message refused', { fault: 'stanzaBytes' }, failure);
      return undefined;
    }
  }
}
