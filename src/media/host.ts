/**
 * The host of encrypted files (docs/interop-profile.md §7). What the database knows and what lies in the store agree whenever
 * the process dies: the row is committed before the file is put, and deleted after the file. A file without a row there is
 * none; a row without a file is `writing` or `leaving`, and goes at the next start or look.
 */
import type { Readable } from 'node:stream';
import type { Clock, Log, Random } from '../model/ambient.ts';
import type { NetworkId } from '../model/ids.ts';
import type { AccountKey, HostedFacts, HostedMedium, Storage, Tx } from '../storage/storage.ts';
import {
  ATTACHMENT_KEY_BYTES,
  AttachmentEncryptor,
  attachmentBytes,
  type ByteSource,
  IV_BYTES,
} from './attachment-cipher.ts';
import { mediaErrors } from './errors.ts';
import type { MediaIds } from './media-id.ts';
import type { MediaStore } from './media-store.ts';
import type { Spool, SpooledFile } from './spool.ts';

/** Bytes are of ciphertext but for `maxBytes`, which is of plaintext. */
export type HostSettings = Readonly<{
  /** URLs are this, `/` and the id. */
  mediaBase: string;
  keepMs: number;
  maxBytes: number;
  accountQuotaBytes: number;
  totalQuotaBytes: number;
}>;

/** What a message says of a hosted file. The caller wipes `key` when it has been written. */
export type HostedFile = HostedFacts & Readonly<{ url: string }>;

export interface HostWish {
  readonly account: AccountKey;
  /** What it is hosted for, such as an event and a part: at most 300 characters, the same when the step is repeated. */
  readonly reference: string;
  /** Opens the plaintext; not called when the file is hosted already. It may throw at its end: then nothing is hosted. */
  readonly open: () => Promise<ByteSource>;
  /** Plaintext bytes, where somebody has told: what is too large is refused before it is fetched. */
  readonly expectedBytes?: number;
  /** The most that the network takes, in plaintext bytes; the configuration’s limit holds beside it. */
  readonly maxBytes?: number;
  readonly signal: AbortSignal;
}

/** A file that is served. */
export type ServedFile = Readonly<{ id: string; network: NetworkId; sizeBytes: number; expiresAtMs: number }>;

export type HostDeps = Readonly<{
  settings: HostSettings;
  storage: Pick<Storage, 'database' | 'hostedMedia'>;
  store: MediaStore;
  spool: Spool;
  ids: MediaIds;
  clock: Clock;
  random: Random;
  log: Log;
  onHosted: (storedBytes: number) => void;
}>;

/** Files that are deleted between two looks at whether to go on. */
const BATCH = 100;

export class MediaHost {
  readonly #deps: HostDeps;

  constructor(deps: HostDeps) {
    this.#deps = deps;
  }

  /** To be called before anything is hosted: what an earlier process was writing is taken back. */
  async start(): Promise<void> {
    const { storage } = this.#deps;
    await storage.database.transaction(async (tx) => await storage.hostedMedia.leaveUnfinished(tx));
  }

