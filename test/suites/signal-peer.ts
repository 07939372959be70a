/** A contact's device: libsignal over stores in memory, sharing no code with `src/signal/`. */
import {
  CiphertextMessageType,
  IdentityChange,
  IdentityKeyPair,
  type IdentityKeyStore,
  KEMKeyPair,
  KEMPublicKey,
  KyberPreKeyRecord,
  type KyberPreKeyStore,
  PreKeyBundle,
  PreKeyRecord,
  PreKeySignalMessage,
  type PreKeyStore,
  PrivateKey,
  ProtocolAddress,
  PublicKey,
  processPreKeyBundle,
  SessionRecord,
  type SessionStore,
  SignalMessage as SignalMessageRecord,
  SignedPreKeyRecord,
  type SignedPreKeyStore,
  signalDecrypt,
  signalDecryptPreKey,
  signalEncrypt,
} from '@signalapp/libsignal-client';
import { type ContactId, type DeviceId, deviceId } from '../../src/model/ids.ts';
import type { PrekeyBundle, PublicDevice, SignalMessage } from '../../src/model/prekeys.ts';

const REGISTRATION_ID = 4711;

export class SignalPeer {
  readonly address: { contact: ContactId; device: DeviceId };
  readonly identity: IdentityKeyPair;
  readonly #clock: { nowMs(): number };
  readonly #stores: MemoryStores;
  readonly #own: ProtocolAddress;
  #nextId = 1;

  constructor(
    contact: ContactId,
    clock: { nowMs(): number },
    device = 1,
    identity = IdentityKeyPair.generate(),
  ) {
    this.address = { contact, device: deviceId(device) };
    this.identity = identity;
    this.#clock = clock;
    this.#stores = new MemoryStores(identity);
    this.#own = ProtocolAddress.new(contact, device);
  }

  get identityKey(): Buffer {
    return Buffer.from(this.identity.publicKey.serialize());
  }

