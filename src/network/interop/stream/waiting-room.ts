/**
 * Live messages that wait until the archive has brought what is older. The room is bounded: when it is full, a message
 * that stands in the archive too is turned away, for the archive will bring it.
 */
import type { InboundStanza } from './ports.ts';

/** A message in the room. */
export interface Waiting {
  readonly stanza: InboundStanza;
  /** Its place in the order of all arrivals. */
  readonly arrival: number;
  /** Its number among the counted stanzas of the session; `undefined` if it isn't counted. */
  readonly count: number | undefined;
}

const maxWaiting = 1000;
const maxBytes = 4 * 1024 * 1024;

export class WaitingRoom {
  /** In order of arrival. */
  readonly #waiting = new Set<Waiting>();
  readonly #byArchiveId = new Map<string, Waiting>();
  #bytes = 0;
  #turnedAway: { readonly firstCount: number | undefined; readonly lastArrival: number } | undefined;

  /**
   * @returns whether the message is taken care of. Otherwise there is no room, and nobody else will bring it: it must be
   *   stored now.
   */
  take(waiting: Waiting): boolean {
    const { stanza, arrival, count } = waiting;
    if (this.#waiting.size < maxWaiting && this.#bytes < maxBytes) {
      this.#waiting.add(waiting);
      this.#bytes += stanza.xml.length;
      if (stanza.archiveId !== undefined) this.#byArchiveId.set(stanza.archiveId, waiting);
      return true;
    }
    if (stanza.archiveId === undefined) return false;
    this.#turnedAway = { firstCount: this.#turnedAway?.firstCount ?? count, lastArrival: arrival };
    return true;
  }

  /** The archive has brought it. */
  drop(archiveId: string): void {
    const waiting = this.#byArchiveId.get(archiveId);
    if (waiting !== undefined) this.#remove(waiting);
  }

  /** The oldest leave the room. */
  takeOldest(limit: number): readonly Waiting[] {
    const oldest: Waiting[] = [];
    for (const waiting of this.#waiting) {
      if (oldest.length === limit) break;
      oldest.push(waiting);
    }
    for (const waiting of oldest) this.#remove(waiting);
    return oldest;
  }

  /** Whether somebody was turned away after so many arrivals. */
  hasTurnedAwaySince(arrivals: number): boolean {
    return this.#turnedAway !== undefined && this.#turnedAway.lastArrival > arrivals;
  }

  /** Whether one waits that came after so many arrivals and stands in the archive too. */
  hasArchivedSince(arrivals: number): boolean {
    for (const { arrival } of this.#byArchiveId.values()) if (arrival > arrivals) return true;
    return false;
  }

  /** All that were turned away have come out of the archive. */
  forgetTurnedAway(): void {
    this.#turnedAway = undefined;
  }

  /** The lowest count in the room or turned away: nothing from there on is handled. */
  get firstCount(): number | undefined {
    let first = this.#turnedAway?.firstCount;
    for (const { count } of this.#waiting) {
      if (count === undefined) continue;
      if (first === undefined || count < first) first = count;
      break;
    }
    return first;
  }

  #remove(waiting: Waiting): void {
    if (!this.#waiting.delete(waiting)) return;
    this.#bytes -= waiting.stanza.xml.length;
    const { archiveId } = waiting.stanza;
    if (archiveId !== undefined && this.#byArchiveId.get(archiveId) === waiting)
      this.#byArchiveId.delete(archiveId);
  }
}
