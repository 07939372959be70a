/** What a phone has seen, in order, and waiting for more of it. */
import type { Clock } from '../../model/ambient.ts';
import { phoneErrors } from './phone-errors.ts';

/** The oldest are forgotten beyond this many. */
const keptEvents = 20_000;

export class EventLog<Event extends { readonly kind: string }> {
  readonly #clock: Clock;
  #events: Event[] = [];
  readonly #watchers = new Set<(event: Event) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Everything so far, oldest first. */
  get all(): readonly Event[] {
    return this.#events;
  }

  /** Those of one kind, oldest first. */
  of<Kind extends Event['kind']>(kind: Kind): Extract<Event, { kind: Kind }>[] {
    return this.#events.filter((event): event is Extract<Event, { kind: Kind }> => event.kind === kind);
  }

  push(event: Event): void {
    this.#events.push(event);
    if (this.#events.length > keptEvents) this.#events = this.#events.slice(-keptEvents / 2);
    for (const watcher of this.#watchers) watcher(event);
  }

  /** Calls `watcher` for each event from now on, until the returned function is called. */
  watch(watcher: (event: Event) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /**
   * The first event, past or future, that satisfies `wanted`.
   * @param timeoutMs default 10 s.
   * @throws BridgeError `sandbox-phone/waitedInVain`, with the kinds of what was seen last.
   */
  async waitFor<Wanted extends Event>(
    wanted: ((event: Event) => event is Wanted) | ((event: Event) => boolean),
    timeoutMs = 10_000,
  ): Promise<Wanted> {
    const past = this.#events.find((event) => wanted(event));
    if (past !== undefined) return past as Wanted;
    const deadline = new AbortController();
    return new Promise<Wanted>((resolve, reject) => {
      const unwatch = this.watch((event) => {
        if (!wanted(event)) return;
        unwatch();
        deadline.abort();
        resolve(event as Wanted);
      });
      this.#clock.sleep(timeoutMs, deadline.signal).then(
        () => {
          unwatch();
          const seen = this.#events.slice(-10).map(({ kind }) => kind);
          reject(phoneErrors.waitedInVain({ timeoutMs, seen: seen.join(' ') }));
        },
        () => undefined, // it came in time
      );
    });
  }
}
