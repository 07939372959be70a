/**
 * A phone's Signal sessions: encrypts and decrypts, one operation at a time (libsignal takes no lock), and starts
 * sessions by PQXDH from bundles of the keys service.
 */
import {
  CiphertextMessageType,
  ErrorCode,
  KEMPublicKey,
  LibSignalErrorBase,
  PreKeyBundle,
  PreKeySignalMessage,
  ProtocolAddress,
  PublicKey,
  processPreKeyBundle,
  SignalMessage,
  signalDecrypt,
  signalDecryptPreKey,
  signalEncrypt,
} from '@signalapp/libsignal-client';

import { phoneErrors } from './phone-errors.ts';
import type { PhoneKeys } from './phone-keys.ts';
import type { XmlElement } from './xmpp-library.ts';

export type EncType = 'prekey' | 'message';

export interface Ciphertext {
  readonly type: EncType;
  /** The recipient's device. */
  readonly device: number;
  readonly bytes: Uint8Array;
}

export type Decrypted =
  | { readonly kind: 'plain'; readonly plain: Uint8Array }
  /** This ciphertext was decrypted before. */
  | { readonly kind: 'repeat' }
  | { readonly kind: 'undecryptable'; readonly code: string };

export const ownDevice = 1;

export class Cipher {
  readonly #keys: PhoneKeys;
  readonly #ownAddress: ProtocolAddress;
  readonly #fetchBundle: (jid: string) => Promise<XmlElement>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: {
    readonly keys: PhoneKeys;
    readonly jid: string;
    /** Asks the keys service. @returns the `device` element. */
    readonly fetchBundle: (jid: string) => Promise<XmlElement>;
  }) {
    this.#keys = parts.keys;
    this.#ownAddress = ProtocolAddress.new(parts.jid, ownDevice);
    this.#fetchBundle = parts.fetchBundle;
  }

  /**
   * Encrypts for a contact's only device; fetches a bundle where there is no session.
   * @throws BridgeError `sandbox-phone/noBundle`, `sandbox-phone/offline`.
   */
  encrypt(jid: string, plain: Uint8Array<ArrayBuffer>): Promise<Ciphertext> {
    return this.#alone(() => this.#encrypt(jid, plain));
  }

  /**
   * Encrypts in a new session, started from `device`, else from a fetched bundle. What others sent in the old session
   * stays readable.
   */
  encryptAnew(
    jid: string,
    plain: Uint8Array<ArrayBuffer>,
    device: XmlElement | undefined,
  ): Promise<Ciphertext> {
    return this.#alone(async () => {
      const address = ProtocolAddress.new(jid, ownDevice);
      await this.#keys.archiveSession(address);
      if (device !== undefined) await this.#start(address, device);
      return this.#encrypt(jid, plain);
    });
  }

  /** As if there had never been one: nothing of it can be read any more. */
  forgetSession(jid: string): Promise<void> {
    return this.#alone(async () => this.#keys.forgetSession(ProtocolAddress.new(jid, ownDevice)));
  }

  /** Never throws for what the other side can cause. */
  decrypt(jid: string, { type, device, bytes }: Ciphertext): Promise<Decrypted> {
    return this.#alone(async (): Promise<Decrypted> => {
      const message = new Uint8Array(bytes);
      try {
        const address = ProtocolAddress.new(jid, device);
        const plain =
          type === 'prekey' ? await this.#first(address, message) : await this.#next(address, message);
        return { kind: 'plain', plain };
      } catch (failure) {
        if (LibSignalErrorBase.is(failure, ErrorCode.DuplicatedMessage)) return { kind: 'repeat' };
        const code = failure instanceof LibSignalErrorBase ? ErrorCode[failure.code] : undefined;
        return { kind: 'undecryptable', code: code ?? 'unexpected' };
      }
    });
  }

  async #encrypt(jid: string, plain: Uint8Array<ArrayBuffer>): Promise<Ciphertext> {
    const address = ProtocolAddress.new(jid, ownDevice);
    if (!(await this.#keys.hasSession(address))) await this.#start(address, await this.#fetchBundle(jid));
    const { sessions, identity } = this.#keys;
    const message = await signalEncrypt(plain, address, this.#ownAddress, sessions, identity);
    return {
      type: message.type() === CiphertextMessageType.PreKey ? 'prekey' : 'message',
      device: address.deviceId(),
      bytes: message.serialize(),
    };
  }

  async #start(address: ProtocolAddress, device: XmlElement): Promise<void> {
    const { sessions, identity } = this.#keys;
    try {
      // libsignal checks both signatures against the bundle's identity key.
      await processPreKeyBundle(parseBundle(device), address, this.#ownAddress, sessions, identity);
    } catch (failure) {
      throw phoneErrors.noBundle({ reason: 'refused' }, failure);
    }
  }

  #first(address: ProtocolAddress, message: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    const { sessions, identity, prekeys, signed, kyber } = this.#keys;
    const parsed = PreKeySignalMessage.deserialize(message);
    return signalDecryptPreKey(parsed, address, this.#ownAddress, sessions, identity, prekeys, signed, kyber);
  }

  #next(address: ProtocolAddress, message: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    const { sessions, identity } = this.#keys;
    return signalDecrypt(SignalMessage.deserialize(message), address, this.#ownAddress, sessions, identity);
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work).finally(() => this.#keys.save());
    // The next in line waits for this one, and does not care how it went: its caller is told.
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/** @param device the `device` element of a bundle (profile, section 5). @throws TypeError, or libsignal's errors. */
function parseBundle(device: XmlElement): PreKeyBundle {
  const bytes = (text: string | null | undefined) => new Uint8Array(Buffer.from(text ?? '', 'base64'));
  const child = (name: string) => {
    const element = device.getChild(name);
    if (element === undefined) throw new TypeError(`no ${name} in the bundle`);
    return element;
  };
  const [signed, kyber, prekey] = [child('signed-prekey'), child('kyber'), device.getChild('prekey')];
  return PreKeyBundle.new(
    Number(device.attrs.registration),
    Number(device.attrs.id),
    prekey === undefined ? null : Number(prekey.attrs.id),
    prekey === undefined ? null : PublicKey.deserialize(bytes(prekey.text())),
    Number(signed.attrs.id),
    PublicKey.deserialize(bytes(signed.text())),
    bytes(signed.attrs.sig),
    PublicKey.deserialize(bytes(child('identity').text())),
    Number(kyber.attrs.id),
    KEMPublicKey.deserialize(bytes(kyber.text())),
    bytes(kyber.attrs.sig),
  );
}
