/**
 * The door of `media/`: files on their way between the two sides. What goes out is encrypted as Signal's attachments are and
 * hosted here, in a folder or a bucket; what comes in is fetched from the network's media hosts. Everything streams; only
 * ciphertext is ever written to a disk. Who decides what is carried, and sends the messages, is the core.
 */
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { Clock, Log, Random } from '../model/ambient.ts';
import { BridgeError, codeOf } from '../model/errors.ts';
import type { NetworkId } from '../model/ids.ts';
import type { Storage } from '../storage/storage.ts';
import type { ByteSource } from './attachment-cipher.ts';
import { DiskStore } from './disk-store.ts';
import { type FetchedFile, type FetchWish, MediaFetcher, type MediaSource } from './fetcher.ts';
import { type FileFacts, FileInspector, type InspectWish } from './file-inspector.ts';
import { type HostedFile, type HostWish, MediaHost, type ServedFile } from './host.ts';
import {
  decryptUnverified,
  MatrixFileEncryptor,
  type MatrixFileKey,
  parseEncryptedFile,
} from './matrix-file.ts';
import { MediaIds } from './media-id.ts';
import { type Resolve, resolveBySystem } from './pinned-request.ts';
import { type S3Settings, S3Store } from './s3-store.ts';
import { Spool } from './spool.ts';

export type { ByteSource } from './attachment-cipher.ts';
export type { FetchedFile, FetchWish, MediaSource } from './fetcher.ts';
export type { FileFacts, InspectWish } from './file-inspector.ts';
export type { HostedFile, HostWish, ServedFile } from './host.ts';
export type { Extra, SmallPicture } from './look/findings.ts';
export type { EncryptedFile, MatrixFileEncryptor, MatrixFileKey } from './matrix-file.ts';
export type { S3Settings } from './s3-store.ts';

export type MediaSettings = Readonly<{
  /** Absolute. Holds the spool, and hosted files where there is no bucket. Nothing else may lie in it. */
  folder: string;
  /** Absent: hosted files lie in the folder. */
  s3?: S3Settings;
  /** What URLs of hosted files begin with, without a slash at the end. */
  mediaBase: string;
  /** How long a file is hosted. */
  keepMs: number;
  /** Plaintext bytes of one file, in either direction. */
  maxBytes: number;
  /** Hosted bytes. */
  accountQuotaBytes: number;
  totalQuotaBytes: number;
  /** Larger files are looked at by their beginning only: their type, and the sizes of a picture. */
  inspectMaxBytes: number;
  /** Whether small copies of pictures are made, for which they have to be decoded. */
  thumbnails: boolean;
}>;

/** Counts for the operator. */
export interface MediaMetrics {
  /** Ciphertext bytes that were hosted or fetched. */
  bytes(direction: 'hosted' | 'fetched', bytes: number): void;
  /** A file that was not hosted or fetched; `code` of the error. */
  refused(direction: 'hosted' | 'fetched', code: string): void;
}

export type MediaDeps = Readonly<{
  settings: MediaSettings;
  /** By network; one that is not named fetches nothing. */
  sources: ReadonlyMap<NetworkId, MediaSource>;
  storage: Pick<Storage, 'database' | 'hostedMedia' | 'idSecret'>;
  clock: Clock;
  random: Random;
  log: Log;
  metrics?: MediaMetrics;
  /** How names of media hosts become addresses. Default: the system's resolver. */
  resolve?: Resolve;
}>;

export interface Media {
  /**
   * Makes folders, checks the bucket, takes back what an earlier process left, and tidies hourly from then on.
   * @throws BridgeError `media/refused`: the folder cannot be used, the bucket is not there or not ours.
   */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** As `MediaHost.host`. */
  host(wish: HostWish): Promise<HostedFile>;
  /** As `MediaFetcher.fetch`. */
  fetch(wish: FetchWish): Promise<FetchedFile>;
  /** As `parseEncryptedFile`. */
  parseEncryptedFile(json: unknown): MatrixFileKey & Readonly<{ url: string }>;
  /** As `decryptUnverified`; fit for `HostWish.open`, which publishes nothing before the end. */
  decryptMatrixFile(ciphertext: ByteSource, file: MatrixFileKey): ByteSource;
  /** For one file that goes into an encrypted room. */
  encryptMatrixFile(): MatrixFileEncryptor;
  /** As `FileInspector.inspect`. */
  inspect(wish: InspectWish): Promise<FileFacts>;
  /** What is served under this id; `undefined` when nothing is. */
  findServed(id: string): Promise<ServedFile | undefined>;
  /** Opens a part of it: `start` to `end`, the latter not included. @throws BridgeError `media/gone`, `media/unavailable`. */
  readServed(file: ServedFile, range: { start: number; end: number }): Promise<Readable>;
  /** Deletes what has expired; runs hourly of itself. */
  tidy(): Promise<void>;
}

