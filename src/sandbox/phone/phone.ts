/**
 * A contact's app on the gatekeeper's network: a Signal store of its own, a connection of its own. It shares no code with
 * the bridge, so that a fault on either side shows.
 */
import type { Clock, Log, Random } from '../../model/ambient.ts';
import { codeOf } from '../../model/errors.ts';
import { openFile, sealFile } from './attachment.ts';
import { Cipher, type Ciphertext, type Decrypted, type EncType } from './cipher.ts';
import { type BoundaryNotice, type Content, type ContentBody, ContentCodec } from './content.ts';
import {
  bareOf,
  displayedStanza,
  envelopeStanza,
  interopNamespace,
  markersNamespace,
  mostRetries,
  readEnvelope,
  readStanzaId,
  receiptStanza,
  receiptsNamespace,
  retryStanza,
  statesNamespace,
  typingStanza,
} from './envelope.ts';
import { EventLog } from './event-log.ts';
import { KeyPublisher } from './key-publisher.ts';
import { PhoneDoor } from './phone-door.ts';
import { phoneErrors } from './phone-errors.ts';
import { PhoneKeys } from './phone-keys.ts';
import type { XmlElement } from './xmpp-library.ts';
import { XmppLink } from './xmpp-link.ts';

export interface PhoneOptions {
  readonly name: string;
  /** Bare. */
  readonly jid: string;
  /** From the enrolment. */
  readonly secret: string;
  /** Base of the gatekeeper's loopback listener. */
  readonly doorUrl: string;
  /** Where files are left; absent: this phone sends none. */
  readonly mediaUrl?: string;
  readonly host: string;
  readonly port: number;
  /** PEM. */
  readonly caFile: string;
  /** Where the keys are kept; absent: in memory only. */
  readonly keysFile?: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface ReceivedMessage {
  /** Bare JID. */
  readonly from: string;
  readonly content: Content;
  readonly stanzaId: string;
  readonly encType: EncType;
  readonly atMs: number;
}

/** `from` is a bare JID, `stanzaId` what the other side called its stanza. */
export type PhoneEvent =
  | { readonly kind: 'message'; readonly message: ReceivedMessage }
  /** The same stanza again, or another with the same `Content.id`; shown to nobody. */
  | {
      readonly kind: 'repeat';
      readonly from: string;
      readonly stanzaId: string;
      readonly of: 'stanza' | 'content';
    }
  | { readonly kind: 'receipt'; readonly from: string; readonly stanzaId: string; readonly atMs: number }
  | { readonly kind: 'displayed'; readonly from: string; readonly stanzaId: string }
  | { readonly kind: 'typing'; readonly from: string; readonly state: 'composing' | 'paused' }
  /** Not readable; a retry was asked for unless that was done often enough. */
  | {
      readonly kind: 'undecryptable';
      readonly from: string;
      readonly stanzaId: string;
      readonly code: string;
    }
  /** The other side asks for one of our messages again. */
  | { readonly kind: 'retry-asked'; readonly from: string; readonly stanzaId: string; readonly count: number }
  /** A stanza of ours came back. */
  | { readonly kind: 'refused'; readonly from: string; readonly stanzaId: string; readonly condition: string }
  | { readonly kind: 'identity-changed'; readonly jid: string }
  | { readonly kind: 'status'; readonly online: boolean };

interface Sent {
  readonly to: string;
  readonly plain: Uint8Array<ArrayBuffer>;
}

/** Sent messages that a retry request may ask for again. */
const keptSent = 1000;
/** Ids of received messages that are remembered to see repeats. */
const keptSeen = 50_000;
const onlineWithinMs = 30_000;

export class Phone {
  readonly name: string;
  readonly jid: string;
  /** All that happened, and waiting for what will. */
  readonly events: EventLog<PhoneEvent>;
  readonly #options: PhoneOptions;
  readonly #codec = new ContentCodec();
  readonly #door: PhoneDoor;
  readonly #keys: PhoneKeys;
  readonly #cipher: Cipher;
  readonly #link: XmppLink;
  readonly #publisher: KeyPublisher;
  readonly #sent = new Map<string, Sent>();
  readonly #seen = new Set<string>();

