/**
 * The outbound counter of XEP-0198 §4. Numbers here count from 1 and never wrap; on the wire they are modulo 2^32.
 * Pure: no clock, socket or store.
 */

const modulus = 2 ** 32;

/** `h` for a count that never wraps. */
export function toWireCount(count: number): string {
  return String(count % modulus);
}

/** Reads an `h` attribute. @returns `undefined` unless it is an unsigned 32-bit number in digits. */
export function parseWireCount(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value < modulus ? value : undefined;
}

export class OutboundCounter {
  #sent: number;
  #acked: number;

  /** @param acked stanzas acknowledged in this session; 0 for a new one. @param sent stanzas sent in it. */
  constructor(acked = 0, sent = acked) {
    this.#acked = acked;
    this.#sent = sent;
  }

  get sent(): number {
    return this.#sent;
  }

  get acked(): number {
    return this.#acked;
  }

  get inFlight(): number {
    return this.#sent - this.#acked;
  }

  /** Counts `count` stanzas as sent. */
  add(count: number): void {
    this.#sent += count;
  }

  /**
   * Takes the peer's count.
   * @param wire as `parseWireCount` gives it.
   * @returns the stanzas acknowledged since the start of the session; `undefined` if more than were sent, or fewer than
   *   before: the peer counts wrongly and the stream can't go on (XEP-0198 §4, handled-count-too-high).
   */
  acknowledge(wire: number): number | undefined {
    const step = (((wire - this.#acked) % modulus) + modulus) % modulus;
    if (step > this.inFlight) return undefined;
    this.#acked += step;
    return this.#acked;
  }
}
