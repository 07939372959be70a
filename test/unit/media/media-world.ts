/** The room `media/` over a real database and folder, with a clock that stands. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemRandom } from '../../../src/ambient/random.ts';
import { createMedia, type Media, type MediaDeps, type MediaSettings } from '../../../src/media/media.ts';
import { matrixUserId, networkId } from '../../../src/model/ids.ts';
import { type Account, openStorage, type Storage } from '../../../src/storage/storage.ts';
import { heldClock } from '../../doubles/held-clock.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { inPieces } from './pieces.ts';

export const NETWORK = networkId('gk');
export const DAY_MS = 24 * 60 * 60_000;

type Changes = Partial<Omit<MediaDeps, 'settings'>> & { settings?: Partial<MediaSettings> };

export class MediaWorld {
  readonly clock: ReturnType<typeof heldClock>;
  readonly log = new RecordingLog();
  readonly counted: unknown[][] = [];
  readonly folder: string;
  readonly storage: Storage;
  readonly account: Account;
  readonly #changes: Changes;
  media: Media;

  private constructor(parts: {
    folder: string;
    storage: Storage;
    account: Account;
    clock: ReturnType<typeof heldClock>;
    changes: Changes;
  }) {
    this.clock = parts.clock;
    this.folder = parts.folder;
    this.storage = parts.storage;
    this.account = parts.account;
    this.#changes = parts.changes;
    this.media = this.#create();
  }

  static async start(changes: Changes = {}): Promise<MediaWorld> {
    const folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-media-'));
    const clock = heldClock(1_000);
    const storage = await openStorage({
      database: { type: 'sqlite', file: ':memory:' },
      masterKey: randomBytes(32),
      clock,
      random: systemRandom,
    });
    const user = matrixUserId('@ada:example.org');
    const account = await storage.database.transaction(
      async (tx) => await storage.accounts.insert(tx, NETWORK, user),
    );
    const world = new MediaWorld({ folder, storage, account, clock, changes });
    try {
      await world.media.start();
    } catch (failure) {
      await world[Symbol.asyncDispose]();
      throw failure;
    }
    return world;
  }

  /** As after a kill: another process over the same database and folder. */
  async restart(): Promise<void> {
    await this.media.stop();
    this.media = this.#create();
    await this.media.start();
  }

  async host(
    file: Uint8Array,
    reference = '$event 0',
    wish: { maxBytes?: number; expectedBytes?: number } = {},
  ) {
    return await this.media.host({
      account: this.account,
      reference,
      open: async () => inPieces(file, [1, 500, 70_000]),
      signal: new AbortController().signal,
      ...wish,
    });
  }

  async files(): Promise<{ hosted: string[]; spool: string[] }> {
    const list = async (name: string) => (await readdir(path.join(this.folder, name)).catch(() => [])).sort();
    return { hosted: await list('hosted'), spool: await list('spool') };
  }

  async rows(): Promise<{ id: string; state: string }[]> {
    return await this.storage.database.transaction(
      async (tx) => await tx('hosted_media').select('id', 'state').orderBy('id'),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.media.stop();
    await this.storage.close();
    await rm(this.folder, { recursive: true });
  }

  #create(): Media {
    const { settings, ...others } = this.#changes;
    return createMedia({
      settings: {
        folder: this.folder,
        mediaBase: 'https://bridge.example/media',
        keepMs: 30 * DAY_MS,
        maxBytes: 1_000_000,
        accountQuotaBytes: 3_000_000,
        totalQuotaBytes: 4_000_000,
        inspectMaxBytes: 1_000_000,
        thumbnails: true,
        ...settings,
      },
      sources: new Map(),
      storage: this.storage,
      clock: this.clock,
      random: systemRandom,
      log: this.log,
      metrics: {
        bytes: (direction, bytes) => this.counted.push([direction, bytes]),
        refused: (direction, code) => this.counted.push([direction, code]),
      },
      ...others,
    });
  }
}
