/** A contact whose app sends what no app should: any stanza, any bytes as a ciphertext, any bytes inside one. */
import { systemClock } from '../../src/ambient/clock.ts';
import { systemRandom } from '../../src/ambient/random.ts';
import type { Gatekeeper } from '../../src/sandbox/gatekeeper/gatekeeper.ts';
import { Cipher, type Ciphertext } from '../../src/sandbox/phone/cipher.ts';
import { ContentCodec } from '../../src/sandbox/phone/content.ts';
import { envelopeStanza } from '../../src/sandbox/phone/envelope.ts';
import { EventLog } from '../../src/sandbox/phone/event-log.ts';
import { KeyPublisher } from '../../src/sandbox/phone/key-publisher.ts';
import { PhoneDoor } from '../../src/sandbox/phone/phone-door.ts';
import { PhoneKeys } from '../../src/sandbox/phone/phone-keys.ts';
import { clientLibrary, type XmlElement } from '../../src/sandbox/phone/xmpp-library.ts';
import { XmppLink } from '../../src/sandbox/phone/xmpp-link.ts';
import { RecordingLog } from '../doubles/recording-log.ts';

const { xml } = clientLibrary();
const codec = new ContentCodec();

export class RawPhone {
  readonly jid: string;
  readonly #to: string;
  readonly #link: XmppLink;
  readonly #cipher: Cipher;

  private constructor(parts: { jid: string; to: string; link: XmppLink; cipher: Cipher }) {
    this.jid = parts.jid;
    this.#to = parts.to;
    this.#link = parts.link;
    this.#cipher = parts.cipher;
  }

  /** Enrols a contact and connects it. @param to to whom all goes, a bare JID. */
  static async start(gatekeeper: Gatekeeper, name: string, to: string): Promise<RawPhone> {
    const { jid, secret } = await gatekeeper.enrolPhone({ name });
    const { door_url: url, host, port, ca_file: caFile } = gatekeeper.phoneAccess;
    const [localpart = '', domain = ''] = jid.split('@');
    const door = new PhoneDoor({ url, localpart, secret });
    const keys = new PhoneKeys({
      file: undefined,
      clock: systemClock,
      random: systemRandom,
      onIdentityChange: () => undefined,
    });
    const states = new EventLog<{ kind: 'status'; online: boolean }>(systemClock);
    const link = new XmppLink({
      ...{ jid, host, port, caFile, resource: 'raw', clock: systemClock, log: new RecordingLog() },
      token: async () => await door.token(),
      onMessage: async () => undefined,
      onStatus: (online) => states.push({ kind: 'status', online }),
    });
    const publisher = new KeyPublisher({ domain, keys, link, door });
    await publisher.publishDevice();
    link.start();
    await states.waitFor(({ online }) => online, 30_000);
    await publisher.refill();
    const cipher = new Cipher({
      keys,
      jid,
      fetchBundle: async (contact) => await publisher.fetchBundle(contact),
    });
    return new RawPhone({ jid, to, link, cipher });
  }

  async stop(): Promise<void> {
    await this.#link.stop();
  }

  /** A message that is in order. */
  async text(body: string): Promise<void> {
    const content = { id: systemRandom.bytes(16), sentAtMs: systemClock.nowMs(), text: { body } };
    await this.plain(codec.encode(content));
  }

  /** Any bytes, encrypted in order. */
  async plain(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.ciphertext((sound) => sound, bytes);
  }

  /** What `spoil` makes of a sound ciphertext. */
  async ciphertext(
    spoil: (sound: Ciphertext) => Ciphertext,
    plain: Uint8Array<ArrayBuffer> = new Uint8Array(160),
  ): Promise<void> {
    const sound = await this.#cipher.encrypt(this.#to, plain);
    await this.#link.send(envelopeStanza(this.#to, newId(), spoil(sound)));
  }

  /** A message with these children. */
  async children(...children: XmlElement[]): Promise<void> {
    await this.#link.send(xml('message', { type: 'chat', to: this.#to, id: newId() }, ...children));
  }

  /** An envelope of these attributes around this text as the only ciphertext. */
  async envelope(attributes: Record<string, string>, type: string, text: string): Promise<void> {
    const enc = xml('enc', { device: '1', type }, text);
    await this.children(xml('envelope', { xmlns: 'urn:drawbridge:interop:1', ...attributes }, enc));
  }
}

function newId(): string {
  return systemRandom.bytes(16).toString('hex');
}
