/** The stanzas that we send (docs/interop-profile.md §6), without `from`: the server stamps it. Pure. */
import { type Element, xml } from '@xmpp/client';
import { networkErrors } from '../errors.ts';
import type { OutboundMessage, OutboundReceipt, OutboundRetry } from '../network.ts';
import { toBase64 } from './base64.ts';
import { writeDevice } from './device-xml.ts';
import { NS_CHAT_STATES, NS_HINTS, NS_INTEROP, NS_MARKERS, NS_RECEIPTS } from './namespaces.ts';
import { serialiseStanza } from './stream/stream.ts';

/** Profile §4: a larger one ends the connection, and would do so again at each attempt to send it. */
const MAX_STANZA_BYTES = 256 * 1024;

/** @throws BridgeError `network/tooLarge`. */
export function writeMessage(message: OutboundMessage): string {
  const envelope = xml(
    'envelope',
    { xmlns: NS_INTEROP, v: '1', device: String(message.fromDevice) },
    ...message.recipients.map(({ device, type, body }) =>
      xml('enc', { device: String(device), type }, toBase64(body)),
    ),
  );
  const request = message.wantsReceipt ? [xml('request', { xmlns: NS_RECEIPTS })] : [];
  const text = serialise(message, envelope, ...request);
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes > MAX_STANZA_BYTES) throw networkErrors.tooLarge({ sizeBytes, limitBytes: MAX_STANZA_BYTES });
  return text;
}

/** XEP-0184 §5. */
export function writeReceipt(receipt: OutboundReceipt): string {
  return serialise(receipt, xml('received', { xmlns: NS_RECEIPTS, id: receipt.stanzaId }));
}

/** XEP-0333 §3. */
export function writeMarker(marker: OutboundReceipt): string {
  return serialise(marker, xml('displayed', { xmlns: NS_MARKERS, id: marker.stanzaId }));
}

/** XEP-0085 §5, with the hint that nobody keeps it (XEP-0334 §4.2). */
export function writeChatState({ to, state }: { readonly to: string; readonly state: string }): string {
  const noStore = xml('no-store', { xmlns: NS_HINTS });
  const stanza = xml('message', { type: 'chat', to }, xml(state, { xmlns: NS_CHAT_STATES }), noStore);
  return serialiseStanza(stanza);
}

/** The bundle goes along from the second try on; that is the caller's to see to. */
export function writeRetry(retry: OutboundRetry): string {
  const bundle = retry.bundle === undefined ? [] : [writeDevice(retry.bundle)];
  const attributes = { xmlns: NS_INTEROP, id: retry.stanzaId, count: String(retry.count) };
  return serialise(retry, xml('retry', attributes, ...bundle));
}

function serialise(head: { readonly id: string; readonly to: string }, ...children: Element[]): string {
  // The hint keeps it for a contact who is away: without a body a server might drop it (XEP-0334 §4.4).
  const store = xml('store', { xmlns: NS_HINTS });
  const stanza = xml('message', { type: 'chat', id: head.id, to: head.to }, ...children, store);
  return serialiseStanza(stanza, Number.POSITIVE_INFINITY);
}
