/** A phone's dealings with the keys service `keys.{domain}` (docs/interop-profile.md, section 5). */
import type { PhoneDoor } from './phone-door.ts';
import { phoneErrors } from './phone-errors.ts';
import type { PhoneKeys, PublicOneTimeKey, PublicSignedKey } from './phone-keys.ts';
import { clientLibrary, type XmlElement } from './xmpp-library.ts';
import type { XmppLink } from './xmpp-link.ts';

const { xml } = clientLibrary();

const keysNamespace = 'urn:drawbridge:interop:keys:1';
/** One-time keys of each kind that are kept at the service, and the number at which they are filled up again. */
const supply = { full: 20, low: 5 } as const;

export type KeysNotice =
  | { readonly kind: 'low' }
  | { readonly kind: 'identity-changed'; readonly jid: string };

export class KeyPublisher {
  /** The keys service's JID: the only one whose notices count. */
  readonly address: string;
  readonly #keys: PhoneKeys;
  readonly #link: XmppLink;
  readonly #door: PhoneDoor;

  constructor(parts: {
    readonly domain: string;
    readonly keys: PhoneKeys;
    readonly link: XmppLink;
    readonly door: PhoneDoor;
  }) {
    this.address = `keys.${parts.domain}`;
    this.#keys = parts.keys;
    this.#link = parts.link;
    this.#door = parts.door;
  }

  /** Identity, signed and last-resort key. */
  async publishDevice(): Promise<void> {
    await this.#door.publish(this.#keys.device());
  }

  /** Asks for the count, and uploads one-time keys when few are left. @throws see `XmppLink.query`. */
  async refill(): Promise<void> {
    const counted = await this.#ask('get', xml('count', { xmlns: keysNamespace, device: '1' }));
    const left = Math.min(Number(counted.attrs.prekeys), Number(counted.attrs.kyber));
    if (left > supply.low) return;
    const { prekeys, kyber } = this.#keys.makeOneTime(supply.full - left);
    await this.#ask(
      'set',
      xml(
        'prekeys',
        { xmlns: keysNamespace, device: '1' },
        ...prekeys.map(prekeyElement),
        ...kyber.map(kyberElement),
      ),
    );
  }

  /**
   * One bundle of a contact.
   * @returns its `device` element. @throws BridgeError `sandbox-phone/noBundle`; see `XmppLink.query`.
   */
  async fetchBundle(jid: string): Promise<XmlElement> {
    const bundle = await this.#ask('get', xml('bundle', { xmlns: keysNamespace, jid }));
    const device = bundle.getChild('device');
    if (bundle.attrs.jid !== jid || device === undefined) throw phoneErrors.noBundle({ reason: 'answer' });
    return device;
  }

  /** A bundle of our own that the keys service has never seen, for a retry request. */
  makeBundle(): XmlElement {
    const { prekeys, kyber } = this.#keys.makeOneTime(1);
    const device = this.#keys.device() as {
      registration_id: number;
      identity_key: string;
      signed_prekey: { id: number; key: string; signature: string };
    };
    const { id, key, signature } = device.signed_prekey;
    return xml(
      'device',
      { xmlns: keysNamespace, id: '1', registration: String(device.registration_id) },
      xml('identity', {}, device.identity_key),
      xml('signed-prekey', { id: String(id), sig: signature }, key),
      ...prekeys.map(prekeyElement),
      ...kyber.map(kyberElement),
    );
  }

  /** @param message one from `address`. @returns `undefined` for what is not known. */
  readNotice(message: XmlElement): KeysNotice | undefined {
    if (message.getChild('low', keysNamespace) !== undefined) return { kind: 'low' };
    const jid = message.getChild('identity-changed', keysNamespace)?.attrs.jid;
    return jid === undefined ? undefined : { kind: 'identity-changed', jid };
  }

  async #ask(type: 'get' | 'set', payload: XmlElement): Promise<XmlElement> {
    const answer = await this.#link.query(this.address, type, payload);
    const [child] = answer.getChildElements();
    if (child === undefined) throw phoneErrors.noBundle({ reason: 'empty answer' });
    return child;
  }
}

function prekeyElement({ id, key }: PublicOneTimeKey): XmlElement {
  return xml('prekey', { id: String(id) }, base64(key));
}

function kyberElement({ id, key, signature }: PublicSignedKey): XmlElement {
  return xml('kyber', { id: String(id), sig: base64(signature) }, base64(key));
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
