/**
 * A device's public keys, as they come in an enlistment or from a phone (docs/interop-profile.md, section 2), checked:
 * sizes, type bytes, and every signature against the identity key.
 */
import { PublicKey } from '@signalapp/libsignal-client';
import { z } from 'zod';

import { gatekeeperErrors } from './gatekeeper-errors.ts';

export interface OneTimeKey {
  readonly id: number;
  readonly key: Uint8Array<ArrayBuffer>;
}
export interface SignedKey extends OneTimeKey {
  readonly signature: Uint8Array<ArrayBuffer>;
}
export interface Device {
  /** 1 to 16380 (libsignal's range). */
  readonly registrationId: number;
  /** 33 bytes. */
  readonly identityKey: Uint8Array<ArrayBuffer>;
  readonly signedPrekey: SignedKey;
  readonly kyberLastResort: SignedKey;
  readonly prekeys: readonly OneTimeKey[];
  readonly kyberPrekeys: readonly SignedKey[];
}

export const keyLimits = {
  /** One-time keys of one kind in one upload. */
  batch: 100,
  /** One-time keys of one kind that are kept unused for one device. */
  stored: 200,
  ecBytes: 33,
  kyberBytes: 1569,
  signatureBytes: 64,
} as const;

/** Type bytes in front of a serialised public key: X25519 and Kyber-1024. */
const typeBytes = { ec: 0x05, kyber: 0x08 } as const;

/**
 * Strict base64 (RFC 4648 §4, with padding) of exactly `bytes` bytes.
 * @returns `undefined` if it is anything else.
 * @example
 * fromBase64('AAE=', 2) // Uint8Array [0, 1]
 */
export function fromBase64(text: unknown, bytes: number): Uint8Array<ArrayBuffer> | undefined {
  if (typeof text !== 'string' || text.length !== Math.ceil(bytes / 3) * 4) return undefined;
  const decoded = Buffer.from(text, 'base64');
  return decoded.length === bytes && decoded.toString('base64') === text
    ? new Uint8Array(decoded)
    : undefined;
}

const binary = (bytes: number, type?: number) =>
  z.string().transform((text, context) => {
    const decoded = fromBase64(text, bytes);
    if (decoded !== undefined && (type === undefined || decoded[0] === type)) return decoded;
    context.addIssue({ code: 'custom', message: 'not a key' });
    return z.NEVER;
  });

const keyId = z.number().int().min(0).max(0x7fffffff);
const ecKey = binary(keyLimits.ecBytes, typeBytes.ec);
const kyberKey = binary(keyLimits.kyberBytes, typeBytes.kyber);
const signature = binary(keyLimits.signatureBytes);
const signedKyber = z.object({ id: keyId, key: kyberKey, signature });

/** The JSON form, for use in a larger schema. Signatures are not yet checked: call {@link checkDevice}. */
export const deviceSchema = z
  .object({
    registration_id: z.number().int().min(1).max(16_380),
    identity_key: ecKey,
    signed_prekey: z.object({ id: keyId, key: ecKey, signature }),
    kyber_last_resort: signedKyber,
    prekeys: z.array(z.object({ id: keyId, key: ecKey })).max(keyLimits.batch),
    kyber_prekeys: z.array(signedKyber).max(keyLimits.batch),
  })
  .transform(
    (device): Device => ({
      registrationId: device.registration_id,
      identityKey: device.identity_key,
      signedPrekey: device.signed_prekey,
      kyberLastResort: device.kyber_last_resort,
      prekeys: device.prekeys,
      kyberPrekeys: device.kyber_prekeys,
    }),
  );

/**
 * Checks the signatures of a parsed device, and that no key id comes twice.
 * @throws BridgeError `sandbox-gatekeeper/badRequest`.
 */
export function checkDevice(device: Device): Device {
  const { identityKey, signedPrekey, kyberLastResort, prekeys, kyberPrekeys } = device;
  checkSignatures(identityKey, [signedPrekey, kyberLastResort, ...kyberPrekeys]);
  checkDistinct(prekeys);
  checkDistinct([kyberLastResort, ...kyberPrekeys]);
  return device;
}

/**
 * @throws BridgeError `sandbox-gatekeeper/badRequest` if one does not fit, or the identity is no key.
 */
export function checkSignatures(identityKey: Uint8Array<ArrayBuffer>, keys: readonly SignedKey[]): void {
  let identity: PublicKey;
  try {
    identity = PublicKey.deserialize(identityKey);
  } catch (failure) {
    throw gatekeeperErrors.badRequest({ reason: 'identity key' }, failure);
  }
  for (const { id, key, signature: given } of keys) {
    if (!identity.verify(key, given)) throw gatekeeperErrors.badRequest({ reason: 'signature', key: id });
  }
}

function checkDistinct(keys: readonly OneTimeKey[]): void {
  if (new Set(keys.map(({ id }) => id)).size !== keys.length) {
    throw gatekeeperErrors.badRequest({ reason: 'key id twice' });
  }
}

/** Whether bytes have the form of a serialised public key of this kind. */
export function isKey(kind: 'ec' | 'kyber', key: Uint8Array): boolean {
  return (
    key.length === (kind === 'ec' ? keyLimits.ecBytes : keyLimits.kyberBytes) && key[0] === typeBytes[kind]
  );
}
