/** The keys service of the interop profile, §5: queries over the account's stream. */
import { type Element, xml } from '@xmpp/client';
import { BridgeError } from '../../model/errors.ts';
import type { ContactId, DeviceId } from '../../model/ids.ts';
import type { PrekeyBundle, PrekeyCounts, PublicPrekey, SignedPublicPrekey } from '../../model/prekeys.ts';
import { networkErrors } from '../errors.ts';
import type { KeysPort, OneTimeKeys } from '../network.ts';
import { readDevice, readNumber, writeKey, writeSignedKey } from './device-xml.ts';
import { NS_KEYS } from './namespaces.ts';
import type { XmppStream } from './stream/stream.ts';

/** Profile §5: a stanza stays under 64 KiB. The rest is for the iq around it. */
const BATCH_BYTES = 60_000;
/** What the tags around a key take at most, with its id. */
const TAG_BYTES = 80;
/** A device is 1 to 127. */
const MAX_DEVICES = 127;
const MAX_COUNT = 1_000_000;

/** The keys of one account's device, and of its contacts. */
export class KeysClient implements KeysPort {
  readonly #stream: Pick<XmppStream, 'query'>;
  readonly #service: string;
  readonly #device: string;

  constructor(deps: { stream: Pick<XmppStream, 'query'>; domain: string; device: DeviceId }) {
    this.#stream = deps.stream;
    this.#service = keysServiceOf(deps.domain);
    this.#device = String(deps.device);
  }

  async bundles(contact: ContactId, signal?: AbortSignal): Promise<readonly PrekeyBundle[]> {
    const answer = await this.#ask('get', xml('bundle', { xmlns: NS_KEYS, jid: contact }), signal);
    if (!answer?.is('bundle', NS_KEYS)) throw bad('bundle');
    // The right answer to another question would make us encrypt to another person.
    if (answer.attrs.jid !== contact) throw bad('bundle jid');
    const devices = answer.getChildren('device', NS_KEYS);
    if (devices.length > MAX_DEVICES) throw bad('devices');
    const bundles = devices.map(readDevice);
    if (new Set(bundles.map(({ device }) => device)).size !== bundles.length) throw bad('device twice');
    if (bundles.length === 0) throw networkErrors.noKeys();
    return bundles;
  }

  async uploadPrekeys(
    keys: OneTimeKeys,
    confirm: (taken: OneTimeKeys) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<PrekeyCounts> {
    let counts: PrekeyCounts | undefined;
    for (const batch of batchesOf(keys)) {
      const payload = xml(
        'prekeys',
        { xmlns: NS_KEYS, device: this.#device },
        ...batch.prekeys.map((key) => writeKey('prekey', key)),
        ...batch.kyberPrekeys.map((key) => writeSignedKey('kyber', key)),
      );
      counts = this.#readCount(await this.#ask('set', payload, signal));
      await confirm(batch);
    }
    return counts ?? (await this.count(signal));
  }

  async uploadSigned(
    keys: { readonly signedPrekey: SignedPublicPrekey; readonly kyberLastResort: SignedPublicPrekey },
    signal?: AbortSignal,
  ): Promise<void> {
    const payload = xml(
      'signed',
      { xmlns: NS_KEYS, device: this.#device },
      writeSignedKey('signed-prekey', keys.signedPrekey),
      writeSignedKey('last-resort', keys.kyberLastResort),
    );
    await this.#ask('set', payload, signal);
  }

  async count(signal?: AbortSignal): Promise<PrekeyCounts> {
    const payload = xml('count', { xmlns: NS_KEYS, device: this.#device });
    return this.#readCount(await this.#ask('get', payload, signal));
  }

  #readCount(answer: Element | undefined): PrekeyCounts {
    if (!answer?.is('count', NS_KEYS)) throw bad('count');
    if (answer.attrs.device !== this.#device) throw bad('count device');
    return readCounts(answer);
  }

  async #ask(type: 'get' | 'set', payload: Element, signal?: AbortSignal): Promise<Element | undefined> {
    try {
      const query = { to: this.#service, type, payload };
      return await this.#stream.query(signal === undefined ? query : { ...query, signal });
    } catch (failure) {
      throw translated(failure);
    }
  }
}

/** The JID of a network's keys service. */
export function keysServiceOf(domain: string): string {
  return `keys.${domain}`;
}

/** The numbers of a `<count/>` or `<low/>`. @throws BridgeError `network/badAnswer`. */
export function readCounts(element: Element): PrekeyCounts {
  return {
    prekeys: readNumber(element.attrs.prekeys, MAX_COUNT, 'count prekeys'),
    kyber: readNumber(element.attrs.kyber, MAX_COUNT, 'count kyber'),
  };
}

/** Profile §5, "Errors". What is not the service's answer (offline, lost, late) passes as it is. */
function translated(failure: unknown): unknown {
  if (!(failure instanceof BridgeError)) return failure;
  const refused = failure.code === 'stream/queryRefused';
  if (!refused && failure.code !== 'stream/queryDeferred') return failure;
  const { condition } = failure.facts;
  if (condition === 'item-not-found') return networkErrors.noKeys({}, failure);
  if (condition === 'forbidden') return networkErrors.forbidden({}, failure);
  if (condition === 'resource-constraint') return networkErrors.rateLimited({ from: 'keys' }, failure);
  return refused
    ? networkErrors.refused({ from: 'keys', condition }, failure)
    : networkErrors.unavailable({ from: 'keys', condition }, failure);
}

/** In the order given, each small enough for one stanza; none when there are no keys. */
function batchesOf(keys: OneTimeKeys): OneTimeKeys[] {
  const batches: { prekeys: PublicPrekey[]; kyberPrekeys: SignedPublicPrekey[] }[] = [];
  let room = 0;
  const batchFor = (bytes: number) => {
    let batch = batches.at(-1);
    if (batch === undefined || bytes > room) {
      batch = { prekeys: [], kyberPrekeys: [] };
      batches.push(batch);
      room = BATCH_BYTES;
    }
    room -= bytes;
    return batch;
  };
  for (const key of keys.prekeys) batchFor(TAG_BYTES + base64Bytes(key.key)).prekeys.push(key);
  for (const key of keys.kyberPrekeys) {
    batchFor(TAG_BYTES + base64Bytes(key.key) + base64Bytes(key.signature)).kyberPrekeys.push(key);
  }
  return batches;
}

function base64Bytes(bytes: Uint8Array): number {
  return Math.ceil(bytes.length / 3) * 4;
}

function bad(field: string) {
  return networkErrors.badAnswer({ from: 'keys', field });
}
