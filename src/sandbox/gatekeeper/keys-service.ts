/** The keys service `keys.{domain}`: an XMPP component (XEP-0114) over the key pool (docs/interop-profile.md, section 5). */
import type { Clock, Log } from '../../model/ambient.ts';
import { BridgeError } from '../../model/errors.ts';
import {
  componentLibrary,
  type IqAnswer,
  type XmlElement,
  type XmppComponent,
} from '../phone/xmpp-library.ts';
import { checkSignatures, fromBase64, isKey, keyLimits, type OneTimeKey, type SignedKey } from './device.ts';
import type { Faults } from './faults.ts';
import { gatekeeperErrors } from './gatekeeper-errors.ts';
import { type Bundle, isLow, type KeyPool, onlyDeviceId } from './key-pool.ts';
import type { Account, GatekeeperStore } from './store.ts';

export const keysNamespace = 'urn:drawbridge:interop:keys:1';
const stanzasNamespace = 'urn:ietf:params:xml:ns:xmpp-stanzas';

const { component, xml } = componentLibrary();

export interface KeysServiceOptions {
  readonly domain: string;
  readonly componentPort: number;
  readonly componentSecret: string;
  readonly store: GatekeeperStore;
  readonly pool: KeyPool;
  readonly faults: Faults;
  readonly clock: Clock;
  readonly log: Log;
  /** Bundles that one account may fetch in a minute. */
  readonly fetchesPerMinute: number;
}

export class KeysService {
  readonly #options: KeysServiceOptions;
  readonly #address: string;
  readonly #entity: XmppComponent;
  readonly #fetches = new Map<string, { minute: number; count: number }>();

  constructor(options: KeysServiceOptions) {
    this.#options = options;
    this.#address = `keys.${options.domain}`;
    this.#entity = component({
      service: `xmpp://127.0.0.1:${options.componentPort}`,
      domain: this.#address,
      password: options.componentSecret,
    });
    // After a restart of Prosody every moment without keys is a failed first message.
    this.#entity.reconnect.delay = 200;
    this.#entity.on('error', (failure: unknown) => options.log.warn('keys service stream', {}, failure));
    this.#route('set', 'prekeys', (account, element) => this.#addOneTime(account, element));
    this.#route('set', 'signed', (account, element) => this.#replaceSigned(account, element));
    this.#route('get', 'count', (account) => this.#count(account));
    this.#route('get', 'bundle', (account, element) => this.#bundle(account, element));
  }

  /** Resolves when the component is online. It connects again by itself when Prosody was away. */
  async start(): Promise<void> {
    await this.#entity.start();
  }

  async stop(): Promise<void> {
    this.#entity.reconnect.stop();
    // Without a socket the library's stop() never settles.
    if (this.#entity.socket !== null) await this.#entity.stop();
  }

  /** Tells the contacts of this account that its identity key is a new one. */
  async announceIdentity(localpart: string): Promise<void> {
    const jid = this.#jid(localpart);
    for (const contact of this.#options.pool.listContacts(localpart)) {
      await this.#notify(contact, xml('identity-changed', { xmlns: keysNamespace, jid }));
    }
  }

  #route(
    type: 'get' | 'set',
    name: string,
    handle: (account: Account, element: XmlElement) => IqAnswer | Promise<IqAnswer>,
  ): void {
    this.#entity.iqCallee[type](keysNamespace, name, async ({ stanza, element }) => {
      const { faults, clock } = this.#options;
      if (faults.keys === 'mute') return new Promise<never>(() => undefined);
      if (faults.keysDelayMs > 0) await clock.sleep(faults.keysDelayMs);
      // Prosody stamps `from`; nobody but its own users is served.
      const account = this.#accountOf(stanza.attrs.from ?? '');
      if (account === undefined) return stanzaError('auth', 'forbidden');
      try {
        return await handle(account, element);
      } catch (failure) {
        return answerTo(failure);
      }
    });
  }

  #accountOf(jid: string): Account | undefined {
    const [bare = ''] = jid.split('/', 1);
    const [localpart = '', domain] = bare.split('@');
    return domain === this.#options.domain ? this.#options.store.findAccount(localpart) : undefined;
  }

  #addOneTime({ localpart }: Account, element: XmlElement): IqAnswer {
    checkDeviceId(element);
    const { pool, store } = this.#options;
    const prekeys = element.getChildren('prekey').map((child) => parseKey(child, 'ec'));
    const kyber = element.getChildren('kyber').map((child) => parseSigned(child, 'kyber'));
    if (Math.max(prekeys.length, kyber.length) > keyLimits.batch) throw bad('batch');
    checkSignatures(this.#identityOf(localpart), kyber);
    store.transaction(() => pool.addOneTime(localpart, prekeys, kyber));
    return this.#countElement(localpart);
  }

  #replaceSigned({ localpart }: Account, element: XmlElement): IqAnswer {
    checkDeviceId(element);
    const { pool, store } = this.#options;
    const signed = parseSigned(onlyChild(element, 'signed-prekey'), 'ec');
    const lastResort = parseSigned(onlyChild(element, 'last-resort'), 'kyber');
    checkSignatures(this.#identityOf(localpart), [signed, lastResort]);
    store.transaction(() => pool.saveSigned(localpart, { signed, lastResort }));
    return true;
  }

  #count({ localpart }: Account): IqAnswer {
    return this.#countElement(localpart);
  }

  async #bundle(fetcher: Account, element: XmlElement): Promise<IqAnswer> {
    const { pool, faults } = this.#options;
    if (faults.keys === 'too-many' || !this.#mayFetch(fetcher.localpart)) {
      return stanzaError('wait', 'resource-constraint');
    }
    const jid = element.attrs.jid ?? '';
    const target = jid.includes('/') ? undefined : this.#accountOf(jid);
    if (target === undefined || faults.keys === 'absent') return stanzaError('cancel', 'item-not-found');
    // Who has not opted in to third-party chats cannot be written to by third parties.
    if (fetcher.kind === 'enlistee' && !target.optedIn) return stanzaError('auth', 'forbidden');
    const asked = faults.keys === 'foreign-bundle' ? fetcher.localpart : target.localpart;
    const bundle = pool.handOut(asked, { spare: faults.keys === 'none-left' });
    if (bundle === undefined) return stanzaError('cancel', 'item-not-found');
    pool.noteFetch(fetcher.localpart, target.localpart);
    await this.#warnIfLow(target.localpart);
    return bundleElement(jid, faults.keys === 'bad-signatures' ? withBadSignatures(bundle) : bundle);
  }

  #mayFetch(localpart: string): boolean {
    const minute = Math.floor(this.#options.clock.nowMs() / 60_000);
    const known = this.#fetches.get(localpart);
    const count = known?.minute === minute ? known.count + 1 : 1;
    this.#fetches.set(localpart, { minute, count });
    return count <= this.#options.fetchesPerMinute;
  }

  async #warnIfLow(localpart: string): Promise<void> {
    const counts = this.#options.pool.count(localpart);
    if (!isLow(counts)) return;
    await this.#notify(localpart, xml('low', { xmlns: keysNamespace, ...countAttributes(counts) }));
  }

  async #notify(localpart: string, payload: XmlElement): Promise<void> {
    // A headline is only for those who are there; who was away asks for the count and checks identities anyway.
    if (this.#entity.status !== 'online') return;
    await this.#entity.send(
      xml('message', { from: this.#address, to: this.#jid(localpart), type: 'headline' }, payload),
    );
  }

  #identityOf(localpart: string): Uint8Array<ArrayBuffer> {
    const identity = this.#options.pool.findIdentity(localpart);
    if (identity === undefined) throw bad('no device');
    return identity;
  }

  #countElement(localpart: string): XmlElement {
    return xml('count', { xmlns: keysNamespace, ...countAttributes(this.#options.pool.count(localpart)) });
  }

  #jid(localpart: string): string {
    return `${localpart}@${this.#options.domain}`;
  }
}

