/**
 * From a TCP connection to a session: TLS, stream header, SASL OAUTHBEARER, resumption or resource binding, stream
 * management (RFC 6120 §4 to §7, XEP-0198 §3 and §5).
 *
 * @xmpp/client does the headers, the SASL exchange and the binding. It gets its socket, its parser and its serialiser
 * from here, and of what the server says only the parts it needs: features cut down to OAUTHBEARER and bind, SASL
 * elements, the answer to the binding. Whatever else it would do with a peer's input (STARTTLS, SASL2, other
 * mechanisms, see-other-host, answers matched by id alone, acknowledgements before storing) it never gets to see.
 * One object serves one attempt.
 */
import type { EventEmitter } from 'node:events';
import { type Client, type Element, xml } from '@xmpp/client';
import type { Clock } from '../../../model/ambient.ts';
import { BridgeError } from '../../../model/errors.ts';
import { domainOf } from '../../../model/ids.ts';
import { streamErrors } from './errors.ts';
import { bareOf, isJid, isSameJid } from './jid.ts';
import { createLibraryClient, endLibraryClient } from './library-client.ts';
import type { ReaderLimits } from './limits.ts';
import { limitsBeforeLogin } from './limits.ts';
import { NS_BIND, NS_CLIENT, NS_SASL, NS_SM, NS_STREAMS } from './namespaces.ts';
import { initialResponse, OAUTHBEARER } from './oauthbearer.ts';
import type { StreamSettings } from './ports.ts';
import { parseWireCount, toWireCount } from './sm-counters.ts';
import { writeStanza } from './stanza-xml.ts';
import { farewell, toStreamError } from './stream-condition.ts';
import { type ReadEvent, StreamReader } from './stream-reader.ts';
import { TlsLink } from './tls-link.ts';

/** What to resume: the id of the server and the inbound stanzas that are stored. */
export interface ResumeRequest {
  readonly smId: string;
  readonly handled: number;
}

export type Negotiated =
  /** `wireHandled`: the server's count of what we sent in the resumed session. */
  | { readonly kind: 'resumed'; readonly wireHandled: number }
  | {
      readonly kind: 'bound';
      readonly boundJid: string;
      /** `undefined`: the new session can't be resumed. */
      readonly smId: string | undefined;
      /** If a resumption was refused with a count: what the server had handled of the old session. */
      readonly lastWireHandled: number | undefined;
      /** What came between binding and `<enabled/>`: not counted (XEP-0198 §4). */
      readonly uncounted: readonly Element[];
    };

export interface NegotiationDeps {
  readonly settings: StreamSettings;
  readonly limits: ReaderLimits;
  readonly token: () => Promise<string>;
  readonly clock: Clock;
  readonly deadlineMs: number;
  readonly resume: ResumeRequest | undefined;
}

type Stage = 'connecting' | 'authenticating' | 'restarting' | 'resuming' | 'binding' | 'enabling' | 'done';

const maxUncounted = 100;
const maxSmIdLength = 4000;
/** How long the peer is given to read our last words. */
const farewellMs = 500;

export class Negotiation {
  readonly #deps: NegotiationDeps;
  readonly #domain: string;
  readonly #client: Client;
  readonly #uncounted: Element[] = [];
  /** What came in the same packet as the last word of the negotiation. */
  readonly #backlog: ReadEvent[] = [];
  #link: TlsLink | undefined;
  #reader: StreamReader;
  #shell: EventEmitter | undefined;
  #stage: Stage = 'connecting';
  #hasFeatures = false;
  #boundJid = '';
  #lastWireHandled: number | undefined;
  #failure: BridgeError | undefined;
  #settle: { resolve(negotiated: Negotiated): void; reject(reason: BridgeError): void } | undefined;
  #onEvent: (event: ReadEvent) => void = (event) => this.#onNegotiationEvent(event);

