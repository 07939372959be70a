/**
 * One connection from login to loss: gives what comes to where it belongs, acknowledges what is stored, keeps the
 * outbox flowing, and notices when the other side is gone.
 */
import { type Element, xml } from '@xmpp/client';
import type { Clock, Log, Random } from '../../../model/ambient.ts';
import { BridgeError, hasCode } from '../../../model/errors.ts';
import { domainOf } from '../../../model/ids.ts';
import { type AccountFeatures, askFeatures } from './account-features.ts';
import { ArchiveCatchUp } from './archive-catch-up.ts';
import { isArchiveResult } from './archive-xml.ts';
import { streamErrors } from './errors.ts';
import { InboundQueue } from './inbound-queue.ts';
import { answerIq } from './iq-answers.ts';
import { IqTable } from './iq-table.ts';
import { watchPeer } from './keep-alive.ts';
import type { ReaderLimits } from './limits.ts';
import { NS_CLIENT, NS_SM, NS_STREAMS } from './namespaces.ts';
import type { Negotiation } from './negotiation.ts';
import { OutboundLane } from './outbound-lane.ts';
import type { Query, StreamSettings, StreamStore, StreamTimeouts } from './ports.ts';
import { type OutboundCounter, parseWireCount, toWireCount } from './sm-counters.ts';
import { writeStanza } from './stanza-xml.ts';
import { farewell, toStreamError } from './stream-condition.ts';
import type { ReadEvent } from './stream-reader.ts';
import type { TlsLink } from './tls-link.ts';

export interface SessionDeps {
  readonly settings: StreamSettings;
  readonly limits: ReaderLimits;
  readonly timeouts: StreamTimeouts;
  readonly store: StreamStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The outbound count of this session so far. */
  readonly counter: OutboundCounter;
  /** Inbound stanzas of this session that are stored. */
  readonly handled: number;
  /** As `OutboundLaneDeps.suspects`. */
  readonly suspects: number;
  readonly isResumable: boolean;
  /** Whether all that was archived before this session is stored. */
  readonly isCaughtUp: boolean;
  /** What is known of our account from an earlier connection of the same session. */
  readonly features: AccountFeatures | undefined;
}

/** Stanzas stored without the server having asked for a count; then it is told one all the same. */
const ackEvery = 50;
const farewellMs = 500;
/** Until our account has told its features; what comes meanwhile waits. */
const featuresMs = 5000;

