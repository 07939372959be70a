/**
 * What a stored stanza means to us (docs/interop-profile.md §4 to §6). Pure. Only direct children count, and only of the
 * namespaces named here: carbons, archive results and events of other people's nodes (CVE-2017-5589 and its like) have
 * no meaning, whoever sends them. `from` is the one that the stream stored, as the server stamped it.
 */
import { toUSVString } from 'node:util';
import type { Element } from '@xmpp/client';
import { hasCode } from '../../model/errors.ts';
import {
  type ContactId,
  contactId,
  type DeviceId,
  domainOf,
  type StanzaId,
  stanzaId,
} from '../../model/ids.ts';
import type { SignalMessage } from '../../model/prekeys.ts';
import type { ChatState, EnlistedAccount, InboundSignal } from '../network.ts';
import { fromBase64 } from './base64.ts';
import { readDevice, readDeviceId } from './device-xml.ts';
import { keysServiceOf, readCounts } from './keys.ts';
import {
  NS_CHAT_STATES,
  NS_CLIENT,
  NS_INTEROP,
  NS_KEYS,
  NS_MARKERS,
  NS_RECEIPTS,
  NS_STANZA_ERRORS,
} from './namespaces.ts';
import { isDiscarded, parseStanza } from './stream/stream.ts';

/** Profile §6: more retries are not answered. */
const MAX_RETRIES = 5;
const MAX_ERROR_TEXT = 255;
const PROFILE_VERSION = '1';

/** RFC 6120 §8.3.3. */
const errorConditions: ReadonlySet<string> = new Set([
  'bad-request',
  'conflict',
  'feature-not-implemented',
  'forbidden',
  'gone',
  'internal-server-error',
  'item-not-found',
  'jid-malformed',
  'not-acceptable',
  'not-allowed',
  'not-authorized',
  'policy-violation',
  'recipient-unavailable',
  'redirect',
  'registration-required',
  'remote-server-not-found',
  'remote-server-timeout',
  'resource-constraint',
  'service-unavailable',
  'subscription-required',
  'unexpected-request',
]);

const chatStates: readonly ChatState[] = ['active', 'composing', 'paused', 'inactive', 'gone'];

/** What the stream stored of a message: see `InboundStanza`. */
export interface StoredMessage {
  readonly from: string;
  readonly xml: string;
  readonly delayedAtMs: number | undefined;
}

/** @param context `domain`: the network's. `nowMs`: epoch milliseconds, the latest that a delay can name. */
export function readStanza(
  stored: StoredMessage,
  own: EnlistedAccount,
  context: { readonly domain: string; readonly nowMs: number },
): InboundSignal {
  const stanza = parsed(stored.xml);
  if (!stanza?.is('message', NS_CLIENT)) return ignored('not-a-message');
  if (!isForUs(stanza.attrs.to, own)) return ignored('not-for-us');
  if (stored.from === keysServiceOf(context.domain)) return readNotice(stanza, own, context.domain);

  const isFromServer = [own.jid, context.domain, ''].includes(bareOf(stored.from));
  const sender = isFromServer ? undefined : contactOf(stored.from, context.domain);
  if (stanza.attrs.type === 'error') return readBounce(stanza, sender, isFromServer);
  if (sender === undefined) return ignored(isFromServer ? 'server-message' : 'bad-sender');
  // Headlines are the keys service's; there are no rooms on these networks (RFC 6121 §5.2.2).
  if (!['chat', 'normal', undefined].includes(stanza.attrs.type)) return ignored('type');

  const delayedAtMs = delayIn(stored.delayedAtMs, context.nowMs);
  const envelope = stanza.getChild('envelope', NS_INTEROP);
  if (envelope !== undefined) return readEnvelope(stanza, envelope, own, sender, delayedAtMs);
  return readRemark(stanza, sender);
}

function readEnvelope(
  stanza: Element,
  envelope: Element,
  own: EnlistedAccount,
  sender: ContactId,
  delayedAtMs: number | undefined,
): InboundSignal {
  const id = stanzaIdOf(stanza.attrs.id);
  const unreadable = (why: 'version' | 'not-for-this-device' | 'malformed'): InboundSignal => ({
    kind: 'unreadable',
    sender,
    ...(id === undefined ? {} : { stanzaId: id }),
    why,
  });
  if (envelope.attrs.v !== PROFILE_VERSION) return unreadable('version');
  const senderDevice = deviceOf(envelope.attrs.device);
  if (id === undefined || senderDevice === undefined) return unreadable('malformed');
  const copies = envelope
    .getChildren('enc', NS_INTEROP)
    .filter((copy) => copy.attrs.device === String(own.device));
  const [copy, ...more] = copies;
  if (copy === undefined) return unreadable('not-for-this-device');
  const enc = readEnc(copy);
  if (enc === undefined || more.length > 0) return unreadable('malformed');
  return {
    kind: 'envelope',
    sender,
    senderDevice,
    stanzaId: id,
    enc,
    wantsReceipt: stanza.getChild('request', NS_RECEIPTS) !== undefined,
    ...(delayedAtMs === undefined ? {} : { delayedAtMs }),
  };
}

function readEnc(element: Element): SignalMessage | undefined {
  const { type } = element.attrs;
  const body = fromBase64(element.text());
  if ((type !== 'prekey' && type !== 'message') || body === undefined || body.length === 0) return undefined;
  return { type, body };
}