  constructor(deps: NegotiationDeps) {
    this.#deps = deps;
    this.#domain = domainOf(deps.settings.jid);
    this.#reader = new StreamReader(limitsBeforeLogin);
    this.#client = createLibraryClient({
      settings: deps.settings,
      timeoutMs: deps.deadlineMs,
      token: () => this.#token(),
      connect: () => this.#connect().secured,
      isSecure: () => this.#link?.isSecure ?? false,
      write: (text) => this.#write(text),
      onStream: (parser) => this.#onNewStream(parser),
      onOnline: () => this.#enable(),
      onError: (failure) => this.#fail(failure),
    });
  }

  /**
   * Runs once. When it rejects the socket is destroyed.
   * @throws BridgeError of this folder.
   */
  async run(signal: AbortSignal): Promise<Negotiated> {
    const result = new Promise<Negotiated>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    const over = new AbortController();
    signal.addEventListener('abort', () => this.#fail(streamErrors.stopped()), {
      once: true,
      signal: over.signal,
    });
    this.#deps.clock.sleep(this.#deps.deadlineMs, over.signal).then(
      () => this.#fail(streamErrors.timeout({ step: this.#stage })),
      () => {
        // Negotiated in time.
      },
    );
    try {
      if (signal.aborted) this.#fail(streamErrors.stopped());
      else this.#open().catch((failure) => this.#fail(failure));
      return await result;
    } finally {
      over.abort();
    }
  }

  /** The connection, held until `takeOver`. @throws BridgeError `stream/offline` before `run` has succeeded. */
  get link(): TlsLink {
    if (this.#link === undefined || this.#stage !== 'done') throw streamErrors.offline();
    return this.#link;
  }

  /** Hands the connection over: what is read from now on, and was read since the end of `run`, goes to `onEvent`. */
  takeOver(onEvent: (event: ReadEvent) => void): void {
    this.#onEvent = onEvent;
    for (const event of this.#backlog.splice(0)) onEvent(event);
    this.link.release('handover');
  }

  /** Gives the connection up after `run` has succeeded. Harmless at any time. */
  abandon(reason: BridgeError): void {
    this.#link?.destroy(reason);
  }

  async #open(): Promise<void> {
    await this.#client.connect(`xmpps://${this.#domain}`);
    await this.#client.open({ domain: this.#domain });
  }

  #connect(): TlsLink {
    const { host, port, extraCa, spkiPins } = this.#deps.settings;
    const address = { host, port, domain: this.#domain, extraCa, spkiPins: spkiPins ?? [] };
    const link = new TlsLink(address, (bytes) => this.#onBytes(bytes));
    this.#link = link;
    link.closed.then(
      (reason) => this.#fail(reason),
      (failure) => this.#fail(failure),
    );
    return link;
  }

  async #write(text: string): Promise<void> {
    if (this.#link === undefined) throw streamErrors.lost();
    await this.#link.write(text);
  }

  /** @throws BridgeError `stream/tokenUnavailable`, also for a token that has no place in the first message. */
  async #token(): Promise<string> {
    const { jid, host, port } = this.#deps.settings;
    try {
      const token = await this.#deps.token();
      initialResponse({ identity: jid, host, port, token });
      return token;
    } catch (failure) {
      throw streamErrors.tokenUnavailable({}, failure);
    }
  }

  /** The library opens a stream: the first, or the one after SASL, which begins anew (RFC 6120 §6.4.6). */
  #onNewStream(shell: EventEmitter): void {
    this.#shell = shell;
    this.#hasFeatures = false;
    if (this.#stage === 'restarting') this.#reader = new StreamReader(this.#deps.limits);
  }

  #onBytes(bytes: Buffer): void {
    for (const event of this.#reader.read(bytes)) this.#onEvent(event);
  }

  #onNegotiationEvent(event: ReadEvent): void {
    if (this.#failure !== undefined) return;
    if (this.#stage === 'done') {
      this.#backlog.push(event);
      return;
    }
    try {
      this.#dispatch(event);
    } catch (failure) {
      this.#fail(failure);
    }
  }

  /** @throws BridgeError for whatever ends the negotiation. */
  #dispatch(event: ReadEvent): void {
    switch (event.kind) {
      case 'header':
        this.#onHeader(event.element);
        return;
      case 'element':
        this.#onElement(event.element);
        return;
      case 'refused':
        // Before stream management counts there is nothing to do about it.
        return;
      case 'end':
        throw streamErrors.lost({ why: 'end' });
      case 'violation':
        throw event.error;
      default:
        event satisfies never;
    }
  }

  /** RFC 6120 §4.7. */
  #onHeader(header: Element): void {
    const { from, version } = header.attrs;
    if (!header.is('stream', NS_STREAMS)) throw violated('header');
    if (from !== undefined && !isSameJid(from, this.#domain)) throw violated('header-from');
    if (version === undefined || !/^1\.[0-9]{1,3}$/.test(version)) throw violated('version');
    this.#shell?.emit('start', header);
  }

  #onElement(element: Element): void {
    const ns = element.getNS();
    if (element.is('error', NS_STREAMS)) throw toStreamError(element);
    if (element.is('features', NS_STREAMS)) {
      this.#onFeatures(element);
      return;
    }
    switch (this.#stage) {
      case 'authenticating':
        if (ns !== NS_SASL) throw violated('before-login');
        if (element.name === 'success') this.#stage = 'restarting';
        this.#shell?.emit('element', element);
        return;
      case 'resuming':
        if (ns !== NS_SM) throw violated('before-resumption');
        this.#onResumption(element);
        return;
      case 'binding':
        if (element.is('iq', NS_CLIENT) && ['result', 'error'].includes(element.attrs.type ?? '')) {
          this.#onBindAnswer(element);
          return;
        }
        this.#keepUncounted(element);
        return;
      case 'enabling':
        if (ns === NS_SM) this.#onEnabling(element);
        else this.#keepUncounted(element);
        return;
      default:
        throw violated('unexpected');
    }
  }

  #onFeatures(features: Element): void {
    if (this.#hasFeatures) throw violated('features');
    this.#hasFeatures = true;
    if (this.#stage === 'connecting') {
      const offered = features.getChild('mechanisms', NS_SASL)?.getChildren('mechanism', NS_SASL) ?? [];
      if (!offered.some((mechanism) => mechanism.text() === OAUTHBEARER)) throw missing(OAUTHBEARER);
      this.#stage = 'authenticating';
      this.#give(xml('mechanisms', { xmlns: NS_SASL }, xml('mechanism', {}, OAUTHBEARER)));
    } else if (this.#stage === 'restarting') {
      if (features.getChild('sm', NS_SM) === undefined) throw missing('sm');
      if (features.getChild('bind', NS_BIND) === undefined) throw missing('bind');
      const { resume } = this.#deps;
      if (resume === undefined) {
        this.#bind();
        return;
      }
      this.#stage = 'resuming';
      this.#say(xml('resume', { xmlns: NS_SM, h: toWireCount(resume.handled), previd: resume.smId }));
    } else throw violated('features');
  }

  /** Features as the library shall see them. */
  #give(feature: Element): void {
    this.#shell?.emit('element', xml('features', { xmlns: NS_STREAMS }, feature));
  }

  #say(element: Element): void {
    this.#write(writeStanza(element)).catch((failure) => this.#fail(failure));
  }

  #onResumption(element: Element): void {
    const handled = parseWireCount(element.attrs.h);
    if (element.name === 'resumed') {
      const isOurs = element.attrs.previd === this.#deps.resume?.smId;
      if (!isOurs || handled === undefined) throw violated('resumed');
      this.#finish({ kind: 'resumed', wireHandled: handled });
    } else if (element.name === 'failed') {
      this.#lastWireHandled = handled;
      this.#bind();
    } else throw violated('before-resumption');
  }

  #bind(): void {
    this.#stage = 'binding';
    this.#give(xml('bind', { xmlns: NS_BIND }));
  }

  #onBindAnswer(iq: Element): void {
    const { from, type } = iq.attrs;
    // Bound or not, only the server or our own account can be the one that answers (RFC 6120 §7.6).
    const isServer =
      from === undefined || isSameJid(from, this.#domain) || isSameJid(bareOf(from), this.#deps.settings.jid);
    if (!isServer) {
      this.#keepUncounted(iq);
      return;
    }
    const jid = iq.getChild('bind', NS_BIND)?.getChildText('jid');
    if (type === 'result') {
      const isOurs = typeof jid === 'string' && isJid(jid) && isSameJid(bareOf(jid), this.#deps.settings.jid);
      if (!isOurs) throw violated('bound-jid');
      this.#boundJid = jid;
    }
    this.#shell?.emit('element', iq);
  }

  #enable(): void {
    if (this.#stage !== 'binding') return;
    this.#stage = 'enabling';
    this.#say(xml('enable', { xmlns: NS_SM, resume: 'true' }));
  }

  #onEnabling(element: Element): void {
    if (element.name === 'failed') throw missing('sm');
    if (element.name !== 'enabled') throw violated('enabling');
    const { id, resume } = element.attrs;
    const canResume =
      (resume === 'true' || resume === '1') && id !== undefined && id !== '' && id.length <= maxSmIdLength;
    this.#finish({
      kind: 'bound',
      boundJid: this.#boundJid,
      smId: canResume ? id : undefined,
      lastWireHandled: this.#lastWireHandled,
      uncounted: this.#uncounted,
    });
  }

  #keepUncounted(element: Element): void {
    if (this.#uncounted.length >= maxUncounted) throw violated('too-early');
    this.#uncounted.push(element);
  }

  #finish(negotiated: Negotiated): void {
    this.#stage = 'done';
    // Until somebody takes over nothing more is read.
    this.#link?.hold('handover');
    this.#settle?.resolve(negotiated);
  }

  /** The first failure counts. After the negotiation it changes nothing: the new owner listens to the link. */
  #fail(failure: unknown): void {
    if (this.#failure !== undefined || this.#stage === 'done') return;
    const reason = failure instanceof BridgeError ? failure : toReason(failure);
    this.#failure = reason;
    endLibraryClient(this.#client, reason);
    const link = this.#link;
    if (link?.isSecure && isOurRule(reason)) {
      link.close(farewell(reason), reason, this.#deps.clock, farewellMs).then(
        () => this.#settle?.reject(reason),
        () => this.#settle?.reject(reason),
      );
      return;
    }
    link?.destroy(reason);
    this.#settle?.reject(reason);
  }
}

function violated(rule: string): BridgeError {
  return streamErrors.protocolViolation({ rule });
}

function missing(feature: string): BridgeError {
  return streamErrors.featureMissing({ feature });
}

function isOurRule(reason: BridgeError): boolean {
  return ['stream/notWellFormed', 'stream/limitExceeded', 'stream/protocolViolation'].includes(reason.code);
}

/** RFC 6120 §6.5: a refusal of the token, or a server that can't tell just now. */
function toReason(failure: unknown): BridgeError {
  if (failure instanceof Error && failure.name === 'SASLError' && 'condition' in failure) {
    const condition = /^[a-z-]{1,40}$/.test(String(failure.condition))
      ? String(failure.condition)
      : 'undefined-condition';
    if (condition === 'temporary-auth-failure') return streamErrors.closedByServer({ condition }, failure);
    return streamErrors.notAuthorized({ condition }, failure);
  }
  return streamErrors.protocolViolation({ rule: 'library' }, failure);
}