  /**
   * Encrypts and hosts a file. What was hosted for the same reference before is found again, unless it was acknowledged or
   * has expired. Opens transactions of its own.
   * @throws BridgeError `media/tooLarge`, `media/quotaReached`, `media/unavailable`, `media/refused`; whatever the source
   *   throws; the signal's reason.
   */
  async host(wish: HostWish): Promise<HostedFile> {
    const { storage } = this.#deps;
    const { account, reference } = wish;
    const found = await storage.database.transaction(
      async (tx) => await storage.hostedMedia.findFacts(tx, account, reference),
    );
    if (found !== undefined) return this.#told(found.id, found.facts);
    const maxBytes = Math.min(this.#deps.settings.maxBytes, wish.maxBytes ?? Number.POSITIVE_INFINITY);
    const expected = wish.expectedBytes ?? 0;
    if (expected > maxBytes) throw mediaErrors.tooLarge({ limitBytes: maxBytes });
    const expectedStored = attachmentBytes(expected);
    await storage.database.transaction(async (tx) => await this.#checkQuota(tx, account, expectedStored));
    const { file, facts } = await this.#encrypt(wish, maxBytes);
    try {
      return this.#told(await this.#publish(wish, file, facts), facts);
    } catch (failure) {
      facts.key.fill(0);
      throw failure;
    } finally {
      await file.discard();
    }
  }

  /**
   * What is served under this id, or `undefined`: never there, not complete, expired. An id that was not made here costs no
   * look-up.
   */
  async find(id: string): Promise<ServedFile | undefined> {
    const { storage, ids } = this.#deps;
    if (!ids.isOurs(id)) return undefined;
    const medium = await storage.database.transaction(
      async (tx) => await storage.hostedMedia.findServed(tx, id),
    );
    return medium === undefined ? undefined : toServed(medium);
  }

  /** Opens a part of a file that `find` gave: `start` to `end`, the latter not included. As `MediaStore.read`. */
  async read(file: ServedFile, range: { start: number; end: number }): Promise<Readable> {
    return await this.#deps.store.read(file.id, range);
  }

  /** Deletes what has expired or was told to leave; what the store does not delete now is tried at the next call. */
  async tidy(signal: AbortSignal): Promise<void> {
    const { storage, store, log } = this.#deps;
    const { database, hostedMedia } = storage;
    await database.transaction(async (tx) => await hostedMedia.leaveExpired(tx));
    let ids: readonly string[] = [];
    do {
      const after = ids.at(-1);
      ids = await database.transaction(async (tx) => await hostedMedia.listLeaving(tx, BATCH, after));
      for (const id of ids) {
        if (signal.aborted) return;
        try {
          await store.delete(id);
        } catch (failure) {
          log.warn('hosted file not deleted, tried again later', {}, failure);
          continue;
        }
        await database.transaction(async (tx) => await hostedMedia.delete(tx, id));
      }
    } while (ids.length === BATCH);
  }

  async #encrypt(wish: HostWish, maxBytes: number): Promise<{ file: SpooledFile; facts: HostedFacts }> {
    const { spool, random } = this.#deps;
    const key = random.bytes(ATTACHMENT_KEY_BYTES);
    const encryptor = new AttachmentEncryptor({ key, iv: random.bytes(IV_BYTES) });
    try {
      const plaintext = bounded(await wish.open(), maxBytes);
      const file = await spool.write(encryptor.encrypt(plaintext), {
        maxBytes: attachmentBytes(maxBytes),
        isDurable: true,
        signal: wish.signal,
      });
      return { file, facts: { key, ...encryptor.facts } };
    } catch (failure) {
      key.fill(0);
      throw failure;
    }
  }

  /** @returns the id. */
  async #publish(wish: HostWish, file: SpooledFile, facts: HostedFacts): Promise<string> {
    const { storage, store, ids, clock, settings, onHosted } = this.#deps;
    const { account, reference } = wish;
    const { database, hostedMedia } = storage;
    const id = ids.create();
    await database.transaction(async (tx) => {
      // Of an attempt that failed, or was acknowledged: nothing names it any more, or the message goes out anew.
      await hostedMedia.leave(tx, account.id, reference);
      await this.#checkQuota(tx, account, file.sizeBytes);
      const expiresAtMs = clock.nowMs() + settings.keepMs;
      await hostedMedia.insert(tx, account, {
        id,
        reference,
        storedBytes: file.sizeBytes,
        expiresAtMs,
        facts,
      });
    });
    try {
      await store.put(id, { path: file.path, sizeBytes: file.sizeBytes, sha256: facts.digest });
      await database.transaction(async (tx) => await hostedMedia.markHosted(tx, id));
    } catch (failure) {
      await database.transaction(async (tx) => await hostedMedia.leave(tx, account.id, reference));
      throw failure;
    }
    onHosted(file.sizeBytes);
    return id;
  }

  /** Two who come at the same time may both pass, on PostgreSQL: a quota is kept to but for what is under way. */
  async #checkQuota(tx: Tx, account: AccountKey, bytes: number): Promise<void> {
    const { storage, settings } = this.#deps;
    const own = await storage.hostedMedia.sumBytes(tx, account.id);
    if (own + bytes > settings.accountQuotaBytes) throw mediaErrors.quotaReached({ of: 'account' });
    const all = await storage.hostedMedia.sumBytes(tx);
    if (all + bytes > settings.totalQuotaBytes) throw mediaErrors.quotaReached({ of: 'all' });
  }

  #told(id: string, facts: HostedFacts): HostedFile {
    return { ...facts, url: `${this.#deps.settings.mediaBase}/${id}` };
  }
}

function toServed({ id, network, storedBytes, expiresAtMs }: HostedMedium): ServedFile {
  return { id, network, sizeBytes: storedBytes, expiresAtMs };
}

async function* bounded(source: ByteSource, maxBytes: number): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0;
  for await (const piece of source) {
    sizeBytes += piece.length;
    if (sizeBytes > maxBytes) throw mediaErrors.tooLarge({ limitBytes: maxBytes });
    yield piece;
  }
}