  constructor(options: PhoneOptions) {
    const { name, jid, clock, random, log, keysFile } = options;
    this.#options = options;
    this.name = name;
    this.jid = jid;
    this.events = new EventLog(clock);
    const [localpart = '', domain = ''] = jid.split('@');
    this.#door = new PhoneDoor({ url: options.doorUrl, localpart, secret: options.secret });
    this.#keys = new PhoneKeys({
      file: keysFile,
      clock,
      random,
      onIdentityChange: (changed) => this.events.push({ kind: 'identity-changed', jid: changed }),
    });
    this.#link = new XmppLink({
      jid,
      resource: 'phone',
      host: options.host,
      port: options.port,
      caFile: options.caFile,
      token: () => this.#door.token(),
      clock,
      log,
      onMessage: (message) => this.#receive(message),
      onStatus: (online) => this.#onStatus(online),
    });
    this.#publisher = new KeyPublisher({ domain, keys: this.#keys, link: this.#link, door: this.#door });
    this.#cipher = new Cipher({
      keys: this.#keys,
      jid,
      fetchBundle: (contact) => this.#publisher.fetchBundle(contact),
    });
  }

  get online(): boolean {
    return this.#link.online;
  }

  /** Messages that the server has not acknowledged yet: whoever sends thousands waits for it. */
  get unacknowledged(): number {
    return this.#link.unacknowledged;
  }

  /** Messages that were shown, oldest first; each once. */
  get received(): ReceivedMessage[] {
    return this.events.of('message').map(({ message }) => message);
  }

  /** Delivery receipts for our messages. */
  get receipts(): { readonly from: string; readonly stanzaId: string; readonly atMs: number }[] {
    return this.events.of('receipt');
  }

  get boundaryNotices(): { readonly from: string; readonly notice: BoundaryNotice }[] {
    return this.received.flatMap(({ from, content }) =>
      content.boundaryNotice === undefined ? [] : [{ from, notice: content.boundaryNotice }],
    );
  }

  /**
   * Publishes the keys, connects, and resolves when online with one-time keys in the keys service.
   * @throws BridgeError `sandbox-phone/door`, `sandbox-phone/waitedInVain`.
   */
  async start(): Promise<void> {
    await this.#publisher.publishDevice();
    await this.goOnline();
  }

  /** @throws BridgeError `sandbox-phone/waitedInVain`. */
  async goOnline(): Promise<void> {
    this.#link.start();
    if (!this.online) {
      const before = new Set(this.events.of('status'));
      await this.events.waitFor(
        (event) => event.kind === 'status' && event.online && !before.has(event),
        onlineWithinMs,
      );
    }
    await this.#publisher.refill();
  }

  /** Closes the connection; messages wait at the server. */
  async goOffline(): Promise<void> {
    await this.#link.stop();
  }

  async stop(): Promise<void> {
    await this.#link.stop();
    this.#keys.save();
  }

  /**
   * Encrypts and sends; resolves when it is on its way (see `receipts` for what arrived).
   * @param body a text, or a body as the schema has it.
   * @returns the stanza id: 32 hexadecimal digits, `Content.id` too.
   * @throws BridgeError `sandbox-phone/noBundle`, `sandbox-phone/offline` (a first message needs the keys service).
   */
  async send(to: string, body: { readonly text: string } | ContentBody): Promise<string> {
    const fields = typeof body.text === 'string' ? { text: { body: body.text } } : (body as ContentBody);
    return await this.#send(to, fields, (sound) => sound);
  }

  async #send(to: string, fields: ContentBody, alter: (sound: Ciphertext) => Ciphertext): Promise<string> {
    const id = this.#options.random.bytes(16);
    const plain = this.#codec.encode({ ...fields, id, sentAtMs: this.#options.clock.nowMs() });
    const stanzaId = id.toString('hex');
    this.#sent.set(stanzaId, { to, plain });
    for (const oldest of this.#sent.keys()) {
      if (this.#sent.size <= keptSent) break;
      this.#sent.delete(oldest);
    }
    await this.#link.send(envelopeStanza(to, stanzaId, alter(await this.#cipher.encrypt(to, plain))));
    return stanzaId;
  }

  /** Sends a message that nobody can decrypt; when asked for it again, it sends the sound one. @throws as `send`. */
  async sendSpoilt(to: string, text: string): Promise<string> {
    return await this.#send(to, { text: { body: text } }, spoilt);
  }

  /** Forgets the session with a contact, as after a restored backup: what they send next cannot be decrypted. */
  async forgetSession(contact: string): Promise<void> {
    await this.#cipher.forgetSession(contact);
  }

  /**
   * Encrypts and hosts a file, and sends the message that names it.
   * @param media kind, type, name and whatever else the schema has for it.
   * @returns as `send`. @throws BridgeError `sandbox-phone/door`, and what `send` throws.
   */
  async sendFile(to: string, plain: Uint8Array, media: Readonly<Record<string, unknown>>): Promise<string> {
    const { bytes, key, digest } = sealFile(plain);
    const url = await this.#leave(bytes);
    return await this.send(to, { media: { ...media, url, key, digest, size: plain.length } });
  }

  /** Fetches and opens a file that a message names. @throws BridgeError `sandbox-phone/door`, `sandbox-phone/badFile`. */
  async fetchFile(media: Readonly<Record<string, unknown>>): Promise<Buffer> {
    const response = await fetch(String(media.url), { signal: AbortSignal.timeout(30_000) });
    if (!response.ok) throw phoneErrors.door({ call: 'file', status: response.status });
    const bytes = Buffer.from(await response.arrayBuffer());
    const { key, digest, size } = media as { key: Uint8Array; digest: Uint8Array; size: unknown };
    return openFile(bytes, { key, digest, size: Number(size) });
  }

  async #leave(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    const { mediaUrl } = this.#options;
    if (mediaUrl === undefined) throw phoneErrors.door({ call: 'media' });
    const response = await fetch(`${mediaUrl}/media`, { method: 'POST', body: bytes });
    if (!response.ok) throw phoneErrors.door({ call: 'media', status: response.status });
    return ((await response.json()) as { url: string }).url;
  }

  async sendTyping(to: string, state: 'composing' | 'paused'): Promise<void> {
    await this.#link.send(typingStanza(to, state));
  }

  /** Says that a received message was seen. */
  async sendDisplayed(to: string, stanzaId: string): Promise<void> {
    await this.#link.send(displayedStanza(to, stanzaId));
  }

  /** As after a new installation: new identity, new keys, no sessions. */
  async resetIdentity(): Promise<void> {
    this.#keys.reset();
    await this.#publisher.publishDevice();
    if (this.online) await this.#publisher.refill();
  }

  /** Enlisted users of third parties. */
  contacts() {
    return this.#door.contacts();
  }

  /** Asks the keys service for a bundle, and throws it away: for tests of the hand-out. */
  fetchBundle(jid: string): Promise<XmlElement> {
    return this.#publisher.fetchBundle(jid);
  }

  #onStatus(online: boolean): void {
    this.events.push({ kind: 'status', online });
  }

  async #receive(message: XmlElement): Promise<void> {
    const from = bareOf(message.attrs.from ?? '');
    const stanzaId = message.attrs.id ?? '';
    if (message.attrs.type === 'error') {
      const [condition] = message.getChild('error')?.getChildElements() ?? [];
      this.events.push({ kind: 'refused', from, stanzaId, condition: condition?.name ?? 'unknown' });
      return;
    }
    if (from === this.#publisher.address) return this.#receiveNotice(message);
    const retry = message.getChild('retry', interopNamespace);
    if (retry !== undefined) return this.#answerRetry(from, retry);
    this.#receiveSigns(from, message);
    if (message.getChild('envelope', interopNamespace) !== undefined) {
      await this.#receiveEnvelope(from, stanzaId, message);
    }
  }

  async #receiveNotice(message: XmlElement): Promise<void> {
    const notice = this.#publisher.readNotice(message);
    if (notice?.kind === 'low') await this.#publisher.refill();
    if (notice?.kind === 'identity-changed') this.events.push(notice);
  }

  #receiveSigns(from: string, message: XmlElement): void {
    const receipt = message.getChild('received', receiptsNamespace)?.attrs.id;
    if (receipt !== undefined) {
      this.events.push({ kind: 'receipt', from, stanzaId: receipt, atMs: this.#options.clock.nowMs() });
    }
    const displayed = message.getChild('displayed', markersNamespace)?.attrs.id;
    if (displayed !== undefined) this.events.push({ kind: 'displayed', from, stanzaId: displayed });
    // One that was kept for us says what somebody did long ago.
    if (message.getChild('delay', 'urn:xmpp:delay') !== undefined) return;
    for (const state of ['composing', 'paused'] as const) {
      if (message.getChild(state, statesNamespace) !== undefined)
        this.events.push({ kind: 'typing', from, state });
    }
  }

  async #receiveEnvelope(from: string, stanzaId: string, message: XmlElement): Promise<void> {
    if (this.#wasSeen(`${from} ${stanzaId}`)) {
      this.events.push({ kind: 'repeat', from, stanzaId, of: 'stanza' });
      return this.#acknowledge(from, stanzaId, message);
    }
    const opened = await this.#open(from, message);
    if (opened.kind === 'undecryptable') {
      this.events.push({ kind: 'undecryptable', from, stanzaId, code: opened.code });
      return this.#askRetry(from, stanzaId);
    }
    if (opened.kind === 'repeat' || this.#wasSeen(`${from} content ${hex(opened.content.id)}`)) {
      this.events.push({ kind: 'repeat', from, stanzaId, of: 'content' });
    } else {
      const { content, encType } = opened;
      const atMs = this.#options.clock.nowMs();
      this.events.push({ kind: 'message', message: { from, content, stanzaId, encType, atMs } });
    }
    await this.#acknowledge(from, stanzaId, message);
  }

  async #open(
    from: string,
    message: XmlElement,
  ): Promise<
    Exclude<Decrypted, { kind: 'plain' }> | { kind: 'content'; content: Content; encType: EncType }
  > {
    try {
      const envelope = readEnvelope(message);
      if (envelope === undefined) return { kind: 'undecryptable', code: 'no envelope' };
      const { ciphertext } = envelope;
      const decrypted = await this.#cipher.decrypt(from, ciphertext);
      if (decrypted.kind !== 'plain') return decrypted;
      return { kind: 'content', content: this.#codec.decode(decrypted.plain), encType: ciphertext.type };
    } catch (failure) {
      // Its sender's fault; a new copy may be better.
      return { kind: 'undecryptable', code: codeOf(failure) };
    }
  }

  async #acknowledge(to: string, stanzaId: string, message: XmlElement): Promise<void> {
    if (message.getChild('request', receiptsNamespace) === undefined || stanzaId === '') return;
    await this.#link.send(receiptStanza(to, stanzaId));
  }

  async #askRetry(to: string, stanzaId: string): Promise<void> {
    const { id, copy } = readStanzaId(stanzaId);
    if (copy >= mostRetries || id === '') return;
    // That the first try failed may be the fault of our bundle at the keys service: from the second on we send one along.
    const device = copy === 0 ? undefined : this.#publisher.makeBundle();
    await this.#link.send(retryStanza(to, id, copy + 1, device));
  }

  async #answerRetry(from: string, retry: XmlElement): Promise<void> {
    const stanzaId = retry.attrs.id ?? '';
    const count = Number(retry.attrs.count);
    this.events.push({ kind: 'retry-asked', from, stanzaId, count });
    const sent = this.#sent.get(stanzaId);
    // Only the one to whom it was sent may have it again.
    if (sent === undefined || sent.to !== from || !(count >= 1 && count <= mostRetries)) return;
    const again = await this.#cipher.encryptAnew(from, sent.plain, retry.getChild('device'));
    await this.#link.send(envelopeStanza(from, `${stanzaId}.${count}`, again));
  }

  #wasSeen(key: string): boolean {
    if (this.#seen.has(key)) return true;
    this.#seen.add(key);
    for (const oldest of this.#seen) {
      if (this.#seen.size <= keptSeen) break;
      this.#seen.delete(oldest);
    }
    return false;
  }
}

/** Its last byte belongs to the MAC. */
function spoilt(sound: Ciphertext): Ciphertext {
  const bytes = Uint8Array.from(sound.bytes);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  return { ...sound, bytes };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
