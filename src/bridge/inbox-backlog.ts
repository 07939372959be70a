/**
 * How much of an account's inbox waits to be brought into rooms, sender by sender, so that it stays bounded: while it is
 * full, the account's stream is not read, and the network's server keeps what comes. Kept in memory beside the table; the
 * first look of a lane that finds nothing puts right whatever was counted wrongly.
 *
 * A sender whose messages wait for the user (a changed key) does not hold the stream: that could last for ever, and any
 * contact could bring it about. What they send beyond their bound is refused instead, and the user is told.
 */
import type { Log } from '../model/ambient.ts';
import type { AccountId, NetworkId } from '../model/ids.ts';
import type { UnsettledLane, WaitingStanza } from '../storage/storage.ts';

/** Of what is not settled. `Bytes`: of the stanzas as they are stored. */
export type InboxLimits = Readonly<{
  accountRows: number;
  accountBytes: number;
  contactRows: number;
  contactBytes: number;
}>;

type Size = { rows: number; bytes: number };
type Lane = Size & {
  /** The oldest row, when it was looked at; with the next one it is settled. */
  head: Readonly<{ seq: number; bytes: number }> | undefined;
  waitsForUser: boolean;
};
type AccountBacklog = {
  readonly limits: InboxLimits;
  readonly network: NetworkId;
  readonly lanes: Map<string, Lane>;
  /** Resolve when the stream may be read again; empty while it is not held. */
  readonly waiters: Set<() => void>;
};

/** What a full inbox has to drain to before the stream is read again, so that it isn't held and let go by turns. */
const RESUME_SHARE = 0.5;

export class InboxBacklog {
  readonly #accounts = new Map<AccountId, AccountBacklog>();
  readonly #limitsOf: (network: NetworkId) => InboxLimits | undefined;
  readonly #log: Log;

  /** @param deps.limitsOf `undefined`: the network was taken out of the configuration. */
  constructor(deps: { limitsOf: (network: NetworkId) => InboxLimits | undefined; log: Log }) {
    this.#limitsOf = deps.limitsOf;
    this.#log = deps.log.child({ part: 'inbox-backlog' });
  }

  /** What a former run left; called before anything is stored or worked. */
  load(lanes: readonly UnsettledLane[]): void {
    for (const { account, network, lane, rows, bytes } of lanes) {
      const found = this.#open(account, network);
      found?.lanes.set(lane, { rows, bytes, head: undefined, waitsForUser: false });
    }
  }

  /** A row was stored. */
  stored(account: Readonly<{ id: AccountId; network: NetworkId }>, lane: string, bytes: number): void {
    const found = this.#open(account.id, account.network);
    if (found === undefined) return;
    const of = found.lanes.get(lane) ?? { rows: 0, bytes: 0, head: undefined, waitsForUser: false };
    of.rows += 1;
    of.bytes += bytes;
    found.lanes.set(lane, of);
  }

  /**
   * A lane was looked at.
   * @param row its oldest; `undefined`: all of it is settled.
   * @param waitsForUser whether nothing but the user brings the row on.
   */
  seen(
    account: AccountId,
    lane: string,
    row: Pick<WaitingStanza, 'seq' | 'bytes'> | undefined,
    waitsForUser = false,
  ): void {
    const found = this.#accounts.get(account);
    const of = found?.lanes.get(lane);
    if (found === undefined || of === undefined) return;
    if (row === undefined) found.lanes.delete(lane);
    else {
      if (of.head !== undefined && of.head.seq !== row.seq) {
        of.rows = Math.max(1, of.rows - 1);
        of.bytes = Math.max(row.bytes, of.bytes - of.head.bytes);
      }
      of.head = { seq: row.seq, bytes: row.bytes };
      of.waitsForUser = waitsForUser;
    }
    if (found.waiters.size > 0 && !isOver(found, RESUME_SHARE)) this.#letGo(account, found);
    else if (found.lanes.size === 0 && found.waiters.size === 0) this.#accounts.delete(account);
  }

  /** Whether what this sender writes is not taken: their messages wait for the user, and there are enough of them. */
  refuses(account: AccountId, lane: string): boolean {
    const found = this.#accounts.get(account);
    const of = found?.lanes.get(lane);
    if (found === undefined || of?.waitsForUser !== true) return false;
    const { contactRows, contactBytes, accountRows, accountBytes } = found.limits;
    if (of.rows >= contactRows || of.bytes >= contactBytes) return true;
    const all = sumOf(found, (one) => one.waitsForUser);
    return all.rows >= accountRows || all.bytes >= accountBytes;
  }

  /** The oldest row of a lane when it was last looked at: names the episode in which it waits. */
  headOf(account: AccountId, lane: string): number | undefined {
    return this.#accounts.get(account)?.lanes.get(lane)?.head?.seq;
  }

  /** Resolves when the account's inbox takes more: at once unless it is full. @throws the signal's reason, if it has to wait. */
  async whenRoom(account: AccountId, signal: AbortSignal): Promise<void> {
    const found = this.#accounts.get(account);
    if (found === undefined || (found.waiters.size === 0 && !isOver(found, 1))) return;
    signal.throwIfAborted();
    if (found.waiters.size === 0) {
      const { rows, bytes } = sumOf(found);
      this.#log.warn('inbox full: stream not read', { account, rows, bytes, contacts: found.lanes.size });
    }
    await new Promise<void>((resolve, reject) => {
      const letGo = () => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = () => {
        found.waiters.delete(letGo);
        reject(signal.reason as Error);
      };
      found.waiters.add(letGo);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** How many accounts of a network have a stream that is not read. */
  countHeld(network: NetworkId): number {
    let held = 0;
    for (const found of this.#accounts.values())
      if (found.network === network && found.waiters.size > 0) held += 1;
    return held;
  }

  /** Nothing of this account waits any more: it is gone. */
  forget(account: AccountId): void {
    const found = this.#accounts.get(account);
    this.#accounts.delete(account);
    if (found !== undefined) for (const letGo of found.waiters) letGo();
  }

  #letGo(account: AccountId, found: AccountBacklog): void {
    const { rows, bytes } = sumOf(found);
    this.#log.info('inbox drained: stream read again', { account, rows, bytes });
    const waiters = [...found.waiters];
    found.waiters.clear();
    for (const letGo of waiters) letGo();
  }

  #open(account: AccountId, network: NetworkId): AccountBacklog | undefined {
    const limits = this.#limitsOf(network);
    const found = this.#accounts.get(account);
    if (found !== undefined || limits === undefined) return found;
    const made = { limits, network, lanes: new Map<string, Lane>(), waiters: new Set<() => void>() };
    this.#accounts.set(account, made);
    return made;
  }
}

/** Whether one sender, or all together, have as much as this share of what they may. */
function isOver(account: AccountBacklog, share: number): boolean {
  const { accountRows, accountBytes, contactRows, contactBytes } = account.limits;
  for (const { rows, bytes, waitsForUser } of account.lanes.values()) {
    if (!waitsForUser && (rows >= contactRows * share || bytes >= contactBytes * share)) return true;
  }
  const { rows, bytes } = sumOf(account, (lane) => !lane.waitsForUser);
  return rows >= accountRows * share || bytes >= accountBytes * share;
}

function sumOf(account: AccountBacklog, isMeant: (lane: Lane) => boolean = () => true): Size {
  const sum = { rows: 0, bytes: 0 };
  for (const lane of account.lanes.values()) {
    if (!isMeant(lane)) continue;
    sum.rows += lane.rows;
    sum.bytes += lane.bytes;
  }
  return sum;
}
