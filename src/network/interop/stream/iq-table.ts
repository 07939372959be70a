/**
 * Our own iq requests that wait for their answers. An answer is taken only from the entity that was asked, under a
 * random id of 128 bits, once (RFC 6120 §8.1.3; an answer matched by its id alone lets any contact forge one).
 */
import type { Element } from '@xmpp/client';
import type { Clock, Random } from '../../../model/ambient.ts';
import type { BridgeError } from '../../../model/errors.ts';
import { streamErrors } from './errors.ts';
import { bareOf, isSameJid } from './jid.ts';
import { NS_STANZA_ERRORS } from './namespaces.ts';

const maxPending = 256;

export interface IqRequest {
  readonly to: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

interface Pending {
  readonly to: string;
  readonly resolve: (payload: Element | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

/** What became of a result or an error: taken, from another than the one asked, or of an id nobody waits for. */
export type Settlement = 'taken' | 'forged' | 'unknown';

export class IqTable {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #ownBareJid: string;
  readonly #pending = new Map<string, Pending>();

  constructor(deps: { readonly clock: Clock; readonly random: Random; readonly ownBareJid: string }) {
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#ownBareJid = deps.ownBareJid;
  }

  get size(): number {
    return this.#pending.size;
  }

  /**
   * Waits for the answer to what `send` sends under a new id. The deadline runs from now, sending included.
   * @throws BridgeError as `XmppStream.query`; whatever `send` throws; the signal's reason.
   */
  async ask(request: IqRequest, send: (id: string) => Promise<void>): Promise<Element | undefined> {
    request.signal?.throwIfAborted();
    if (this.#pending.size >= maxPending) throw streamErrors.tooManyQueries({ pending: maxPending });
    const id = this.#random.bytes(16).toString('hex');
    const done = new AbortController();
    const answer = new Promise<Element | undefined>((resolve, reject) => {
      this.#pending.set(id, { to: request.to, resolve, reject });
      const onAbort = () => reject(request.signal?.reason);
      request.signal?.addEventListener('abort', onAbort, { once: true, signal: done.signal });
      this.#clock.sleep(request.timeoutMs, done.signal).then(
        () => reject(streamErrors.timeout({ step: 'query' })),
        () => {
          // The answer was there first, and the sleep was called off.
        },
      );
      send(id).catch(reject);
    });
    try {
      return await answer;
    } finally {
      this.#pending.delete(id);
      done.abort();
    }
  }

  /** Gives a received result or error to whoever asked. */
  settle(iq: Element): Settlement {
    const id = iq.attrs.id ?? '';
    const pending = this.#pending.get(id);
    if (pending === undefined) return 'unknown';
    if (!this.#isFrom(iq.attrs.from, pending.to)) return 'forged';
    this.#pending.delete(id);
    if (iq.attrs.type === 'result') pending.resolve(iq.getChildElements()[0]);
    else pending.reject(errorOf(iq));
    return 'taken';
  }

  /** Ends all waiting; the table can be used on. */
  rejectAll(reason: BridgeError): void {
    for (const pending of this.#pending.values()) pending.reject(reason);
    this.#pending.clear();
  }

  /** RFC 6120 §8.1.2.1: a stanza without `from` is from our own account; §10.3.3: what was asked of it comes so. */
  #isFrom(from: string | undefined, asked: string): boolean {
    if (from !== undefined) return isSameJid(from, asked);
    return asked === bareOf(asked) && isSameJid(asked, this.#ownBareJid);
  }
}

function errorOf(iq: Element): BridgeError {
  const error = iq.getChild('error');
  const condition = error
    ?.getChildElements()
    .find((child) => child.getNS() === NS_STANZA_ERRORS)
    ?.getName();
  const type = error?.attrs.type;
  const facts = { condition: token(condition) ?? 'undefined-condition', type: token(type) ?? 'cancel' };
  return type === 'wait' ? streamErrors.queryDeferred(facts) : streamErrors.queryRefused(facts);
}

/** Only what can be one of the defined words goes into an error. */
function token(text: string | undefined): string | undefined {
  return text !== undefined && /^[a-z-]{1,40}$/.test(text) ? text : undefined;
}
