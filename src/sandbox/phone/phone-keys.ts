/**
 * A phone's Signal state: identity, keys, sessions, and what it knows of others' identities; in memory, and if wanted in
 * one JSON file (mode 0600), replaced whole after each change.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  type Direction,
  IdentityChange,
  IdentityKeyPair,
  IdentityKeyStore,
  KEMKeyPair,
  KyberPreKeyRecord,
  KyberPreKeyStore,
  PreKeyRecord,
  PreKeyStore,
  PrivateKey,
  type ProtocolAddress,
  PublicKey,
  SessionRecord,
  SessionStore,
  SignedPreKeyRecord,
  SignedPreKeyStore,
} from '@signalapp/libsignal-client';

import type { Clock, Random } from '../../model/ambient.ts';

/** Everything as base64; the file's form. */
interface State {
  identity: string;
  registrationId: number;
  nextId: number;
  signedId: number;
  lastResortId: number;
  prekeys: Record<string, string>;
  signed: Record<string, string>;
  kyber: Record<string, string>;
  sessions: Record<string, string>;
  identities: Record<string, string>;
}

type Bytes = Uint8Array<ArrayBuffer>;
export interface PublicOneTimeKey {
  readonly id: number;
  readonly key: Bytes;
}
export interface PublicSignedKey extends PublicOneTimeKey {
  readonly signature: Bytes;
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
const toBytes = (text: string): Bytes => new Uint8Array(Buffer.from(text, 'base64'));
const nameOf = (address: ProtocolAddress) => `${address.name()}.${address.deviceId()}`;

export class PhoneKeys {
  readonly #file: string | undefined;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onIdentityChange: (name: string) => void;
  #state: State;

  /** @param parts `file`: read if it is there. Without it everything ends with the process. */
  constructor(parts: {
    readonly file: string | undefined;
    readonly clock: Clock;
    readonly random: Random;
    /** A contact shows another identity key than before: a JID. */
    readonly onIdentityChange: (jid: string) => void;
  }) {
    this.#file = parts.file;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#onIdentityChange = parts.onIdentityChange;
    this.#state =
      parts.file !== undefined && existsSync(parts.file)
        ? JSON.parse(readFileSync(parts.file, 'utf8'))
        : this.#newState({});
    this.save();
  }

