/**
 * The door of `storage/`: opens the database, brings the schema up to date, checks the master key, and hands out one
 * repository a table. Every repository method takes the open transaction first; what is secret or readable is sealed
 * before it reaches a table (see sealer.ts).
 */
import type { Clock, Random } from '../model/ambient.ts';
import { Accounts } from './accounts.ts';
import { BotNotices } from './bot-notices.ts';
import { Consents } from './consents.ts';
import { checkConsistency } from './consistency.ts';
import { Database, type DatabaseSettings, type Tx } from './database.ts';
import { Expirations } from './expirations.ts';
import { Fates } from './fates.ts';
import { Ghosts } from './ghosts.ts';
import { HostedMedia } from './hosted-media.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { ManagementRooms } from './management-rooms.ts';
import { MatrixInbox } from './matrix-inbox.ts';
import { Messages } from './messages.ts';
import { MissingMessages } from './missing-messages.ts';
import { NetworkInbox } from './network-inbox.ts';
import { Outbox } from './outbox.ts';
import { Portals } from './portals.ts';
import { Reactions } from './reactions.ts';
import { type DataKeyId, DEPLOYMENT_KEY, Sealer } from './sealer.ts';
import { SentMessages } from './sent-messages.ts';
import { SignalRecords } from './signal-records.ts';
import { Streams } from './streams.ts';
import { UserSettings } from './user-settings.ts';

export type { Account, AccountKey, AccountState, Enlistment } from './accounts.ts';
export type { Consent } from './consents.ts';
export type { Database, DatabaseSettings, Tx } from './database.ts';
export type { Expiration } from './expirations.ts';
export type { FailedFate, FailedFilter, FateArguments, FateState, UntoldFate } from './fates.ts';
export type { HostedFacts, HostedMedium } from './hosted-media.ts';
export type { IssuerKeyRecord, IssuerKeys } from './issuer-keys.ts';
export type { ManagementRoom } from './management-rooms.ts';
export type { ArrivedEvent, RoomLane, WaitingEvent } from './matrix-inbox.ts';
export type { MessageRecord } from './messages.ts';
export type { ArrivedStanza, StoredStanza, UnsettledLane, WaitingStanza } from './network-inbox.ts';
export type { CarriedEvent, QueuedStanza } from './outbox.ts';
export type { Portal } from './portals.ts';
export type { Reaction } from './reactions.ts';
export type { DataKeyId } from './sealer.ts';
export type { PrekeyKind, RemoteIdentity, SignalRecords, StoredPrekey } from './signal-records.ts';
export type { StreamRecord } from './streams.ts';
export type { UserSettingName } from './user-settings.ts';

export interface Storage {
  readonly database: Database;
  readonly accounts: Accounts;
  readonly botNotices: BotNotices;
  readonly consents: Consents;
  readonly expirations: Expirations;
  readonly fates: Fates;
  readonly ghosts: Ghosts;
  readonly hostedMedia: HostedMedia;
  readonly issuerKeys: IssuerKeys;
  readonly managementRooms: ManagementRooms;
  readonly matrixInbox: MatrixInbox;
  readonly messages: Messages;
  readonly missingMessages: MissingMessages;
  readonly networkInbox: NetworkInbox;
  readonly outbox: Outbox;
  readonly portals: Portals;
  readonly reactions: Reactions;
  readonly sentMessages: SentMessages;
  readonly signalRecords: SignalRecords;
  readonly streams: Streams;
  readonly userSettings: UserSettings;
  /**
   * A secret of this account, or of the deployment when none is given, for keyed hashes: 32 bytes, stable.
   * @throws BridgeError `storage/dataKeyDestroyed`
   */
  idSecret(tx: Tx, dataKey?: DataKeyId): Promise<Buffer>;
  /** @returns one line for each rule of the schema that does not hold; empty when all do. */
  checkConsistency(): Promise<string[]>;
  /** Closes the connections and zeroes the keys in memory. */
  close(): Promise<void>;
}

export type StorageDeps = Readonly<{
  database: DatabaseSettings;
  /** 32 bytes. */
  masterKey: Buffer;
  /** The key that may still wrap the data keys, during a rotation. */
  previousMasterKey?: Buffer | undefined;
  clock: Clock;
  random: Random;
}>;

/**
 * @throws BridgeError `storage/unreachable`, `storage/diskFull`, `storage/inUse`, `storage/migrationFailed`, `storage/wrongMasterKey`.
 */
export async function openStorage(deps: StorageDeps): Promise<Storage> {
  const database = await Database.open(deps.database);
  const sealer = new Sealer(deps);
  try {
    await database.lockForProcess();
    await database.migrate();
    await database.transaction(async (tx) => await sealer.prepare(tx));
  } catch (failure) {
    sealer.close();
    await database.close();
    throw failure;
  }
  const parts = { sealer, clock: deps.clock, random: deps.random };
  return {
    database,
    accounts: new Accounts(parts),
    botNotices: new BotNotices(parts),
    consents: new Consents(parts),
    expirations: new Expirations(),
    fates: new Fates(parts),
    ghosts: new Ghosts(),
    hostedMedia: new HostedMedia(parts),
    issuerKeys: new IssuerKeys(parts),
    managementRooms: new ManagementRooms(parts),
    matrixInbox: new MatrixInbox(parts),
    messages: new Messages(parts),
    missingMessages: new MissingMessages(parts),
    networkInbox: new NetworkInbox(parts),
    outbox: new Outbox(parts),
    portals: new Portals(parts),
    reactions: new Reactions(parts),
    sentMessages: new SentMessages(parts),
    signalRecords: new SignalRecords(parts),
    streams: new Streams(parts),
    userSettings: new UserSettings(),
    idSecret: async (tx, dataKey = DEPLOYMENT_KEY) => await sealer.derive(tx, dataKey, 'derived ids'),
    checkConsistency: async () => await database.transaction(checkConsistency),
    close: async () => {
      await database.close();
      sealer.close();
    },
  };
}

/** Brings the schema up to date and closes again. @returns the names of the migrations that ran; empty when none had to. */
export async function migrateDatabase(settings: DatabaseSettings): Promise<readonly string[]> {
  const database = await Database.open(settings);
  try {
    return await database.migrate();
  } finally {
    await database.close();
  }
}