function countAttributes(counts: { readonly prekeys: number; readonly kyber: number }) {
  return { device: String(onlyDeviceId), prekeys: String(counts.prekeys), kyber: String(counts.kyber) };
}

function checkDeviceId(element: XmlElement): void {
  if (element.attrs.device !== String(onlyDeviceId)) throw bad('device');
}

function onlyChild(element: XmlElement, name: string): XmlElement {
  const [child, ...more] = element.getChildren(name);
  if (child === undefined || more.length > 0) throw bad(name);
  return child;
}

/** @throws BridgeError `sandbox-gatekeeper/badRequest`. */
function parseKey(element: XmlElement, kind: 'ec' | 'kyber'): OneTimeKey {
  const id = element.attrs.id ?? '';
  const key = fromBase64(element.text(), kind === 'ec' ? keyLimits.ecBytes : keyLimits.kyberBytes);
  if (!/^\d{1,10}$/.test(id) || Number(id) > 0x7fffffff || key === undefined || !isKey(kind, key)) {
    throw bad(element.name);
  }
  return { id: Number(id), key };
}

function parseSigned(element: XmlElement, kind: 'ec' | 'kyber'): SignedKey {
  const signature = fromBase64(element.attrs.sig, keyLimits.signatureBytes);
  if (signature === undefined) throw bad(element.name);
  return { ...parseKey(element, kind), signature };
}

function bundleElement(jid: string, bundle: Bundle): XmlElement {
  const { signedPrekey, prekey, kyber } = bundle;
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const signed = (name: string, key: SignedKey) =>
    xml(name, { id: String(key.id), sig: base64(key.signature) }, base64(key.key));
  return xml(
    'bundle',
    { xmlns: keysNamespace, jid },
    xml(
      'device',
      { id: String(bundle.deviceId), registration: String(bundle.registrationId) },
      xml('identity', {}, base64(bundle.identityKey)),
      signed('signed-prekey', signedPrekey),
      ...(prekey === undefined ? [] : [xml('prekey', { id: String(prekey.id) }, base64(prekey.key))]),
      signed('kyber', kyber),
    ),
  );
}

/** The same keys, with signatures that are of the right size and wrong. */
function withBadSignatures(bundle: Bundle): Bundle {
  const spoil = (key: SignedKey): SignedKey => ({
    ...key,
    signature: key.signature.map((byte, index) => (index === 0 ? byte ^ 1 : byte)),
  });
  return { ...bundle, signedPrekey: spoil(bundle.signedPrekey), kyber: spoil(bundle.kyber) };
}

function answerTo(failure: unknown): XmlElement {
  if (!(failure instanceof BridgeError)) throw failure;
  return failure.code === 'sandbox-gatekeeper/tooLarge'
    ? stanzaError('wait', 'resource-constraint')
    : stanzaError('modify', 'bad-request');
}

/** RFC 6120 §8.3. */
function stanzaError(type: 'auth' | 'cancel' | 'modify' | 'wait', condition: string): XmlElement {
  return xml('error', { type }, xml(condition, { xmlns: stanzasNamespace }));
}

function bad(reason: string) {
  return gatekeeperErrors.badRequest({ reason });
}
