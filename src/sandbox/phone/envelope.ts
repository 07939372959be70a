/** Stanzas of a conversation (docs/interop-profile.md, section 6), built and read. Pure. */
import { type Ciphertext, type EncType, ownDevice } from './cipher.ts';
import { phoneErrors } from './phone-errors.ts';
import { clientLibrary, type XmlElement } from './xmpp-library.ts';

const { xml } = clientLibrary();

export const interopNamespace = 'urn:drawbridge:interop:1';
export const receiptsNamespace = 'urn:xmpp:receipts';
export const statesNamespace = 'http://jabber.org/protocol/chatstates';
export const markersNamespace = 'urn:xmpp:chat-markers:0';

/** Retries of one message that are asked for or answered. */
export const mostRetries = 5;

export interface Envelope {
  /** The sender's device and the ciphertext for us. */
  readonly device: number;
  readonly ciphertext: Ciphertext;
}

/** @returns the stanza with a ciphertext, which asks for a receipt. */
export function envelopeStanza(to: string, id: string, ciphertext: Ciphertext): XmlElement {
  return chat(
    to,
    { id },
    xml(
      'envelope',
      { xmlns: interopNamespace, v: '1', device: String(ownDevice) },
      xml(
        'enc',
        { device: String(ciphertext.device), type: ciphertext.type },
        Buffer.from(ciphertext.bytes).toString('base64'),
      ),
    ),
    xml('request', { xmlns: receiptsNamespace }),
    stored(),
  );
}

/** XEP-0184. */
export function receiptStanza(to: string, id: string): XmlElement {
  return chat(to, {}, xml('received', { xmlns: receiptsNamespace, id }), stored());
}

/** XEP-0333. */
export function displayedStanza(to: string, id: string): XmlElement {
  return chat(to, {}, xml('displayed', { xmlns: markersNamespace, id }), stored());
}

/** XEP-0085. */
export function typingStanza(to: string, state: 'composing' | 'paused'): XmlElement {
  return chat(to, {}, xml(state, { xmlns: statesNamespace }));
}

/** @param device our bundle, from the second try on. */
export function retryStanza(
  to: string,
  id: string,
  count: number,
  device: XmlElement | undefined,
): XmlElement {
  const children = device === undefined ? [] : [device];
  return chat(
    to,
    {},
    xml('retry', { xmlns: interopNamespace, id, count: String(count) }, ...children),
    stored(),
  );
}

/**
 * The envelope in a message.
 * @returns `undefined` if there is none.
 * @throws BridgeError `sandbox-phone/badEnvelope`.
 */
export function readEnvelope(message: XmlElement): Envelope | undefined {
  const envelope = message.getChild('envelope', interopNamespace);
  if (envelope === undefined) return undefined;
  const device = Number(envelope.attrs.device);
  const enc = envelope.getChildren('enc').find((child) => child.attrs.device === String(ownDevice));
  const type = enc?.attrs.type;
  if (envelope.attrs.v !== '1' || !isDevice(device) || enc === undefined || !isEncType(type)) {
    throw phoneErrors.badEnvelope();
  }
  // The protocol address of a session is the sender's device.
  return { device, ciphertext: { type, device, bytes: Buffer.from(enc.text(), 'base64') } };
}

/**
 * The id of the message that a stanza id stands for, and which copy it is: a copy made after a retry request has `.` and
 * the count behind it.
 * @example
 * readStanzaId('00ff.2') // { id: '00ff', copy: 2 }
 */
export function readStanzaId(stanzaId: string): { readonly id: string; readonly copy: number } {
  const found = /^(.+)\.(\d)$/.exec(stanzaId);
  return { id: found?.[1] ?? stanzaId, copy: Number(found?.[2] ?? 0) };
}

/** The bare JID of a full one. */
export function bareOf(jid: string): string {
  return jid.split('/', 1)[0] ?? '';
}

function chat(to: string, attributes: { readonly id?: string }, ...children: XmlElement[]): XmlElement {
  return xml('message', { type: 'chat', to, ...attributes }, ...children);
}

/** XEP-0334: worth keeping although there is no body. */
function stored(): XmlElement {
  return xml('store', { xmlns: 'urn:xmpp:hints' });
}

function isEncType(type: string | undefined): type is EncType {
  return type === 'prekey' || type === 'message';
}

function isDevice(device: number): boolean {
  return Number.isInteger(device) && device >= 1 && device <= 127;
}
