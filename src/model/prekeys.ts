/**
 * The public half of Signal's keys, and the envelope of one encrypted message: shapes that the Signal store makes and a
 * network carries. Keys are libsignal's serialised public keys with their type byte; nothing secret has a place here.
 */
import type { DeviceId } from './ids.ts';

/** Bytes of a serialised Curve25519 public key: type byte 0x05, then 32 bytes. */
export const EC_KEY_BYTES = 33;
/** Bytes of a serialised Kyber-1024 public key: type byte 0x08, then 1,568 bytes. */
export const KYBER_KEY_BYTES = 1569;
/** Bytes of an XEdDSA signature by the identity key. */
export const SIGNATURE_BYTES = 64;

/** A one-time Curve25519 key. */
export interface PublicPrekey {
  /** 0 to 2^31 - 1. Unique within its device and kind; never used twice. */
  readonly id: number;
  /** 33 bytes (`EC_KEY_BYTES`); 1,569 (`KYBER_KEY_BYTES`) where a Kyber key stands. */
  readonly key: Uint8Array;
}

/** A key that its device's identity key has signed: the signed prekey (33 bytes) or a Kyber key (1,569 bytes). */
export interface SignedPublicPrekey extends PublicPrekey {
  /** 64 bytes, over the serialised public key. */
  readonly signature: Uint8Array;
}

/** What one of our devices publishes when it is enlisted. */
export interface PublicDevice {
  /** 1 to 16380. */
  readonly registrationId: number;
  /** 33 bytes. */
  readonly identityKey: Uint8Array;
  readonly signedPrekey: SignedPublicPrekey;
  readonly kyberLastResort: SignedPublicPrekey;
  /** May be empty. */
  readonly prekeys: readonly PublicPrekey[];
  /** May be empty. */
  readonly kyberPrekeys: readonly SignedPublicPrekey[];
}

/** What is needed to begin a session with one device of a contact. Its signatures are the receiver's to check. */
export interface PrekeyBundle {
  readonly device: DeviceId;
  readonly registrationId: number;
  /** 33 bytes. */
  readonly identityKey: Uint8Array;
  readonly signedPrekey: SignedPublicPrekey;
  /** Absent when the contact has no one-time key left. */
  readonly prekey?: PublicPrekey;
  /** One-time, or the last-resort key when none is left: the two look alike. */
  readonly kyberPrekey: SignedPublicPrekey;
}

/** How many one-time keys of each kind the keys service still holds for a device of ours. */
export interface PrekeyCounts {
  readonly prekeys: number;
  readonly kyber: number;
}

/** One message as the Signal protocol encrypted it for one device. `prekey`: it also begins the session. */
export interface SignalMessage {
  readonly type: 'prekey' | 'message';
  readonly body: Uint8Array;
}
