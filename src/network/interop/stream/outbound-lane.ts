/**
 * Everything that is counted on its way out, one after the other: the order of numbers is the order on the wire. Outbox
 * rows are numbered durably before they are written, so that after a cut or a crash it is known what to send again.
 */
import { BridgeError } from '../../../model/errors.ts';
import { streamErrors } from './errors.ts';
import { NS_SM } from './namespaces.ts';
import type { OutboundStanza, StreamStore } from './ports.ts';
import type { OutboundCounter } from './sm-counters.ts';
import { readStanza } from './stanza-xml.ts';

export interface OutboundLaneDeps {
  readonly store: StreamStore;
  readonly counter: OutboundCounter;
  /** Resolves when the system has taken it. */
  readonly write: (text: string) => Promise<void>;
  /** So many rows go one at a time first: among them may be one that the server can't bear, and this shows which. */
  readonly suspects: number;
  readonly onFailed: (reason: BridgeError) => void;
}

const batchRows = 50;
/** Rows that may be unacknowledged. More would only wait in the server's queue, and be sent again after a cut. */
const windowRows = 200;
const askForAck = `<r xmlns="${NS_SM}"/>`;

export class OutboundLane {
  readonly #deps: OutboundLaneDeps;
  /** Rows written and not acknowledged, oldest first. */
  readonly #inFlight: { readonly rowId: string; readonly number: number }[] = [];
  #tail: Promise<void> = Promise.resolve();
  #pumping: Promise<void> | undefined;
  #isWanted = false;
  #isOver = false;
  #ackedRows = 0;

  constructor(deps: OutboundLaneDeps) {
    this.#deps = deps;
  }

  get inFlight(): readonly { readonly rowId: string; readonly number: number }[] {
    return this.#inFlight;
  }

  /** Rows acknowledged over this connection. */
  get ackedRows(): number {
    return this.#ackedRows;
  }

  /** Sends a stanza that is no outbox row: counted, not sent again. */
  send(text: string): Promise<void> {
    return this.#inTurn(async () => {
      this.#deps.counter.add(1);
      await this.#deps.write(text);
    });
  }

  /**
   * After a resumption, before any new row: the rows that the server hasn't, under their next numbers. Until then no row
   * counts as in flight, so that an acknowledgement can't settle one by the number it had before.
   */
  resend(): Promise<void> {
    return this.#inTurn(async () => {
      const rows = await this.#deps.store.listUnacked();
      await this.#writeRows(rows);
    });
  }

  /** Rows may wait in the outbox. */
  wake(): void {
    this.#isWanted = true;
    if (this.#isOver) return;
    this.#pumping ??= this.#pump().finally(() => {
      this.#pumping = undefined;
      if (this.#isWanted) this.wake();
    });
  }

  /** `<a/>` has come. @throws BridgeError `stream/handledCountTooHigh`. */
  acknowledge(wireHandled: number): void {
    const { counter, store } = this.#deps;
    const acked = counter.acknowledge(wireHandled);
    if (acked === undefined)
      throw streamErrors.handledCountTooHigh({ handled: wireHandled, sent: counter.sent });
    const first = this.#inFlight.findIndex((row) => row.number > acked);
    const done = this.#inFlight.splice(0, first === -1 ? this.#inFlight.length : first);
    if (done.length === 0) return;
    this.#ackedRows += done.length;
    this.#inTurn(() => store.markAcked(acked)).then(
      () => this.wake(),
      (failure) => this.#fail(failure),
    );
  }

  /** Asks again for what is overdue. */
  askForAck(): Promise<void> {
    return this.#deps.write(askForAck);
  }

  /** Begins nothing new. Resolves when what was begun is over. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.#pumping;
    await this.#tail;
  }

  async #pump(): Promise<void> {
    try {
      while (this.#isWanted && !this.#isOver) {
        this.#isWanted = false;
        for (let hasMore = true; hasMore; ) hasMore = await this.#inTurn(() => this.#sendBatch());
      }
    } catch (failure) {
      this.#fail(failure);
    }
  }

  /** @returns whether there may be more to send now. An acknowledgement wakes us when the window was full. */
  async #sendBatch(): Promise<boolean> {
    const window = this.#ackedRows < this.#deps.suspects ? 1 : windowRows;
    const room = Math.min(batchRows, window - this.#inFlight.length);
    if (room <= 0 || this.#isOver) return false;
    const rows = await this.#deps.store.nextOutbound(room);
    if (rows.length === 0) return false;
    const sendable: OutboundStanza[] = [];
    for (const row of rows) {
      const fault = faultOf(row);
      if (fault === undefined) sendable.push(row);
      else await this.#deps.store.reject(row.rowId, fault);
    }
    await this.#writeRows(sendable);
    return !this.#isOver;
  }

  async #writeRows(rows: readonly OutboundStanza[]): Promise<void> {
    if (rows.length === 0) return;
    const { counter, store, write } = this.#deps;
    const numbered = rows.map(({ rowId }, index) => ({ rowId, number: counter.sent + 1 + index }));
    await store.markSent(numbered);
    counter.add(rows.length);
    this.#inFlight.push(...numbered);
    await write(rows.map((row) => row.xml).join('') + askForAck);
  }

  /** One task at a time, in the order of the calls; a failed one doesn't hold the next. */
  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task);
    this.#tail = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  #fail(failure: unknown): void {
    this.#isOver = true;
    this.#deps.onFailed(
      failure instanceof BridgeError ? failure : streamErrors.storeFailed({ step: 'outbound' }, failure),
    );
  }
}

/** A row that isn't one well-formed message would cost the connection, each time anew. */
function faultOf(row: OutboundStanza): BridgeError | undefined {
  try {
    const element = readStanza(row.xml);
    return element.is('message', 'jabber:client') ? undefined : streamErrors.badStanza({ row: row.rowId });
  } catch (failure) {
    return streamErrors.badStanza({ row: row.rowId }, failure);
  }
}
