/** A wider jump is no gap in a count, but another way of making ids. */
const WIDEST_GAP = 100;
/** After so many refusals that brought nothing, the homeserver is one whose ids leave gaps. */
const MOST_FUTILE = 3;

/**
 * Notices that a homeserver has kept a transaction back. COMPAT Synapse 1.163 counts them, and sends one after the other;
 * but one that it makes in the moment in which it ends its recovery from an outage of ours stays in its table, and those
 * after it are sent (synapse/appservice/scheduler.py, `_TransactionController.send` against `on_recovered`). It comes with
 * the next recovery, out of order, and that may be never. So the one that skips a number is refused once: Synapse then
 * begins a recovery, which sends the oldest first.
 *
 * Homeservers whose ids are no numbers are not touched. Pure; what it knows is of this process alone, since each start of
 * ours is preceded by an outage.
 */
export class TransactionOrder {
  #last: number | undefined;
  #refused: number | undefined;
  #futile = 0;

  /** @returns whether to take the transaction now; if not, it is to be refused with an error that makes it come again. */
  takes(txnId: string): boolean {
    if (!/^[0-9]{1,15}$/.test(txnId)) return true;
    const number = Number(txnId);
    const gap = number - (this.#last ?? number);
    if (gap > 1 && gap <= WIDEST_GAP && this.#futile < MOST_FUTILE) {
      if (this.#refused !== number) {
        this.#refused = number;
        return false;
      }
      // It came again, and nothing before it.
      this.#futile += 1;
    }
    if (gap === 1 && this.#refused === number) this.#futile = 0;
    // Backwards, too: after a restart of Synapse on SQLite it counts from 1 again.
    this.#last = number;
    return true;
  }
}