  /** A bundle with keys of its own. */
  bundle({ oneTime = true } = {}): PrekeyBundle {
    const id = this.#nextId++;
    const signed = PrivateKey.generate();
    const signedKey = signed.getPublicKey().serialize();
    const signedSignature = this.identity.privateKey.sign(signedKey);
    this.#stores.signed.set(
      id,
      SignedPreKeyRecord.new(id, 0, signed.getPublicKey(), signed, signedSignature),
    );
    const kyber = KEMKeyPair.generate();
    const kyberKey = kyber.getPublicKey().serialize();
    const kyberSignature = this.identity.privateKey.sign(kyberKey);
    this.#stores.kyber.set(id, KyberPreKeyRecord.new(id, 0, kyber, kyberSignature));
    const prekey = PrivateKey.generate();
    this.#stores.prekeys.set(id, PreKeyRecord.new(id, prekey.getPublicKey(), prekey));
    return {
      device: this.address.device,
      registrationId: REGISTRATION_ID,
      identityKey: this.identityKey,
      signedPrekey: { id, key: signedKey, signature: signedSignature },
      kyberPrekey: { id, key: kyberKey, signature: kyberSignature },
      ...(oneTime && { prekey: { id, key: prekey.getPublicKey().serialize() } }),
    };
  }

  /** Begins a session with one of our devices. `use`: which of its one-time keys; none stands for the last-resort key. */
  async start(
    own: OwnAddress,
    device: PublicDevice,
    use: { prekey?: number; kyber?: number } = {},
  ): Promise<void> {
    const prekey = use.prekey === undefined ? undefined : device.prekeys[use.prekey];
    const kyber =
      (use.kyber === undefined ? undefined : device.kyberPrekeys[use.kyber]) ?? device.kyberLastResort;
    const bundle = PreKeyBundle.new(
      device.registrationId,
      own.device,
      prekey?.id ?? null,
      prekey === undefined ? null : PublicKey.deserialize(bytes(prekey.key)),
      device.signedPrekey.id,
      PublicKey.deserialize(bytes(device.signedPrekey.key)),
      bytes(device.signedPrekey.signature),
      PublicKey.deserialize(bytes(device.identityKey)),
      kyber.id,
      KEMPublicKey.deserialize(bytes(kyber.key)),
      bytes(kyber.signature),
    );
    const now = new Date(this.#clock.nowMs());
    await processPreKeyBundle(bundle, ownAddress(own), this.#own, this.#stores, this.#stores, now);
  }

  async encrypt(own: OwnAddress, text: string): Promise<SignalMessage> {
    const now = new Date(this.#clock.nowMs());
    const plaintext = new TextEncoder().encode(text);
    const message = await signalEncrypt(
      plaintext,
      ownAddress(own),
      this.#own,
      this.#stores,
      this.#stores,
      now,
    );
    return {
      type: message.type() === CiphertextMessageType.PreKey ? 'prekey' : 'message',
      body: message.serialize(),
    };
  }

  async decrypt(own: OwnAddress, { type, body }: SignalMessage): Promise<string> {
    const from = ownAddress(own);
    const s = this.#stores;
    const plaintext =
      type === 'prekey'
        ? await signalDecryptPreKey(
            PreKeySignalMessage.deserialize(bytes(body)),
            from,
            this.#own,
            s,
            s,
            s,
            s,
            s,
          )
        : await signalDecrypt(SignalMessageRecord.deserialize(bytes(body)), from, this.#own, s, s);
    return new TextDecoder().decode(plaintext);
  }
}

type OwnAddress = Readonly<{ jid: ContactId; device: DeviceId }>;

class MemoryStores
  implements SessionStore, IdentityKeyStore, PreKeyStore, SignedPreKeyStore, KyberPreKeyStore
{
  readonly prekeys = new Map<number, PreKeyRecord>();
  readonly signed = new Map<number, SignedPreKeyRecord>();
  readonly kyber = new Map<number, KyberPreKeyRecord>();
  readonly #sessions = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #identity: IdentityKeyPair;

  constructor(identity: IdentityKeyPair) {
    this.#identity = identity;
  }

  async getSession(name: ProtocolAddress): Promise<SessionRecord | null> {
    const record = this.#sessions.get(name.toString());
    return record === undefined ? null : SessionRecord.deserialize(record);
  }
  async getExistingSessions(): Promise<SessionRecord[]> {
    return [];
  }
  async saveSession(name: ProtocolAddress, record: SessionRecord): Promise<void> {
    this.#sessions.set(name.toString(), record.serialize());
  }
  async getIdentityKey(): Promise<PrivateKey> {
    return this.#identity.privateKey;
  }
  async getIdentityKeyPair(): Promise<IdentityKeyPair> {
    return this.#identity;
  }
  async getLocalRegistrationId(): Promise<number> {
    return REGISTRATION_ID;
  }
  async saveIdentity(): Promise<IdentityChange> {
    return IdentityChange.NewOrUnchanged;
  }
  async isTrustedIdentity(): Promise<boolean> {
    return true;
  }
  async getIdentity(): Promise<PublicKey | null> {
    return null;
  }
  async getPreKey(id: number): Promise<PreKeyRecord> {
    return present(this.prekeys.get(id));
  }
  async removePreKey(id: number): Promise<void> {
    this.prekeys.delete(id);
  }
  async getSignedPreKey(id: number): Promise<SignedPreKeyRecord> {
    return present(this.signed.get(id));
  }
  async getKyberPreKey(id: number): Promise<KyberPreKeyRecord> {
    return present(this.kyber.get(id));
  }
  async markKyberPreKeyUsed(id: number): Promise<void> {
    this.kyber.delete(id);
  }
  async savePreKey(): Promise<void> {
    throw new TypeError('not used');
  }
  async saveSignedPreKey(): Promise<void> {
    throw new TypeError('not used');
  }
  async saveKyberPreKey(): Promise<void> {
    throw new TypeError('not used');
  }
}

function ownAddress({ jid, device }: OwnAddress): ProtocolAddress {
  return ProtocolAddress.new(jid, device);
}

function present<T>(record: T | undefined): T {
  if (record === undefined) throw new RangeError('the peer has no such key');
  return record;
}

function bytes(buffer: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer);
}
