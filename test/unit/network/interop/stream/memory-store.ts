/** A `StreamStore` in memory that keeps the contract and checks that the stream does. */
import assert from 'node:assert/strict';
import type {
  InboundStanza,
  NumberedStanza,
  OutboundStanza,
  StoredSession,
  StreamStore,
} from '../../../../../src/network/interop/stream/ports.ts';

interface Row {
  readonly rowId: string;
  readonly xml: string;
  number: number | undefined;
  state: 'waiting' | 'acked' | 'rejected';
}

export class MemoryStore implements StreamStore {
  readonly inbox: InboundStanza[] = [];
  readonly rows: Row[] = [];
  readonly rejected: { readonly rowId: string; readonly code: string }[] = [];
  session:
    | { smId: string | undefined; boundJid: string; handled: number; sent: number; isCaughtUp: boolean }
    | undefined;
  archiveId: string | undefined;
  /** Stanzas that came again and were not stored again. */
  repeats = 0;
  /** How many sessions were begun. */
  begun = 0;
  /** While set, there is no room; resolve it when there is. */
  full: PromiseWithResolvers<void> | undefined;
  /** Whether room was waited for. */
  waitsForRoom = false;
  /** Awaited before each method takes effect. */
  before: (method: keyof StreamStore) => Promise<void> = async () => undefined;
  #isStoring = false;
  readonly #keys = new Set<string>();

  add(...xml: readonly string[]): void {
    for (const text of xml) {
      this.rows.push({ rowId: `row${this.rows.length}`, xml: text, number: undefined, state: 'waiting' });
    }
  }

  get acked(): readonly string[] {
    return this.rows.filter((row) => row.state === 'acked').map((row) => row.rowId);
  }

  async load(): Promise<StoredSession | undefined> {
    await this.before('load');
    if (this.session?.smId === undefined) return undefined;
    return { ...this.session, smId: this.session.smId };
  }

  async begin(session: { readonly smId: string | undefined; readonly boundJid: string }): Promise<void> {
    await this.before('begin');
    this.session = { ...session, handled: 0, sent: 0, isCaughtUp: false };
    this.begun += 1;
    for (const row of this.#waiting()) row.number = undefined;
  }

  async storeInbound(stanzas: readonly InboundStanza[], handled: number, archiveId?: string): Promise<void> {
    assert.equal(this.#isStoring, false, 'storeInbound calls overlap');
    this.#isStoring = true;
    try {
      await this.before('storeInbound');
      assert(this.session !== undefined && handled >= this.session.handled);
      this.session.handled = handled;
      this.archiveId = archiveId ?? this.archiveId;
      for (const stanza of stanzas) {
        const key = keyOf(stanza);
        if (key !== undefined && this.#keys.has(key)) this.repeats += 1;
        else this.inbox.push(stanza);
        if (key !== undefined) this.#keys.add(key);
      }
    } finally {
      this.#isStoring = false;
    }
  }

  /** Has room unless a test says otherwise. */
  async whenRoom(signal: AbortSignal): Promise<void> {
    if (this.full === undefined) return;
    this.waitsForRoom = true;
    signal.throwIfAborted();
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    await Promise.race([this.full.promise, aborted]);
  }

  async findArchiveId(): Promise<string | undefined> {
    await this.before('findArchiveId');
    return this.archiveId;
  }

  async markCaughtUp(): Promise<void> {
    await this.before('markCaughtUp');
    assert(this.session !== undefined);
    this.session.isCaughtUp = true;
  }

  async nextOutbound(limit: number): Promise<readonly OutboundStanza[]> {
    await this.before('nextOutbound');
    return this.#waiting()
      .filter((row) => row.number === undefined)
      .slice(0, limit);
  }

  async markSent(rows: readonly { readonly rowId: string; readonly number: number }[]): Promise<void> {
    await this.before('markSent');
    for (const { rowId, number } of rows) {
      const row = this.rows.find((one) => one.rowId === rowId);
      assert(row !== undefined && this.session !== undefined);
      row.number = number;
      this.session.sent = number;
    }
  }

  async markAcked(upTo: number): Promise<void> {
    await this.before('markAcked');
    for (const row of this.#waiting()) {
      if (row.number !== undefined && row.number <= upTo) row.state = 'acked';
    }
  }

  async listUnacked(): Promise<readonly NumberedStanza[]> {
    await this.before('listUnacked');
    return this.#waiting().flatMap(({ rowId, xml, number }) =>
      number === undefined ? [] : [{ rowId, xml, number }],
    );
  }

  async reject(rowId: string, reason: { readonly code: string }): Promise<void> {
    await this.before('reject');
    const row = this.rows.find((one) => one.rowId === rowId);
    assert.equal(row?.state, 'waiting');
    row.state = 'rejected';
    this.rejected.push({ rowId, code: reason.code });
  }

  #waiting(): Row[] {
    return this.rows.filter((row) => row.state === 'waiting');
  }
}

/** What makes a stanza the same when it comes again; `undefined`: nothing. */
function keyOf({ from, id, digest, archiveId }: InboundStanza): string | undefined {
  const sender = from.split('/')[0];
  if (id !== undefined) return `${sender} ${id} ${digest}`;
  return archiveId === undefined ? undefined : `${sender} archive ${archiveId}`;
}
