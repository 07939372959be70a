/**
 * Keeps one account connected: an attempt, a session, a pause, again. Every attempt is made of fresh objects; what
 * lives on is the store, the exact outbound count, and what the last end taught.
 */
import type { Element } from '@xmpp/client';
import { BridgeError, hasCode } from '../../../model/errors.ts';
import type { AccountFeatures } from './account-features.ts';
import { streamErrors } from './errors.ts';
import { limitsAfterLogin, type ReaderLimits, withRoomToForward } from './limits.ts';
import { type Negotiated, Negotiation } from './negotiation.ts';
import type { Query, StoredSession, StreamDeps, StreamStatus, StreamTimeouts, XmppStream } from './ports.ts';
import { type AttemptEnd, RetryPolicy } from './retry-policy.ts';
import { Session } from './session.ts';
import { OutboundCounter } from './sm-counters.ts';
import { isFromServer, mayBlameStanza } from './stream-condition.ts';

const defaultTimeouts: StreamTimeouts = {
  negotiationMs: 15_000,
  pingIntervalMs: 60_000,
  pingMs: 30_000,
  queryMs: 30_000,
  archivePageMs: 60_000,
  stopMs: 5_000,
};

/** A connection that lasted this long was a good one, even if nothing crossed. */
const stableMs = 30_000;
/** XEP-0198 leaves the other stanzas uncounted in the store: after a restart their number is known to nobody. */
const unknownStanzas = 2 ** 30;

/** What is known of the session beyond the store, while the process lives. */
interface SessionMemory {
  readonly smId: string | undefined;
  readonly counter: OutboundCounter;
  readonly features: AccountFeatures | undefined;
}

export class StreamSupervisor implements XmppStream {
  readonly #deps: StreamDeps;
  readonly #timeouts: StreamTimeouts;
  readonly #limits: ReaderLimits;
  #status: StreamStatus = { kind: 'stopped' };
  #run: { readonly abort: AbortController; readonly done: Promise<void> } | undefined;
  #session: Session | undefined;
  #memory: SessionMemory | undefined;
  /** The server ended the last session in a way that a resumption would repeat. */
  #mustBindAnew = false;
  /** Rows that still have to be acknowledged one by one, since one of them may have ended a stream. */
  #suspects = 0;

  constructor(deps: StreamDeps) {
    this.#deps = deps;
    this.#timeouts = { ...defaultTimeouts, ...deps.settings.timeouts };
    this.#limits = { ...limitsAfterLogin, ...deps.settings.limits };
  }

  get status(): StreamStatus {
    return this.#status;
  }

  start(): void {
    if (this.#run !== undefined) return;
    const abort = new AbortController();
    const done = this.#keepConnected(abort.signal).catch((failure) => {
      // Nothing in there throws by its rules; if it does all the same, it is our bug, and must be seen.
      this.#deps.log.error('stream supervisor failed', {}, failure);
      this.#setStatus({ kind: 'stopped', reason: streamErrors.stopped({}, failure) });
    });
    const run = { abort, done };
    this.#run = run;
    const forget = () => {
      if (this.#run === run) this.#run = undefined;
    };
    done.then(forget, forget);
  }