const TIDY_EVERY_MS = 60 * 60_000;
/** 16 KiB a second, looked at every 20 s: slower than the slowest line that people use, faster than a host that drips. */
const LEAST_PACE = { bytes: 20 * 16 * 1024, ms: 20_000 };

class MediaRoom implements Media {
  readonly #deps: MediaDeps;
  readonly #spool: Spool;
  readonly #store: DiskStore | S3Store;
  readonly #fetcher: MediaFetcher;
  readonly #inspector: FileInspector;
  readonly #stopping = new AbortController();
  readonly #log: Log;
  #host: MediaHost | undefined;
  #loop: Promise<void> | undefined;

  constructor(deps: MediaDeps) {
    const { settings, metrics } = deps;
    this.#deps = deps;
    this.#log = deps.log.child({ part: 'media' });
    this.#spool = new Spool({ folder: path.join(settings.folder, 'spool'), random: deps.random });
    this.#store =
      settings.s3 === undefined
        ? new DiskStore({ folder: path.join(settings.folder, 'hosted') })
        : new S3Store({ settings: settings.s3 });
    this.#fetcher = new MediaFetcher({
      sources: deps.sources,
      maxBytes: settings.maxBytes,
      leastPace: LEAST_PACE,
      spool: this.#spool,
      clock: deps.clock,
      resolve: deps.resolve ?? resolveBySystem,
      onFetched: (bytes) => metrics?.bytes('fetched', bytes),
    });
    this.#inspector = new FileInspector({
      settings: { maxBytes: settings.inspectMaxBytes, thumbnails: settings.thumbnails },
      clock: deps.clock,
      log: this.#log,
    });
  }

  async start(): Promise<void> {
    const { settings, storage, clock, random, metrics } = this.#deps;
    await this.#spool.start();
    try {
      await this.#store.start();
    } catch (failure) {
      // A bucket may be away for a while; one that refuses us has to be seen to.
      if (!(failure instanceof BridgeError) || failure.retry !== 'later') throw failure;
      this.#log.warn('where hosted files lie cannot be reached', {}, failure);
    }
    const secret = await storage.database.transaction(async (tx) => await storage.idSecret(tx));
    this.#host = new MediaHost({
      settings,
      storage,
      store: this.#store,
      spool: this.#spool,
      ids: new MediaIds({ secret, random }),
      clock,
      random,
      log: this.#log,
      onHosted: (bytes) => metrics?.bytes('hosted', bytes),
    });
    await this.#host.start();
    this.#loop = this.#tidyHourly();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#inspector.stop();
    await this.#loop;
  }

  async host(wish: HostWish): Promise<HostedFile> {
    return await this.#counted('hosted', async () => await this.#started().host(wish));
  }

  async fetch(wish: FetchWish): Promise<FetchedFile> {
    return await this.#counted('fetched', async () => await this.#fetcher.fetch(wish));
  }

  parseEncryptedFile(json: unknown): MatrixFileKey & Readonly<{ url: string }> {
    return parseEncryptedFile(json);
  }

  decryptMatrixFile(ciphertext: ByteSource, file: MatrixFileKey): ByteSource {
    return decryptUnverified(ciphertext, file);
  }

  encryptMatrixFile(): MatrixFileEncryptor {
    return new MatrixFileEncryptor(this.#deps.random);
  }

  async inspect(wish: InspectWish): Promise<FileFacts> {
    return await this.#inspector.inspect(wish);
  }

  async findServed(id: string): Promise<ServedFile | undefined> {
    return await this.#host?.find(id);
  }

  async readServed(file: ServedFile, range: { start: number; end: number }): Promise<Readable> {
    return await this.#started().read(file, range);
  }

  async tidy(): Promise<void> {
    await this.#started().tidy(this.#stopping.signal);
  }

  #started(): MediaHost {
    if (this.#host === undefined) throw new RangeError('media is not started');
    return this.#host;
  }

  async #counted<T>(direction: 'hosted' | 'fetched', work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (failure) {
      this.#deps.metrics?.refused(direction, codeOf(failure));
      throw failure;
    }
  }

  async #tidyHourly(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.tidy();
      } catch (failure) {
        this.#log.error('expired files not deleted', {}, failure);
      }
      await this.#deps.clock.sleep(TIDY_EVERY_MS, this.#stopping.signal).catch(() => {
        /* stopping: the loop sees it */
      });
    }
  }
}

export function createMedia(deps: MediaDeps): Media {
  return new MediaRoom(deps);
}