  /** The five stores, as libsignal takes them. */
  readonly sessions: SessionStore = new Sessions(() => this.#state.sessions);
  readonly identity: IdentityKeyStore = new Identities(
    () => this.#state,
    (jid) => this.#onIdentityChange(jid),
  );
  readonly prekeys: PreKeyStore = new Prekeys(() => this.#state.prekeys);
  readonly signed: SignedPreKeyStore = new SignedPrekeys(() => this.#state.signed);
  readonly kyber: KyberPreKeyStore = new KyberPrekeys(() => this.#state);

  /** Forgets identity, keys and sessions, as a new installation does; what is known of others stays. */
  reset(): void {
    this.#state = this.#newState(this.#state.identities);
    this.save();
  }

  /** Whether a message can be sent to this address without a new bundle. */
  async hasSession(address: ProtocolAddress): Promise<boolean> {
    return (await this.sessions.getSession(address))?.hasCurrentState() ?? false;
  }

  /** Keeps old messages readable, but the next one to this address starts a new session. */
  async archiveSession(address: ProtocolAddress): Promise<void> {
    const record = await this.sessions.getSession(address);
    if (record === null) return;
    record.archiveCurrentState();
    await this.sessions.saveSession(address, record);
  }

  forgetSession(address: ProtocolAddress): void {
    delete this.#state.sessions[nameOf(address)];
  }

  /** The JSON `Device` of the profile (section 2), without one-time keys. */
  device(): Record<string, unknown> {
    const signed = SignedPreKeyRecord.deserialize(toBytes(this.#state.signed[this.#state.signedId] ?? ''));
    const kyber = KyberPreKeyRecord.deserialize(toBytes(this.#state.kyber[this.#state.lastResortId] ?? ''));
    const signedKey = (record: typeof signed | typeof kyber) => ({
      id: record.id(),
      key: base64(record.publicKey().serialize()),
      signature: base64(record.signature()),
    });
    return {
      registration_id: this.#state.registrationId,
      identity_key: base64(this.#pair().publicKey.serialize()),
      signed_prekey: signedKey(signed),
      kyber_last_resort: signedKey(kyber),
      prekeys: [],
      kyber_prekeys: [],
    };
  }

  /** Makes and keeps `count` one-time keys of each kind. @returns their public halves. */
  makeOneTime(count: number): { prekeys: PublicOneTimeKey[]; kyber: PublicSignedKey[] } {
    const prekeys: PublicOneTimeKey[] = [];
    const kyber: PublicSignedKey[] = [];
    for (let made = 0; made < count; made += 1) {
      const id = this.#takeId();
      const secret = PrivateKey.generate();
      const record = PreKeyRecord.new(id, secret.getPublicKey(), secret);
      this.#state.prekeys[id] = base64(record.serialize());
      prekeys.push({ id, key: secret.getPublicKey().serialize() });
      const kem = this.#makeKyber(this.#takeId());
      kyber.push({ id: kem.id(), key: kem.publicKey().serialize(), signature: kem.signature() });
    }
    this.save();
    return { prekeys, kyber };
  }

  /** Writes the file, if there is one. Called after each use of the stores. */
  save(): void {
    if (this.#file === undefined) return;
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    const next = `${this.#file}.next`;
    writeFileSync(next, JSON.stringify(this.#state), { mode: 0o600 });
    renameSync(next, this.#file);
  }

  #newState(identities: Record<string, string>): State {
    const first = this.#random.bytes(2).readUInt16BE() + 1;
    this.#state = {
      identity: base64(IdentityKeyPair.generate().serialize()),
      registrationId: (this.#random.bytes(2).readUInt16BE() % 16_380) + 1,
      nextId: first,
      signedId: 0,
      lastResortId: 0,
      prekeys: {},
      signed: {},
      kyber: {},
      sessions: {},
      identities,
    };
    this.#state.signedId = this.#makeSigned(this.#takeId());
    this.#state.lastResortId = this.#makeKyber(this.#takeId()).id();
    return this.#state;
  }

  #takeId(): number {
    this.#state.nextId += 1;
    return this.#state.nextId - 1;
  }

  #pair(): IdentityKeyPair {
    return IdentityKeyPair.deserialize(toBytes(this.#state.identity));
  }

  #makeSigned(id: number): number {
    const secret = PrivateKey.generate();
    const key = secret.getPublicKey();
    const signature = this.#pair().privateKey.sign(key.serialize());
    const record = SignedPreKeyRecord.new(id, this.#clock.nowMs(), key, secret, signature);
    this.#state.signed[id] = base64(record.serialize());
    return id;
  }

  #makeKyber(id: number): KyberPreKeyRecord {
    const pair = KEMKeyPair.generate();
    const signature = this.#pair().privateKey.sign(pair.getPublicKey().serialize());
    const record = KyberPreKeyRecord.new(id, this.#clock.nowMs(), pair, signature);
    this.#state.kyber[id] = base64(record.serialize());
    return record;
  }
}

class Sessions extends SessionStore {
  readonly #sessions: () => Record<string, string>;

  constructor(sessions: () => Record<string, string>) {
    super();
    this.#sessions = sessions;
  }
  override async saveSession(address: ProtocolAddress, record: SessionRecord): Promise<void> {
    this.#sessions()[nameOf(address)] = base64(record.serialize());
  }
  override async getSession(address: ProtocolAddress): Promise<SessionRecord | null> {
    const found = this.#sessions()[nameOf(address)];
    return found === undefined ? null : SessionRecord.deserialize(toBytes(found));
  }
  override async getExistingSessions(addresses: ProtocolAddress[]): Promise<SessionRecord[]> {
    const found = await Promise.all(addresses.map((address) => this.getSession(address)));
    return found.filter((record) => record !== null);
  }
}

class Identities extends IdentityKeyStore {
  readonly #state: () => State;
  readonly #onChange: (jid: string) => void;

  constructor(state: () => State, onChange: (jid: string) => void) {
    super();
    this.#state = state;
    this.#onChange = onChange;
  }
  override async getIdentityKey(): Promise<PrivateKey> {
    return IdentityKeyPair.deserialize(toBytes(this.#state().identity)).privateKey;
  }
  override async getLocalRegistrationId(): Promise<number> {
    return this.#state().registrationId;
  }
  override async saveIdentity(address: ProtocolAddress, key: PublicKey): Promise<IdentityChange> {
    const { identities } = this.#state();
    const name = nameOf(address);
    const [before, now] = [identities[name], base64(key.serialize())];
    identities[name] = now;
    if (before === undefined || before === now) return IdentityChange.NewOrUnchanged;
    this.#onChange(address.name());
    return IdentityChange.ReplacedExisting;
  }
  /** As the usual apps do: a changed identity is shown, and does not stop the conversation. */
  override async isTrustedIdentity(
    _name: ProtocolAddress,
    _key: PublicKey,
    _way: Direction,
  ): Promise<boolean> {
    return true;
  }
  override async getIdentity(address: ProtocolAddress): Promise<PublicKey | null> {
    const found = this.#state().identities[nameOf(address)];
    return found === undefined ? null : PublicKey.deserialize(toBytes(found));
  }
}

class Prekeys extends PreKeyStore {
  readonly #keys: () => Record<string, string>;

  constructor(keys: () => Record<string, string>) {
    super();
    this.#keys = keys;
  }
  override async savePreKey(id: number, record: PreKeyRecord): Promise<void> {
    this.#keys()[id] = base64(record.serialize());
  }
  override async getPreKey(id: number): Promise<PreKeyRecord> {
    return PreKeyRecord.deserialize(found(this.#keys(), id));
  }
  override async removePreKey(id: number): Promise<void> {
    delete this.#keys()[id];
  }
}

class SignedPrekeys extends SignedPreKeyStore {
  readonly #keys: () => Record<string, string>;

  constructor(keys: () => Record<string, string>) {
    super();
    this.#keys = keys;
  }
  override async saveSignedPreKey(id: number, record: SignedPreKeyRecord): Promise<void> {
    this.#keys()[id] = base64(record.serialize());
  }
  override async getSignedPreKey(id: number): Promise<SignedPreKeyRecord> {
    return SignedPreKeyRecord.deserialize(found(this.#keys(), id));
  }
}

class KyberPrekeys extends KyberPreKeyStore {
  readonly #state: () => State;

  constructor(state: () => State) {
    super();
    this.#state = state;
  }
  override async saveKyberPreKey(id: number, record: KyberPreKeyRecord): Promise<void> {
    this.#state().kyber[id] = base64(record.serialize());
  }
  override async getKyberPreKey(id: number): Promise<KyberPreKeyRecord> {
    return KyberPreKeyRecord.deserialize(found(this.#state().kyber, id));
  }
  override async markKyberPreKeyUsed(id: number): Promise<void> {
    if (id !== this.#state().lastResortId) delete this.#state().kyber[id];
  }
}

function found(keys: Record<string, string>, id: number): Bytes {
  const record = keys[id];
  if (record === undefined) throw new RangeError('no such key');
  return toBytes(record);
}
