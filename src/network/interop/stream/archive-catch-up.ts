/**
 * Fetches what the server archived (XEP-0313) and is not yet durable here, page after page, while live messages wait.
 * Run once in a session that was bound anew, after its presence: from then on everything is delivered as well as
 * archived, so no message can fall between the two, and what the server keeps offline but does not archive comes too.
 *
 * What goes wrong, or takes too long, costs the order of what is live against what is old, never a message: live ones
 * wait no longer, the archive is asked on at a slow pace, and the archive id that is kept stays behind until all is there.
 */
import type { Element } from '@xmpp/client';
import type { Clock, Log, Random } from '../../../model/ambient.ts';
import { BridgeError, hasCode } from '../../../model/errors.ts';
import type { AccountFeatures } from './account-features.ts';
import {
  type ArchivedMessage,
  type ArchivePlace,
  readArchiveResult,
  readPageEnd,
  toArchiveQuery,
} from './archive-xml.ts';
import { streamErrors } from './errors.ts';
import type { InboundQueue } from './inbound-queue.ts';
import type { StreamStore } from './ports.ts';

export interface ArchiveCatchUpDeps {
  readonly store: Pick<StreamStore, 'findArchiveId' | 'whenRoom'>;
  readonly queue: Pick<InboundQueue, 'arrivals' | 'push' | 'release'>;
  /** `undefined`: our account has not told; then it is asked all the same. */
  readonly features: Promise<AccountFeatures | undefined>;
  /** Asks our own account; rejects as `XmppStream.query`. */
  readonly ask: (payload: Element, timeoutMs: number, signal: AbortSignal) => Promise<Element | undefined>;
  /** Whether it is we who don't read just now. */
  readonly isHeld: () => boolean;
  readonly pageMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The page that was asked for last. */
interface Page {
  readonly queryId: string;
  results: number;
  /** More came than was asked for, and was left for the next page. */
  isOverfull: boolean;
  last: string | undefined;
}

type Outcome =
  | { readonly kind: 'page'; readonly isComplete: boolean; readonly last: string | undefined }
  | { readonly kind: 'no-archive' | 'unknown-place' | 'failed'; readonly reason: BridgeError };

const pageMessages = 100;
/** Until live messages wait no longer. */
const maxHeldResults = 50_000;
const maxHeldMs = 10 * 60_000;
/** One page may take as many times the deadline, as long as it brings something and we read. */
const maxPageDeadlines = 20;
/** And so long in all: while our own store has no room, we don't read. */
const longestPageMs = 24 * 60 * 60_000;
const maxLastLooks = 3;
const slowPaceMs = 1000;
const longestPauseMs = 10 * 60_000;
/**
 * How far back to begin when the archive no longer knows our place in it: not so far that a settled message which comes
 * again is not recognised any more (the inbox remembers 30 days).
 */
const rememberedMs = 29 * 24 * 60 * 60_000;
/** RFC 6120 §8.3.3: answers of an account without an archive. */
const noArchive = ['service-unavailable', 'feature-not-implemented'];

export class ArchiveCatchUp {
  readonly #deps: ArchiveCatchUpDeps;
  readonly #startedMs: number;
  #page: Page | undefined;
  /** Our own messages among them. */
  #results = 0;
  #pages = 0;
  #isBehind = false;
  #hasStartedOver = false;
  #pauseMs = 0;
  #lastLooks = 0;
  /** For how long our own store had no room: that says nothing about the archive. */
  #heldMs = 0;

  constructor(deps: ArchiveCatchUpDeps) {
    this.#deps = deps;
    this.#startedMs = deps.clock.nowMs();
  }

  /** @returns what a result of our account's archive brings; `undefined` unless it was asked for. */
  read(message: Element): ArchivedMessage | undefined {
    const archived = readArchiveResult(message);
    const page = this.#page;
    if (archived === undefined || archived.queryId !== page?.queryId) return undefined;
    page.isOverfull ||= page.results >= pageMessages;
    if (page.isOverfull) return undefined;
    page.results += 1;
    page.last = archived.archiveId;
    this.#results += 1;
    return archived;
  }

