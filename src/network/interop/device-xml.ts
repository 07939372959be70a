/**
 * A device's public keys as an element, in the answers of the keys service and in retry requests
 * (docs/interop-profile.md §5). Pure. Reading checks form, sizes and type bytes; signatures are the Signal side's.
 */
import { type Element, xml } from '@xmpp/client';
import { type DeviceId, deviceId } from '../../model/ids.ts';
import {
  EC_KEY_BYTES,
  KYBER_KEY_BYTES,
  type PrekeyBundle,
  type PublicPrekey,
  SIGNATURE_BYTES,
  type SignedPublicPrekey,
} from '../../model/prekeys.ts';
import { networkErrors } from '../errors.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { NS_KEYS } from './namespaces.ts';

/** libsignal's type byte in front of a serialised key. */
const EC_TYPE = 0x05;
const KYBER_TYPE = 0x08;
const MAX_KEY_ID = 0x7fff_ffff;
/** libsignal makes registration ids of 14 bits. */
const MAX_REGISTRATION_ID = 0x3fff;

/** @throws BridgeError `network/badAnswer`; facts name the field. */
export function readDevice(element: Element): PrekeyBundle {
  const prekey = atMostOne(element, 'prekey');
  return {
    device: readDeviceId(element.attrs.id),
    registrationId: readNumber(element.attrs.registration, MAX_REGISTRATION_ID, 'registration'),
    identityKey: readKey(one(element, 'identity'), 'ec'),
    signedPrekey: readSignedKey(one(element, 'signed-prekey'), 'ec'),
    ...(prekey === undefined ? {} : { prekey: { id: readKeyId(prekey), key: readKey(prekey, 'ec') } }),
    kyberPrekey: readSignedKey(one(element, 'kyber'), 'kyber'),
  };
}

/** The `<device/>` that `readDevice` reads. */
export function writeDevice(bundle: PrekeyBundle): Element {
  return xml(
    'device',
    { xmlns: NS_KEYS, id: String(bundle.device), registration: String(bundle.registrationId) },
    xml('identity', {}, toBase64(bundle.identityKey)),
    writeSignedKey('signed-prekey', bundle.signedPrekey),
    ...(bundle.prekey === undefined ? [] : [writeKey('prekey', bundle.prekey)]),
    writeSignedKey('kyber', bundle.kyberPrekey),
  );
}

/** A one-time key as the element `name`. */
export function writeKey(name: string, key: PublicPrekey): Element {
  return xml(name, { id: String(key.id) }, toBase64(key.key));
}

/** A key with its signature as the element `name`. */
export function writeSignedKey(name: string, key: SignedPublicPrekey): Element {
  return xml(name, { id: String(key.id), sig: toBase64(key.signature) }, toBase64(key.key));
}

/** @throws BridgeError `network/badAnswer` unless a plain decimal number from 0 to `max`. */
export function readNumber(text: string | undefined, max: number, field: string): number {
  if (text === undefined || !/^(0|[1-9]\d{0,9})$/.test(text) || Number(text) > max) throw bad(field);
  return Number(text);
}

/** @throws BridgeError `network/badAnswer` outside 1 to 127. */
export function readDeviceId(text: string | undefined): DeviceId {
  const number = readNumber(text, 127, 'device');
  if (number === 0) throw bad('device');
  return deviceId(number);
}

function readSignedKey(element: Element, type: 'ec' | 'kyber'): SignedPublicPrekey {
  const signature = fromBase64(element.attrs.sig ?? '');
  if (signature?.length !== SIGNATURE_BYTES) throw bad(`${element.getName()} signature`);
  return { id: readKeyId(element), key: readKey(element, type), signature };
}

function readKeyId(element: Element): number {
  return readNumber(element.attrs.id, MAX_KEY_ID, `${element.getName()} id`);
}

function readKey(element: Element, type: 'ec' | 'kyber'): Uint8Array {
  const key = fromBase64(element.text());
  const [length, mark] = type === 'ec' ? [EC_KEY_BYTES, EC_TYPE] : [KYBER_KEY_BYTES, KYBER_TYPE];
  if (key?.length !== length || key[0] !== mark) throw bad(element.getName());
  return key;
}

function one(parent: Element, name: string): Element {
  const found = atMostOne(parent, name);
  if (found === undefined) throw bad(name);
  return found;
}

function atMostOne(parent: Element, name: string): Element | undefined {
  const [found, ...more] = parent.getChildren(name, NS_KEYS);
  if (more.length > 0) throw bad(name);
  return found;
}

function bad(field: string) {
  return networkErrors.badAnswer({ from: 'keys', field });
}
