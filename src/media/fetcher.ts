/** Fetches what contacts sent: from the network’s media hosts only, bounded in size and time, checked before it is used. */
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../model/ambient.ts';
import { BridgeError } from '../model/errors.ts';
import type { NetworkId } from '../model/ids.ts';
import {
  attachmentBytes,
  type ByteSource,
  decryptAttachment,
  paddedBytes,
  verifyAttachment,
} from './attachment-cipher.ts';
import { mediaErrors } from './errors.ts';
import { type LeastPace, Pace } from './pace.ts';
import { getPinned, type Resolve } from './pinned-request.ts';
import type { Spool } from './spool.ts';

/** Where a network keeps files. */
export type MediaSource = Readonly<{
  /** Origins, such as `https://media.example.com`. None: nothing is fetched. */
  hosts: readonly string[];
  /** PEM, trusted beside the usual authorities. */
  ca?: string;
}>;

export interface FetchWish {
  readonly network: NetworkId;
  /** As the sender gave them. */
  readonly file: Readonly<{ url: string; key: Uint8Array; digest: Uint8Array; sizeBytes: number }>;
  readonly signal: AbortSignal;
}

/** A file that is whole and is what its sender encrypted. It lies here, encrypted, until `discard`. */
export interface FetchedFile {
  /** Of the plaintext. */
  readonly sizeBytes: number;
  /** The plaintext, from its beginning, each time. Throws `media/damaged` where it is not as long as was told. */
  open(): ByteSource;
  /** Deletes it. To be called always; a second call is harmless. */
  discard(): Promise<void>;
}

export type FetcherDeps = Readonly<{
  sources: ReadonlyMap<NetworkId, MediaSource>;
  maxBytes: number;
  leastPace: LeastPace;
  spool: Spool;
  clock: Clock;
  resolve: Resolve;
  onFetched: (bytes: number) => void;
}>;

/** A host may send on to a file's place, but only to another of the network’s hosts. */
const MOST_REDIRECTS = 3;

export class MediaFetcher {
  readonly #deps: FetcherDeps;

  constructor(deps: FetcherDeps) {
    this.#deps = deps;
  }

  /**
   * @throws BridgeError `media/notAllowed`, `media/tooLarge`, `media/tooSlow`, `media/gone`, `media/refused`,
   *   `media/unavailable`, `media/malformed`, `media/damaged`; the signal's reason.
   */
  async fetch(wish: FetchWish): Promise<FetchedFile> {
    const { maxBytes, spool, clock, leastPace, onFetched } = this.#deps;
    const { file } = wish;
    if (file.sizeBytes > maxBytes) throw mediaErrors.tooLarge({ limitBytes: maxBytes });
    // One bucket more than ours, for those who round otherwise.
    const mostBytes = attachmentBytes(paddedBytes(file.sizeBytes) + 1);
    const pace = new Pace({ clock, least: leastPace });
    const signal = AbortSignal.any([wish.signal, pace.signal]);
    try {
      const answer = await this.#get(wish, signal);
      const told = Number(answer.headers['content-length'] ?? 0);
      if (told > mostBytes) {
        answer.destroy();
        throw mediaErrors.damaged({ why: 'length', toldBytes: told });
      }
      const spooled = await spool.write(verifyAttachment(counted(answer, pace), file), {
        maxBytes: mostBytes,
        // It is fetched again if we die.
        isDurable: false,
        signal,
      });
      onFetched(spooled.sizeBytes);
      return {
        sizeBytes: file.sizeBytes,
        open: () => decryptAttachment(spooled, file),
        discard: spooled.discard,
      };
    } catch (cause) {
      wish.signal.throwIfAborted();
      if (cause instanceof BridgeError) throw cause;
      if (pace.signal.aborted) throw mediaErrors.tooSlow({ network: wish.network }, cause);
      throw mediaErrors.unavailable({ network: wish.network, why: codeIn(cause) }, cause);
    } finally {
      pace.stop();
    }
  }

  /** @returns the answer that has the file, its body unread. */
  async #get({ network, file }: FetchWish, signal: AbortSignal): Promise<IncomingMessage> {
    const source = this.#deps.sources.get(network) ?? { hosts: [] };
    let url = URL.parse(file.url);
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects += 1) {
      if (url === null || !source.hosts.includes(url.origin) || url.username !== '' || url.password !== '') {
        throw mediaErrors.notAllowed({ network, why: redirects === 0 ? 'host' : 'redirect' });
      }
      const answer = await getPinned({ url, ca: source.ca, resolve: this.#deps.resolve, signal });
      const status = answer.statusCode ?? 0;
      if (status === 200) return answer;
      answer.destroy();
      if (status < 300 || status >= 400) throw refusal(network, status);
      url = URL.parse(answer.headers.location ?? '', url.href);
    }
    throw mediaErrors.refused({ network, why: 'redirects' });
  }
}

function refusal(network: NetworkId, status: number): BridgeError {
  if (status === 404 || status === 410) return mediaErrors.gone({ network, status });
  const isPassing = status >= 500 || status === 408 || status === 429;
  return (isPassing ? mediaErrors.unavailable : mediaErrors.refused)({ network, status });
}

async function* counted(source: ByteSource, pace: Pace): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    pace.count(piece.length);
    yield piece;
  }
}

function codeIn(failure: unknown): string | undefined {
  const code = failure instanceof Error && 'code' in failure ? failure.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
