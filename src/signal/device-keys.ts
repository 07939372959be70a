/**
 * The keys of our own device: made, published, refilled, replaced. Every method runs inside the caller's transaction and
 * takes the account's lock in the database first; none touches the network. Keys are made with libsignal's own generator.
 *
 * A key is stored before it is published, and given again until `confirmUploaded` says that the keys service has it: after
 * a crash between the two the same keys go up, never a second set.
 */
import {
  IdentityKeyPair,
  KEMKeyPair,
  KyberPreKeyRecord,
  PreKeyRecord,
  PrivateKey,
  type PublicKey,
  SignedPreKeyRecord,
} from '@signalapp/libsignal-client';
import type { Clock, Log, Random } from '../model/ambient.ts';
import type { PrekeyCounts, PublicDevice, PublicPrekey, SignedPublicPrekey } from '../model/prekeys.ts';
import type {
  AccountKey,
  Database,
  PrekeyKind,
  SignalRecords,
  StoredPrekey,
  Tx,
} from '../storage/storage.ts';
import { signalErrors } from './errors.ts';
import { heldPrekeys, keptSinceMs, missingPrekeys, type PrekeySettings, pairIsDue } from './prekey-stock.ts';
import { consumeSecret } from './secret-bytes.ts';
import { accountKey, lockInDatabase } from './session-lock.ts';

/** libsignal's range for a registration id is 1 to this. */
const LARGEST_REGISTRATION_ID = 16_380;

export type OneTimeKeys = Readonly<{
  prekeys: readonly PublicPrekey[];
  kyberPrekeys: readonly SignedPublicPrekey[];
}>;

export type SignedPair = Readonly<{ signedPrekey: SignedPublicPrekey; kyberLastResort: SignedPublicPrekey }>;

/** Names a published key. */
export type UploadedKey = Readonly<{ kind: PrekeyKind; id: number }>;

export type PrekeyStatus = Readonly<{
  /** One-time keys of each kind whose private half is here, and how many of them are not known to be published. */
  prekeys: Readonly<{ held: number; unconfirmed: number }>;
  kyber: Readonly<{ held: number; unconfirmed: number }>;
  /** Age of the pair in use; undefined before the device is made. */
  signedAgeMs: number | undefined;
  lastResortAgeMs: number | undefined;
}>;

type Made = { id: number; record: Uint8Array };

export class DeviceKeys {
  readonly #databaseType: Database['type'];
  readonly #records: SignalRecords;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #settings: PrekeySettings;

  constructor(deps: {
    database: Pick<Database, 'type'>;
    records: SignalRecords;
    clock: Clock;
    random: Random;
    log: Log;
    settings: PrekeySettings;
  }) {
    this.#databaseType = deps.database.type;
    this.#records = deps.records;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#log = deps.log;
    this.#settings = deps.settings;
  }