  /**
   * Resolves when all is in the store, or the session is over.
   * @throws whatever the store throws.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { queue, store, features } = this.#deps;
    if ((await features)?.archive === false) {
      await queue.release({ kind: 'caught-up', arrivals: 0, isPatient: false });
      return;
    }
    let place: ArchivePlace = { after: await store.findArchiveId() };
    while (!signal.aborted) {
      if (!(await this.#pause(signal))) return;
      const { arrivals } = queue;
      const outcome = await this.#ask(place, signal);
      if (signal.aborted) return;
      if (outcome.kind === 'page') {
        if (await this.#onPage(outcome, place, arrivals)) return;
        place = { ...place, after: outcome.last ?? place.after };
      } else if (outcome.kind === 'no-archive') {
        if (await queue.release({ kind: 'caught-up', arrivals: 0, isPatient: false })) return;
        await this.#onFailure(outcome.reason);
      } else if (outcome.kind === 'unknown-place' && !this.#hasStartedOver) place = this.#startOver();
      else await this.#onFailure(outcome.reason);
    }
  }

  /** @returns whether that was all. */
  async #onPage(
    { isComplete, last }: Outcome & { kind: 'page' },
    place: ArchivePlace,
    arrivals: number,
  ): Promise<boolean> {
    const { queue, log, clock } = this.#deps;
    this.#pages += 1;
    if (last !== undefined) queue.push({ kind: 'reached', archiveId: last }, false, 0);
    // COMPAT An empty page ends it, too, whether a server says so or not.
    if (isComplete || last === undefined) {
      // A last look, for what came while this page was answered; on a busy account there would always be something.
      const isPatient = this.#lastLooks < maxLastLooks;
      const release = { kind: 'caught-up', arrivals, isPatient } as const;
      if (!(await this.#unhurried(async () => await queue.release(release)))) {
        this.#lastLooks += 1;
        return false;
      }
      const afterMs = clock.nowMs() - this.#startedMs;
      log.info('archive caught up', { results: this.#results, pages: this.#pages, afterMs });
      return true;
    }
    if (last === place.after) {
      await this.#onFailure(streamErrors.protocolViolation({ rule: 'archive-page' }));
      return false;
    }
    this.#pauseMs = this.#isBehind ? slowPaceMs : 0;
    const takenMs = clock.nowMs() - this.#startedMs - this.#heldMs;
    const isLong = this.#results >= maxHeldResults || takenMs >= maxHeldMs;
    if (isLong && !this.#isBehind) {
      log.warn('archive long: live messages wait no longer', { results: this.#results });
      await this.#fallBehind();
    }
    return false;
  }

  #startOver(): ArchivePlace {
    this.#hasStartedOver = true;
    const startMs = this.#deps.clock.nowMs() - rememberedMs;
    this.#deps.log.warn('archive does not know our place: asked from an earlier time', { startMs });
    return { startMs };
  }

  async #onFailure(reason: BridgeError): Promise<void> {
    await this.#fallBehind();
    const facts = { code: reason.code, pauseMs: this.#pauseMs };
    this.#deps.log.warn('archive not read: asked again later', facts, reason);
  }

  async #fallBehind(): Promise<void> {
    this.#pauseMs = Math.min(Math.max(this.#pauseMs * 2, slowPaceMs), longestPauseMs);
    if (this.#isBehind) return;
    this.#isBehind = true;
    await this.#deps.queue.release({ kind: 'behind' });
  }

  /** Does not count the time of what waits for room in our own store. */
  async #unhurried<T>(work: () => Promise<T>): Promise<T> {
    const { clock } = this.#deps;
    const startedMs = clock.nowMs();
    const result = await work();
    this.#heldMs += clock.nowMs() - startedMs;
    return result;
  }

  /** @returns whether to go on. */
  async #pause(signal: AbortSignal): Promise<boolean> {
    const { clock, store } = this.#deps;
    try {
      if (this.#pauseMs > 0) await clock.sleep(this.#pauseMs, signal);
      await this.#unhurried(async () => await store.whenRoom(signal));
      return true;
    } catch {
      return false; // The session is over.
    }
  }

  async #ask(place: ArchivePlace, signal: AbortSignal): Promise<Outcome> {
    const { random, ask } = this.#deps;
    const page: Page = {
      queryId: random.bytes(16).toString('hex'),
      results: 0,
      isOverfull: false,
      last: undefined,
    };
    this.#page = page;
    const over = new AbortController();
    const late = new AbortController();
    this.#watch(page, over.signal).then(
      () => late.abort(streamErrors.timeout({ step: 'archive' })),
      () => {
        // The page is there.
      },
    );
    try {
      const payload = toArchiveQuery(page.queryId, place, pageMessages);
      const end = readPageEnd(await ask(payload, longestPageMs, AbortSignal.any([signal, late.signal])));
      if (end === undefined) throw streamErrors.protocolViolation({ rule: 'archive-end' });
      if (page.isOverfull) return { kind: 'page', isComplete: false, last: page.last };
      // Its end may name one behind the last that came: a message over a limit that was discarded.
      return { kind: 'page', isComplete: end.isComplete, last: end.last ?? page.last };
    } catch (failure) {
      if (signal.aborted) return { kind: 'failed', reason: streamErrors.lost() };
      return toOutcome(failure);
    } finally {
      over.abort();
      // What comes late belongs to no page.
      this.#page = undefined;
    }
  }

  /** Resolves when the page has brought nothing for too long, or has taken too long, although we read. */
  async #watch(page: Page, signal: AbortSignal): Promise<void> {
    const { clock, pageMs, isHeld } = this.#deps;
    let deadlines = 0;
    for (let before = -1; isHeld() || (before !== page.results && deadlines < maxPageDeadlines); ) {
      before = page.results;
      await clock.sleep(pageMs, signal);
      if (!isHeld()) deadlines += 1;
    }
  }
}

/** @throws what is no failure of the question. */
function toOutcome(failure: unknown): Outcome {
  if (!(failure instanceof BridgeError)) throw failure;
  const { condition } = failure.facts;
  if (hasCode(failure, 'stream/queryRefused')) {
    if (condition === 'item-not-found') return { kind: 'unknown-place', reason: failure };
    if (noArchive.includes(String(condition))) return { kind: 'no-archive', reason: failure };
  }
  return { kind: 'failed', reason: failure };
}
