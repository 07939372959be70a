/** A contact: the reference phone's keys, sessions and codec, which share no code with what they test. */
import { randomBytes } from 'node:crypto';
import { systemRandom } from '../../../../src/ambient/random.ts';
import type { Clock } from '../../../../src/model/ambient.ts';
import { type ContactId, deviceId } from '../../../../src/model/ids.ts';
import type { PrekeyBundle, PublicDevice, SignedPublicPrekey } from '../../../../src/model/prekeys.ts';
import { parseStanza } from '../../../../src/network/interop/stream/stream.ts';
import { Cipher } from '../../../../src/sandbox/phone/cipher.ts';
import { type Content, ContentCodec } from '../../../../src/sandbox/phone/content.ts';
import { envelopeStanza, readEnvelope } from '../../../../src/sandbox/phone/envelope.ts';
import { PhoneKeys } from '../../../../src/sandbox/phone/phone-keys.ts';
import { clientLibrary, type XmlElement } from '../../../../src/sandbox/phone/xmpp-library.ts';

const { xml } = clientLibrary();
const codec = new ContentCodec();

/** A text that arrived, the words of a boundary notice, or why nothing can be read. */
export type Received = Readonly<{
  kind: 'text' | 'notice' | 'repeat' | 'undecryptable' | 'other';
  text: string;
  id: string;
  /** All that was in it, as the schema has it; absent where nothing was decrypted. */
  content?: Content;
}>;

export class Contact {
  readonly jid: ContactId;
  readonly #clock: Clock;
  readonly #deviceOf: (jid: string) => Promise<PublicDevice>;
  #keys: PhoneKeys;
  #cipher: Cipher;

  /** @param deps.deviceOf what the keys service holds of an account of the bridge. */
  constructor(jid: ContactId, deps: { clock: Clock; deviceOf: (jid: string) => Promise<PublicDevice> }) {
    this.jid = jid;
    this.#clock = deps.clock;
    this.#deviceOf = deps.deviceOf;
    [this.#keys, this.#cipher] = this.#install();
  }

  /** A new phone: another identity key. */
  reinstall(): void {
    [this.#keys, this.#cipher] = this.#install();
  }

  /** What the keys service hands out for this contact. */
  bundle(): PrekeyBundle {
    const device = this.#keys.device() as {
      registration_id: number;
      identity_key: string;
      signed_prekey: { id: number; key: string; signature: string };
    };
    const { prekeys, kyber } = this.#keys.makeOneTime(1);
    const { id, key, signature } = device.signed_prekey;
    return {
      device: deviceId(1),
      registrationId: device.registration_id,
      identityKey: fromBase64(device.identity_key),
      signedPrekey: { id, key: fromBase64(key), signature: fromBase64(signature) },
      ...(prekeys[0] === undefined ? {} : { prekey: prekeys[0] }),
      kyberPrekey: kyber[0] as SignedPublicPrekey,
    };
  }

  /** @returns the stanza that says `text` to an account of the bridge. @param id of the message, 32 hexadecimal digits. */
  async write(to: ContactId, text: string, id = randomBytes(16).toString('hex')): Promise<string> {
    return await this.writeContent(to, { text: { body: text } }, id);
  }

  async writeContent(to: ContactId, body: Readonly<Record<string, unknown>>, id: string): Promise<string> {
    const padded = codec.encode({ id: Buffer.from(id, 'hex'), sentAtMs: this.#clock.nowMs(), ...body });
    return envelopeStanza(to, id, await this.#cipher.encrypt(to, padded)).toString();
  }

  /** Encrypts bytes that are no content. */
  async writeBytes(to: ContactId, bytes: Uint8Array<ArrayBuffer>, id: string): Promise<string> {
    return envelopeStanza(to, id, await this.#cipher.encrypt(to, bytes)).toString();
  }

  /** Opens a stanza from the outbox of `from`. */
  async read(from: ContactId, stanza: string): Promise<Received> {
    const element = parseStanza(stanza) as unknown as XmlElement;
    const id = element.attrs.id ?? '';
    const envelope = readEnvelope(element);
    if (envelope === undefined)
      return {
        kind: 'other',
        text: element
          .getChildElements()
          .map((it) => it.name)
          .join(),
        id,
      };
    const { type, bytes } = envelope.ciphertext;
    const opened = await this.#cipher.decrypt(from, { type, bytes, device: envelope.device });
    if (opened.kind !== 'plain') return { kind: opened.kind, text: '', id };
    const content = codec.decode(opened.plain);
    if (Buffer.from(content.id).toString('hex') !== id)
      throw new RangeError('content and stanza bear different ids');
    if (content.boundaryNotice !== undefined)
      return { kind: 'notice', text: content.boundaryNotice.text, id, content };
    return content.text === undefined
      ? { kind: 'other', text: content.body ?? '', id, content }
      : { kind: 'text', text: content.text.body, id, content };
  }

  #install(): [PhoneKeys, Cipher] {
    const keys = new PhoneKeys({
      file: undefined,
      clock: this.#clock,
      random: systemRandom,
      onIdentityChange: () => undefined,
    });
    const fetchBundle = async (jid: string) => deviceElement(await this.#deviceOf(jid));
    return [keys, new Cipher({ keys, jid: this.jid, fetchBundle })];
  }
}

function deviceElement(device: PublicDevice): XmlElement {
  const signed = (name: string, key: SignedPublicPrekey) =>
    xml(name, { id: String(key.id), sig: toBase64(key.signature) }, toBase64(key.key));
  return xml(
    'device',
    { id: '1', registration: String(device.registrationId) },
    xml('identity', {}, toBase64(device.identityKey)),
    signed('signed-prekey', device.signedPrekey),
    signed('kyber', device.kyberLastResort),
  );
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}