  /** Makes identity, signed pair and the first one-time keys. A second call changes nothing. */
  async create(tx: Tx, account: AccountKey): Promise<void> {
    await this.#lock(tx, account);
    const existing = await this.#records.findIdentity(tx, account);
    if (existing !== undefined) {
      existing.keyPair.fill(0);
      return;
    }
    const identity = IdentityKeyPair.generate();
    const keyPair = identity.serialize();
    // Not a secret and not compared with others: the small bias of the remainder does no harm.
    const registrationId = 1 + (this.#random.bytes(4).readUInt32BE() % LARGEST_REGISTRATION_ID);
    try {
      await this.#records.insertIdentity(tx, account, { registrationId, keyPair });
    } finally {
      keyPair.fill(0);
    }
    await this.#makeSignedPair(tx, account, identity.privateKey);
    await this.#makeOneTime(tx, account, this.#settings.initialPrekeys);
    await this.#makeKyber(tx, account, identity.privateKey, this.#settings.initialPrekeys);
  }

  async publicDevice(tx: Tx, account: AccountKey): Promise<PublicDevice> {
    await this.#lock(tx, account);
    const { registrationId, identity } = await this.#identity(tx, account);
    return {
      registrationId,
      identityKey: identity.publicKey.serialize(),
      ...(await this.#newestPair(tx, account)),
      ...(await this.#unconfirmed(tx, account)),
    };
  }

  async identityKey(tx: Tx, account: AccountKey): Promise<Uint8Array> {
    return (await this.#identity(tx, account)).identity.publicKey.serialize();
  }

  async topUp(tx: Tx, account: AccountKey, offered: PrekeyCounts): Promise<OneTimeKeys> {
    await this.#lock(tx, account);
    const { identity } = await this.#identity(tx, account);
    await this.#makeOneTime(tx, account, await this.#missing(tx, account, 'one-time', offered.prekeys));
    const kyber = await this.#missing(tx, account, 'kyber', offered.kyber);
    await this.#makeKyber(tx, account, identity.privateKey, kyber);
    for (const kind of ['one-time', 'kyber'] as const) {
      // Keys that were handed out and never used would pile up without end.
      await this.#records.deleteOldestPrekeys(tx, account, kind, heldPrekeys(this.#settings));
    }
    return await this.#unconfirmed(tx, account);
  }

  async confirmUploaded(tx: Tx, account: AccountKey, keys: readonly UploadedKey[]): Promise<void> {
    await this.#lock(tx, account);
    for (const kind of ['one-time', 'kyber', 'signed', 'last-resort'] as const) {
      const ids = keys.filter((key) => key.kind === kind).map((key) => key.id);
      if (ids.length === 0) continue;
      await this.#records.saveUploaded(tx, account, kind, ids);
      // Only now: until its successor is published, contacts are still given the old one.
      if (kind === 'signed' || kind === 'last-resort') {
        await this.#records.saveReplaced(tx, account, kind, Math.max(...ids));
      }
    }
  }

  async rotateSigned(tx: Tx, account: AccountKey): Promise<SignedPair | undefined> {
    await this.#lock(tx, account);
    const nowMs = this.#clock.nowMs();
    await this.#records.deleteReplaced(tx, account, keptSinceMs(this.#settings, nowMs));
    const signed = await this.#newest(tx, account, 'signed');
    const lastResort = await this.#newest(tx, account, 'last-resort');
    for (const { record } of [signed, lastResort]) record.fill(0);
    if (signed.uploadedAtMs !== undefined && lastResort.uploadedAtMs !== undefined) {
      if (!pairIsDue(this.#settings, nowMs - signed.createdAtMs)) return undefined;
      const { identity } = await this.#identity(tx, account);
      await this.#makeSignedPair(tx, account, identity.privateKey);
      this.#log.info('new signed prekeys', { account: account.id });
    }
    return await this.#newestPair(tx, account);
  }

  async status(tx: Tx, account: AccountKey): Promise<PrekeyStatus> {
    const nowMs = this.#clock.nowMs();
    const counts = new Map((await this.#records.listPrekeyCounts(tx, account)).map((row) => [row.kind, row]));
    const stock = (kind: PrekeyKind) => {
      const { held, unconfirmed } = counts.get(kind) ?? { held: 0, unconfirmed: 0 };
      return { held, unconfirmed };
    };
    const age = (kind: PrekeyKind) => {
      const newest = counts.get(kind)?.newestCreatedAtMs;
      return newest === undefined ? undefined : nowMs - newest;
    };
    return {
      prekeys: stock('one-time'),
      kyber: stock('kyber'),
      signedAgeMs: age('signed'),
      lastResortAgeMs: age('last-resort'),
    };
  }

  async #lock(tx: Tx, account: AccountKey): Promise<void> {
    await lockInDatabase(this.#databaseType, tx, accountKey(account.id));
  }

  async #identity(
    tx: Tx,
    account: AccountKey,
  ): Promise<{ registrationId: number; identity: IdentityKeyPair }> {
    const found = await this.#records.findIdentity(tx, account);
    if (found === undefined) throw signalErrors.deviceMissing({ account: account.id });
    return {
      registrationId: found.registrationId,
      identity: consumeSecret(found.keyPair, (bytes) => IdentityKeyPair.deserialize(bytes)),
    };
  }

  async #missing(tx: Tx, account: AccountKey, kind: PrekeyKind, offered: number): Promise<number> {
    const counts = await this.#records.listPrekeyCounts(tx, account);
    const count = counts.find((row) => row.kind === kind);
    return missingPrekeys(this.#settings, {
      offered,
      unconfirmed: count?.unconfirmed ?? 0,
      newestAgeMs: count && this.#clock.nowMs() - count.newestCreatedAtMs,
    });
  }

  async #newest(tx: Tx, account: AccountKey, kind: 'signed' | 'last-resort'): Promise<StoredPrekey> {
    const newest = await this.#records.findNewestPrekey(tx, account, kind);
    if (newest === undefined) throw signalErrors.deviceMissing({ account: account.id, kind });
    return newest;
  }

  async #newestPair(tx: Tx, account: AccountKey): Promise<SignedPair> {
    const signed = await this.#newest(tx, account, 'signed');
    const lastResort = await this.#newest(tx, account, 'last-resort');
    return {
      signedPrekey: consumeSecret(signed.record, (bytes) =>
        toSignedPublic(SignedPreKeyRecord.deserialize(bytes)),
      ),
      kyberLastResort: consumeSecret(lastResort.record, (bytes) =>
        toSignedPublic(KyberPreKeyRecord.deserialize(bytes)),
      ),
    };
  }

  async #unconfirmed(tx: Tx, account: AccountKey): Promise<OneTimeKeys> {
    const prekeys = await this.#records.listUnconfirmedPrekeys(tx, account, 'one-time');
    const kyberPrekeys = await this.#records.listUnconfirmedPrekeys(tx, account, 'kyber');
    return {
      prekeys: prekeys.map(({ record }) =>
        consumeSecret(record, (bytes) => toPublic(PreKeyRecord.deserialize(bytes))),
      ),
      kyberPrekeys: kyberPrekeys.map(({ record }) =>
        consumeSecret(record, (bytes) => toSignedPublic(KyberPreKeyRecord.deserialize(bytes))),
      ),
    };
  }

  async #makeOneTime(tx: Tx, account: AccountKey, count: number): Promise<void> {
    if (count === 0) return;
    const first = await this.#records.takeIds(tx, account, 'prekey', count);
    const made: Made[] = [];
    for (let id = first; id < first + count; id += 1) {
      const key = PrivateKey.generate();
      made.push({ id, record: PreKeyRecord.new(id, key.getPublicKey(), key).serialize() });
    }
    await this.#store(tx, account, 'one-time', made);
  }

  async #makeKyber(tx: Tx, account: AccountKey, identity: PrivateKey, count: number): Promise<void> {
    if (count === 0) return;
    const first = await this.#records.takeIds(tx, account, 'kyber', count);
    const made: Made[] = [];
    for (let id = first; id < first + count; id += 1) made.push(this.#makeKyberRecord(id, identity));
    await this.#store(tx, account, 'kyber', made);
  }

  async #makeSignedPair(tx: Tx, account: AccountKey, identity: PrivateKey): Promise<void> {
    const signedId = await this.#records.takeIds(tx, account, 'signed', 1);
    const key = PrivateKey.generate();
    const publicKey = key.getPublicKey();
    const signature = identity.sign(publicKey.serialize());
    const signed = SignedPreKeyRecord.new(signedId, this.#clock.nowMs(), publicKey, key, signature);
    await this.#store(tx, account, 'signed', [{ id: signedId, record: signed.serialize() }]);
    const lastResortId = await this.#records.takeIds(tx, account, 'kyber', 1);
    await this.#store(tx, account, 'last-resort', [this.#makeKyberRecord(lastResortId, identity)]);
  }

  #makeKyberRecord(id: number, identity: PrivateKey): Made {
    const pair = KEMKeyPair.generate();
    const signature = identity.sign(pair.getPublicKey().serialize());
    return { id, record: KyberPreKeyRecord.new(id, this.#clock.nowMs(), pair, signature).serialize() };
  }

  async #store(tx: Tx, account: AccountKey, kind: PrekeyKind, made: readonly Made[]): Promise<void> {
    try {
      await this.#records.insertPrekeys(tx, account, kind, made);
    } finally {
      for (const { record } of made) record.fill(0);
    }
  }
}

type PublicHalf = { id(): number; publicKey(): Pick<PublicKey, 'serialize'> };

function toPublic(record: PublicHalf): PublicPrekey {
  return { id: record.id(), key: record.publicKey().serialize() };
}

function toSignedPublic(record: PublicHalf & { signature(): Uint8Array }): SignedPublicPrekey {
  return { ...toPublic(record), signature: record.signature() };
}