/** What a contact says about messages, without sending one. */
function readRemark(stanza: Element, sender: ContactId): InboundSignal {
  const receipt = stanza.getChild('received', NS_RECEIPTS);
  if (receipt !== undefined) return readReference('receipt', receipt, sender);
  if (isDiscarded(stanza)) {
    const id = stanzaIdOf(stanza.attrs.id);
    return { kind: 'unreadable', sender, ...(id === undefined ? {} : { stanzaId: id }), why: 'too-large' };
  }
  const retry = stanza.getChild('retry', NS_INTEROP);
  if (retry !== undefined) return readRetry(retry, sender);
  const marker = stanza.getChild('displayed', NS_MARKERS);
  if (marker !== undefined) return readReference('marker', marker, sender);
  if (stanza.getChild('body', NS_CLIENT) !== undefined) {
    const id = stanzaIdOf(stanza.attrs.id);
    return {
      kind: 'unreadable',
      sender,
      ...(id === undefined ? {} : { stanzaId: id }),
      why: 'not-encrypted',
    };
  }
  const state = chatStates.find((name) => stanza.getChild(name, NS_CHAT_STATES) !== undefined);
  return state === undefined ? ignored('nothing-known') : { kind: 'chat-state', sender, state };
}

function readReference(kind: 'receipt' | 'marker', element: Element, sender: ContactId): InboundSignal {
  const id = stanzaIdOf(element.attrs.id);
  return id === undefined ? ignored(`bad-${kind}`) : { kind, sender, stanzaId: id };
}

function readRetry(retry: Element, sender: ContactId): InboundSignal {
  const id = stanzaIdOf(retry.attrs.id);
  const count = Number(retry.attrs.count);
  const isCount = Number.isInteger(count) && count >= 1 && count <= MAX_RETRIES;
  if (id === undefined || !isCount) return ignored('bad-retry');
  const device = retry.getChild('device', NS_KEYS);
  if (device === undefined) return { kind: 'retry-request', sender, stanzaId: id, count };
  const bundle = orUndefined('network/badAnswer', () => readDevice(device));
  return bundle === undefined
    ? ignored('bad-retry')
    : { kind: 'retry-request', sender, stanzaId: id, count, bundle };
}

/** From the keys service, profile §5. */
function readNotice(stanza: Element, own: EnlistedAccount, domain: string): InboundSignal {
  if (stanza.attrs.type !== 'headline') return ignored('type');
  const low = stanza.getChild('low', NS_KEYS);
  if (low !== undefined) {
    const counts = orUndefined('network/badAnswer', () => readCounts(low));
    if (counts === undefined || low.attrs.device !== String(own.device)) return ignored('bad-notice');
    return { kind: 'keys-low', ...counts };
  }
  const changed = stanza.getChild('identity-changed', NS_KEYS);
  const contact = changed === undefined ? undefined : contactOf(changed.attrs.jid ?? '', domain);
  if (contact === undefined || contact === own.jid) return ignored('bad-notice');
  return { kind: 'identity-changed', contact };
}

function readBounce(stanza: Element, sender: ContactId | undefined, isFromServer: boolean): InboundSignal {
  const id = stanzaIdOf(stanza.attrs.id);
  if (id === undefined || (sender === undefined && !isFromServer)) return ignored('bad-bounce');
  const error = stanza.getChild('error', NS_CLIENT);
  const named = error?.getChildElements().map((child) => child.getName()) ?? [];
  return {
    kind: 'bounce',
    ...(sender === undefined ? {} : { contact: sender }),
    stanzaId: id,
    condition: named.find((name) => errorConditions.has(name)) ?? 'undefined-condition',
    text: toUSVString((error?.getChildText('text', NS_STANZA_ERRORS) ?? '').slice(0, MAX_ERROR_TEXT)),
  };
}

function parsed(xml: string): Element | undefined {
  return orUndefined('stream/badStanza', () => parseStanza(xml));
}

function isForUs(to: string | undefined, own: EnlistedAccount): boolean {
  return to === undefined || bareOf(to) === own.jid;
}

function bareOf(jid: string): string {
  const slash = jid.indexOf('/');
  return slash === -1 ? jid : jid.slice(0, slash);
}

/** @returns `undefined` for who is not a person of this network. */
function contactOf(jid: string, domain: string): ContactId | undefined {
  const contact = orUndefined('model/badId', () => contactId(bareOf(jid)));
  return contact !== undefined && domainOf(contact) === domain ? contact : undefined;
}

function stanzaIdOf(text: string | undefined): StanzaId | undefined {
  return text === undefined ? undefined : orUndefined('model/badId', () => stanzaId(text));
}

function deviceOf(text: string | undefined): DeviceId | undefined {
  return orUndefined('network/badAnswer', () => readDeviceId(text));
}

function delayIn(delayedAtMs: number | undefined, nowMs: number): number | undefined {
  return delayedAtMs === undefined ? undefined : Math.min(Math.max(delayedAtMs, 0), nowMs);
}

function ignored(why: string): InboundSignal {
  return { kind: 'ignored', why };
}

/** A refusal of this one code means that there is no such thing in the input; any other failure is ours. */
function orUndefined<T>(code: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (failure) {
    if (hasCode(failure, code)) return undefined;
    throw failure;
  }
}