  async stop(): Promise<void> {
    const run = this.#run;
    if (run === undefined) return this.#setStatus({ kind: 'stopped' });
    run.abort.abort(streamErrors.stopped());
    // A store that hangs must not keep the daemon from ending.
    const inTime = new AbortController();
    const deadline = this.#deps.clock.sleep(this.#timeouts.stopMs * 2, inTime.signal).catch(() => {
      // Stopped in time.
    });
    await Promise.race([run.done, deadline]);
    inTime.abort();
    this.#setStatus({ kind: 'stopped' });
  }

  wake(): void {
    this.#session?.lane.wake();
  }

  sendNow(xml: string): boolean {
    const lane = this.#session?.lane;
    if (lane === undefined) return false;
    lane.send(xml).catch((failure) => {
      // The connection is over, which the session learns by itself.
      this.#deps.log.debug('stanza not sent', {}, failure);
    });
    return true;
  }

  async query(query: Query): Promise<Element | undefined> {
    if (this.#session === undefined) throw streamErrors.offline();
    return await this.#session.query(query);
  }

  async #keepConnected(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#deps;
    const policy = new RetryPolicy();
    while (!signal.aborted) {
      this.#setStatus({ kind: 'connecting' });
      try {
        await this.#deps.pace?.turn(signal);
      } catch {
        return; // Stopped.
      }
      const end = await this.#attempt(signal);
      if (signal.aborted) return;
      const step = policy.next(end, random.fraction());
      if (step.kind === 'stop') {
        log.error('stream given up', { code: end.reason.code }, end.reason);
        return this.#setStatus({ kind: 'stopped', reason: end.reason });
      }
      log.info('stream ended', { code: end.reason.code, retryInMs: step.afterMs }, end.reason);
      this.#setStatus({ kind: 'waiting', reason: end.reason, retryAtMs: clock.nowMs() + step.afterMs });
      try {
        await clock.sleep(step.afterMs, signal);
      } catch {
        return; // Stopped.
      }
    }
  }

  /** One connection from its first packet to its end. Never throws. */
  async #attempt(signal: AbortSignal): Promise<AttemptEnd> {
    try {
      const stored = this.#mustBindAnew ? undefined : await this.#load();
      const { clock, settings, token } = this.#deps;
      const negotiation = new Negotiation({
        settings,
        limits: withRoomToForward(this.#limits),
        token,
        clock,
        deadlineMs: this.#timeouts.negotiationMs,
        resume: stored,
      });
      const negotiated = await negotiation.run(signal);
      try {
        const session = await this.#open(negotiated, stored);
        return await this.#hold(session, negotiation, negotiated, stored, signal);
      } catch (failure) {
        negotiation.abandon(toBridgeError(failure));
        throw failure;
      }
    } catch (failure) {
      return { reason: toBridgeError(failure), hadProgress: false };
    }
  }

  async #load(): Promise<StoredSession | undefined> {
    const stored = await this.#deps.store.load();
    if (stored === undefined || this.#memory?.smId !== stored.smId) this.#memory = undefined;
    return stored;
  }

  /** Brings store and counter to where the server is. */
  async #open(negotiated: Negotiated, stored: StoredSession | undefined): Promise<Session> {
    const { store } = this.#deps;
    let counter: OutboundCounter;
    let features: AccountFeatures | undefined;
    if (negotiated.kind === 'resumed') {
      const acked = await this.#markAcked(negotiated.wireHandled, stored);
      // The rows that the server hasn't get the next numbers: what else was under way is gone for good.
      counter = new OutboundCounter(acked);
      features = this.#memory?.features;
    } else {
      // Only a refused resumption tells; what the server had then need not be sent again.
      if (negotiated.lastWireHandled !== undefined) await this.#markAcked(negotiated.lastWireHandled, stored);
      await store.begin({ smId: negotiated.smId, boundJid: negotiated.boundJid });
      counter = new OutboundCounter();
    }
    const smId = negotiated.kind === 'resumed' ? stored?.smId : negotiated.smId;
    this.#memory = { smId, counter, features };
    this.#mustBindAnew = false;
    const { settings, clock, random, log } = this.#deps;
    return new Session({
      settings,
      limits: this.#limits,
      timeouts: this.#timeouts,
      store,
      clock,
      random,
      log,
      counter,
      handled: negotiated.kind === 'resumed' ? (stored?.handled ?? 0) : 0,
      suspects: this.#suspects,
      isResumable: smId !== undefined,
      isCaughtUp: negotiated.kind === 'resumed' && stored?.isCaughtUp === true,
      features,
    });
  }

  /**
   * @returns how many of our stanzas the server has handled in the old session.
   * @throws BridgeError `stream/handledCountTooHigh`: the session can't be trusted, and is begun anew next time.
   */
  async #markAcked(wireHandled: number, stored: StoredSession | undefined): Promise<number> {
    const exact = this.#memory?.counter;
    const known = exact ?? new OutboundCounter(0, (stored?.sent ?? 0) + unknownStanzas);
    const acked = known.acknowledge(wireHandled);
    if (acked === undefined) {
      this.#mustBindAnew = true;
      throw streamErrors.handledCountTooHigh({ handled: wireHandled, sent: known.sent });
    }
    await this.#deps.store.markAcked(acked);
    return acked;
  }

  async #hold(
    session: Session,
    negotiation: Negotiation,
    negotiated: Negotiated,
    stored: StoredSession | undefined,
    signal: AbortSignal,
  ): Promise<AttemptEnd> {
    const resumed = negotiated.kind === 'resumed';
    const boundJid = resumed ? (stored?.boundJid ?? '') : negotiated.boundJid;
    const over = new AbortController();
    let wasStable = false;
    const stop = () => {
      session.stop().catch((failure) => this.#deps.log.error('stream did not stop', {}, failure));
    };
    session.begin(negotiation, { resumed, uncounted: resumed ? [] : negotiated.uncounted });
    this.#session = session;
    this.#setStatus({ kind: 'online', boundJid, resumed });
    this.#deps.log.info('stream online', { resumed });
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true, signal: over.signal });
    this.#deps.clock.sleep(stableMs, over.signal).then(
      () => {
        wasStable = true;
      },
      () => {
        // It did not last.
      },
    );
    const reason = await session.ended;
    over.abort();
    this.#session = undefined;
    this.#deps.log.debug('stream session over', { droppedPresences: session.droppedPresences });
    if (this.#memory !== undefined) this.#memory = { ...this.#memory, features: session.features };
    await this.#learnFrom(reason, session, resumed);
    return { reason, hadProgress: session.hadProgress || wasStable };
  }

  /**
   * A stanza over which the server closes the stream must not come again for ever. Which one it was isn't said: from
   * then on rows go one at a time, and the one that is alone on its way when it happens again leaves the outbox.
   */
  async #learnFrom(reason: BridgeError, session: Session, resumed: boolean): Promise<void> {
    if (resumed && !session.hadProgress && isFromServer(reason)) this.#mustBindAnew = true;
    if (hasCode(reason, 'stream/handledCountTooHigh')) this.#mustBindAnew = true;
    this.#suspects = Math.max(0, this.#suspects - session.lane.ackedRows);
    if (!mayBlameStanza(reason)) return;
    this.#mustBindAnew = true;
    const [first] = session.lane.inFlight;
    if (first === undefined) return;
    if (this.#suspects > 0) {
      const condition = String(reason.facts.condition);
      await this.#deps.store.reject(
        first.rowId,
        streamErrors.stanzaRejected({ condition, row: first.rowId }, reason),
      );
    }
    this.#suspects = Math.max(this.#suspects, session.lane.inFlight.length);
  }

  #setStatus(status: StreamStatus): void {
    this.#status = status;
    this.#deps.onStatus(status);
  }
}

/** What a store throws isn't ours. */
function toBridgeError(failure: unknown): BridgeError {
  return failure instanceof BridgeError && failure.code.startsWith('stream/')
    ? failure
    : streamErrors.storeFailed({}, failure);
}
