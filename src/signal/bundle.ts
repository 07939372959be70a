/** Bundles of contacts: a keys service hands them out, so nothing in them is believed before it is checked. */
import { KEMPublicKey, PreKeyBundle, PublicKey } from '@signalapp/libsignal-client';
import type { ErrorFacts } from '../model/errors.ts';
import type { DeviceId } from '../model/ids.ts';
import {
  EC_KEY_BYTES,
  KYBER_KEY_BYTES,
  type PrekeyBundle,
  SIGNATURE_BYTES,
  type SignedPublicPrekey,
} from '../model/prekeys.ts';
import { signalErrors } from './errors.ts';
import { parseWith } from './libsignal-failure.ts';
import { asBytes } from './secret-bytes.ts';

/** Ids and registration numbers are 31 bits on the wire of every known implementation. */
const LARGEST_ID = 0x7fff_ffff;

/**
 * Checks sizes, ranges and both signatures, and that the bundle is for the device that was asked for. libsignal checks
 * the signatures again, but only after it has asked whether the identity is trusted: here nobody can have an identity
 * change recorded with a bundle that its own identity did not sign.
 * @throws BridgeError `signal/badBundle`, with the reason among its facts.
 */
export function parseBundle(bundle: PrekeyBundle, device: DeviceId, facts: ErrorFacts): PreKeyBundle {
  const demand = (holds: boolean, reason: string): void => {
    if (!holds) throw signalErrors.badBundle({ ...facts, reason });
  };
  demand(bundle.device === device, 'other device');
  demand(isId(bundle.registrationId) && bundle.registrationId > 0, 'registration id out of range');
  demand(bundle.identityKey.length === EC_KEY_BYTES, 'identity key of a wrong length');
  demand(isShaped(bundle.signedPrekey, EC_KEY_BYTES), 'signed prekey misshapen');
  demand(isShaped(bundle.kyberPrekey, KYBER_KEY_BYTES), 'Kyber prekey misshapen');
  if (bundle.prekey !== undefined) {
    demand(isId(bundle.prekey.id) && bundle.prekey.key.length === EC_KEY_BYTES, 'one-time prekey misshapen');
  }
  const parsed = parseWith(
    () => toPreKeyBundle(bundle),
    (cause) => signalErrors.badBundle({ ...facts, reason: 'keys do not parse' }, cause),
  );
  demand(isSigned(parsed, bundle.signedPrekey), 'signed prekey has a wrong signature');
  demand(isSigned(parsed, bundle.kyberPrekey), 'Kyber prekey has a wrong signature');
  return parsed;
}

function toPreKeyBundle(bundle: PrekeyBundle): PreKeyBundle {
  return PreKeyBundle.new(
    bundle.registrationId,
    bundle.device,
    bundle.prekey?.id ?? null,
    bundle.prekey === undefined ? null : PublicKey.deserialize(asBytes(bundle.prekey.key)),
    bundle.signedPrekey.id,
    PublicKey.deserialize(asBytes(bundle.signedPrekey.key)),
    asBytes(bundle.signedPrekey.signature),
    PublicKey.deserialize(asBytes(bundle.identityKey)),
    bundle.kyberPrekey.id,
    KEMPublicKey.deserialize(asBytes(bundle.kyberPrekey.key)),
    asBytes(bundle.kyberPrekey.signature),
  );
}

function isShaped({ id, key, signature }: SignedPublicPrekey, keyBytes: number): boolean {
  return isId(id) && key.length === keyBytes && signature.length === SIGNATURE_BYTES;
}

function isSigned(bundle: PreKeyBundle, { key, signature }: SignedPublicPrekey): boolean {
  return bundle.identityKey().verify(asBytes(key), asBytes(signature));
}

function isId(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= LARGEST_ID;
}