export class Session {
  readonly #deps: SessionDeps;
  readonly #domain: string;
  readonly #iqs: IqTable;
  readonly #inbound: InboundQueue;
  readonly #lane: OutboundLane;
  readonly #over = new AbortController();
  /** Resolves with the reason when nothing of this session goes on any more. */
  readonly ended: Promise<BridgeError>;
  #link: TlsLink | undefined;
  #end: ((reason: BridgeError) => void) | undefined;
  #reason: BridgeError | undefined;
  readonly #catchUp: ArchiveCatchUp;
  #features: AccountFeatures | undefined;
  #settleFeatures: ((features: AccountFeatures | undefined) => void) | undefined;
  #received = 0;
  #storedMessages = 0;
  #lastAck: number;
  #isAckOwed = false;
  #droppedPresences = 0;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    this.#domain = domainOf(deps.settings.jid);
    this.#lastAck = deps.handled;
    this.#features = deps.features;
    const features = new Promise<AccountFeatures | undefined>((resolve) => {
      this.#settleFeatures = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#iqs = new IqTable({ clock: deps.clock, random: deps.random, ownBareJid: deps.settings.jid });
    this.#lane = new OutboundLane({
      store: deps.store,
      counter: deps.counter,
      suspects: deps.suspects,
      write: (text) => this.#write(text),
      onFailed: (reason) => this.#onFailure(reason),
    });
    this.#inbound = new InboundQueue({
      store: deps.store,
      log: deps.log,
      context: { ownBareJid: deps.settings.jid, maxBytes: deps.limits.stanzaBytes },
      handled: deps.handled,
      isCaughtUp: deps.isCaughtUp,
      features,
      onStored: (messages) => this.#onStored(messages),
      onFailed: (reason) => this.#close(reason),
      onFull: (isFull) => (isFull ? this.#link?.hold('store') : this.#link?.release('store')),
    });
    this.#catchUp = new ArchiveCatchUp({
      store: deps.store,
      queue: this.#inbound,
      features,
      ask: (payload, timeoutMs, signal) =>
        this.query({ to: deps.settings.jid, type: 'set', payload, timeoutMs, signal }),
      isHeld: () => this.#link?.isHeld ?? false,
      pageMs: deps.timeouts.archivePageMs,
      clock: deps.clock,
      random: deps.random,
      log: deps.log,
    });
  }

  get lane(): OutboundLane {
    return this.#lane;
  }

  /** Whether messages crossed over this connection. */
  get hadProgress(): boolean {
    return this.#storedMessages > 0 || this.#lane.ackedRows > 0;
  }

  /** `undefined`: not yet known. */
  get features(): AccountFeatures | undefined {
    return this.#features;
  }

  /** Presences that were received and dropped: nobody here has a roster. */
  get droppedPresences(): number {
    return this.#droppedPresences;
  }

  /**
   * Takes the connection over. In a fresh session the server is told that we are there, and asked for what it archived
   * meanwhile; after a resumption it knows, and gets what it missed.
   */
  begin(
    negotiation: Negotiation,
    how: { readonly resumed: boolean; readonly uncounted: readonly Element[] },
  ): void {
    for (const element of how.uncounted) this.#onStanza(element, false, 0);
    const { link } = negotiation;
    this.#link = link;
    negotiation.takeOver((event) => this.#onEvent(event));
    link.closed.then(
      (reason) => this.#close(reason),
      (failure) => this.#close(streamErrors.lost({}, failure)),
    );
    // First of all: a server answers in order, and what comes in waits for the answer.
    this.#learnFeatures().catch((failure) => this.#onFailure(failure));
    // After a resumption, too: a connection that was lost between login and presence left a session to which the server
    // delivers nothing (RFC 6121 §4.2), and whether it was so is known to nobody after a crash. A repeat is harmless.
    const appear = async () => await this.#lane.send('<presence/>');
    const next = how.resumed ? this.#lane.resend().then(appear) : appear();
    next.catch((failure: unknown) => this.#onFailure(failure));
    this.#watch().catch((failure) => this.#onFailure(failure));
    if (!this.#deps.isCaughtUp)
      this.#catchUp.run(this.#over.signal).catch((failure) => this.#onFailure(failure));
    this.#lane.wake();
  }

  /** @throws BridgeError as `XmppStream.query`. */
  async query(query: Query): Promise<Element | undefined> {
    if (this.#reason !== undefined) throw streamErrors.offline();
    const request = {
      to: query.to,
      timeoutMs: query.timeoutMs ?? this.#deps.timeouts.queryMs,
      signal: query.signal,
    };
    return await this.#iqs.ask(request, (id) => {
      const iq = xml('iq', { type: query.type, to: query.to, id });
      // Not `append`: it would tear the payload out of the caller's hands.
      iq.children.push(query.payload);
      return this.#lane.send(writeStanza(iq, this.#deps.limits.stanzaBytes));
    });
  }

  /**
   * Stores what has come, says so, and closes the connection but not the stream: `</stream:stream>` would end the
   * session on the server too (XEP-0198 §5), and what comes until the next start would have nowhere to wait.
   */
  async stop(): Promise<void> {
    const { clock, timeouts } = this.#deps;
    const deadline = new AbortController();
    this.#link?.hold('stop');
    this.#inbound.stopWaiting();
    await Promise.race([
      Promise.all([this.#inbound.settled(), this.#lane.end()]),
      clock.sleep(timeouts.stopMs, deadline.signal).catch(() => {
        // Everything was stored in time.
      }),
    ]);
    deadline.abort();
    const end = this.#deps.isResumable ? '' : '</stream:stream>';
    this.#close(streamErrors.stopped(), this.#ackElement() + end);
  }

  /** Never throws: it is called from a socket's handler. */
  #onEvent(event: ReadEvent): void {
    if (this.#reason !== undefined) return;
    this.#received += 1;
    try {
      this.#dispatch(event);
    } catch (failure) {
      this.#close(streamErrors.protocolViolation({ rule: 'unhandled' }, failure));
    }
  }

  #dispatch(event: ReadEvent): void {
    switch (event.kind) {
      case 'element':
        this.#onElement(event.element, event.bytes);
        return;
      case 'refused': {
        const { name, fault, from, id } = event.refused;
        this.#deps.log.warn('stanza refused', { kind: name, fault, bytes: event.bytes });
        this.#inbound.push(
          name === 'message' ? { kind: 'discarded', from, id } : { kind: 'counted' },
          true,
          0,
        );
        return;
      }
      case 'end':
        this.#close(streamErrors.lost({ why: 'end' }));
        return;
      case 'violation':
        this.#close(event.error, farewell(event.error));
        return;
      case 'header':
        return;
      default:
        event satisfies never;
    }
  }

  #onElement(element: Element, bytes: number): void {
    switch (element.getNS()) {
      case NS_CLIENT:
        this.#onStanza(element, true, bytes);
        return;
      case NS_SM:
        this.#onSm(element);
        return;
      case NS_STREAMS:
        if (element.name === 'error') this.#close(toStreamError(element));
        return;
      default:
      // RFC 6120 §4.8.1: other children of the stream are for those who negotiated them.
    }
  }

  #onStanza(element: Element, isCounted: boolean, bytes: number): void {
    switch (element.name) {
      case 'message':
        this.#onMessage(element, isCounted, bytes);
        return;
      case 'presence':
        this.#droppedPresences += 1;
        this.#inbound.push({ kind: 'counted' }, isCounted, 0);
        return;
      case 'iq':
        this.#onIq(element);
        this.#inbound.push({ kind: 'counted' }, isCounted, 0);
        return;
      default:
    }
  }

  #onMessage(message: Element, isCounted: boolean, bytes: number): void {
    if (!isArchiveResult(message, this.#deps.settings.jid)) {
      this.#inbound.push({ kind: 'live', message }, isCounted, bytes);
      return;
    }
    const archived = this.#catchUp.read(message);
    if (archived === undefined) {
      this.#deps.log.debug('archive result that was not asked for');
      this.#inbound.push({ kind: 'counted' }, isCounted, 0);
    } else this.#inbound.push({ kind: 'archived', archived }, isCounted, bytes);
  }

  #onIq(iq: Element): void {
    const { type } = iq.attrs;
    if (type === 'result' || type === 'error') {
      if (this.#iqs.settle(iq) === 'forged') this.#deps.log.warn('iq answer from another than the one asked');
      return;
    }
    const answer = answerIq(iq);
    if (answer === undefined) return;
    this.#lane.send(writeStanza(answer)).catch((failure) => this.#onFailure(failure));
  }

  #onSm(element: Element): void {
    if (element.name === 'r') {
      this.#acknowledge(true);
      return;
    }
    if (element.name !== 'a') return;
    const handled = parseWireCount(element.attrs.h);
    if (handled === undefined) {
      this.#violated('ack');
      return;
    }
    try {
      this.#lane.acknowledge(handled);
    } catch (failure) {
      if (!(failure instanceof BridgeError)) throw failure;
      this.#close(failure, farewell(failure));
    }
  }

  #violated(rule: string): void {
    const reason = streamErrors.protocolViolation({ rule });
    this.#close(reason, farewell(reason));
  }

  #onStored(messages: number): void {
    this.#storedMessages += messages;
    const isDue = this.#inbound.handled - this.#lastAck >= ackEvery;
    if (this.#isAckOwed || isDue) this.#acknowledge(this.#isAckOwed && this.#inbound.waiting > 0);
  }

  /** The count at hand, at once: a server takes silence for a dead connection. It hears the rest when it is stored. */
  #acknowledge(isMoreOwed: boolean): void {
    this.#isAckOwed = isMoreOwed;
    this.#write(this.#ackElement()).catch((failure) => this.#onFailure(failure));
  }

  #ackElement(): string {
    this.#lastAck = this.#inbound.handled;
    return `<a xmlns="${NS_SM}" h="${toWireCount(this.#lastAck)}"/>`;
  }

  async #write(text: string): Promise<void> {
    if (this.#link === undefined || this.#reason !== undefined) throw this.#reason ?? streamErrors.offline();
    await this.#link.write(text);
  }

  async #learnFeatures(): Promise<void> {
    const { jid } = this.#deps.settings;
    // Silence leaves it to the next connection to ask again.
    this.#features ??= await askFeatures((payload) =>
      this.query({ to: jid, type: 'get', payload, timeoutMs: featuresMs }),
    );
    this.#settleFeatures?.(this.#features);
  }

  async #watch(): Promise<void> {
    const { clock, timeouts, counter } = this.#deps;
    const deps = {
      clock,
      timeouts,
      counter,
      lane: this.#lane,
      received: () => this.#received,
      isHeld: () => this.#link?.isHeld ?? false,
      ask: (payload: Element, timeoutMs: number) =>
        this.query({ to: this.#domain, type: 'get', payload, timeoutMs }),
    };
    const reason = await watchPeer(deps, this.#over.signal);
    if (reason !== undefined) this.#close(reason);
  }

  /** Something that nobody waits for has failed. */
  #onFailure(failure: unknown): void {
    // A write on a broken connection: the link says why it ended, once what the server said last has been read.
    if (hasCode(failure, 'stream/lost')) return;
    this.#close(failure instanceof BridgeError ? failure : streamErrors.storeFailed({}, failure));
  }

  /** @param last written before the end, if the other side is to learn something. */
  #close(reason: BridgeError, last?: string): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#over.abort();
    this.#inbound.stopWaiting();
    this.#iqs.rejectAll(streamErrors.lost({}, reason));
    this.#settleFeatures?.(this.#features);
    this.#finish(reason, last).then(
      () => this.#end?.(reason),
      (failure) => this.#end?.(streamErrors.lost({}, failure)),
    );
  }

  /** What has come is still stored: it was counted in order, and the next connection begins with that count. */
  async #finish(reason: BridgeError, last: string | undefined): Promise<void> {
    if (last === undefined) this.#link?.destroy(reason);
    else await this.#link?.close(last, reason, this.#deps.clock, farewellMs);
    await Promise.all([this.#inbound.settled(), this.#lane.end()]);
  }
}
