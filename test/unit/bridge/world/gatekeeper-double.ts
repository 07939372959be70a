/**
 * A network whose codec, stanzas and identifiers are the real ones, and whose gatekeeper and links are a few maps: it gives
 * one user the same ids again, and remembers every call.
 */
import { createHash } from 'node:crypto';
import { systemRandom } from '../../../../src/ambient/random.ts';
import type { Clock, Log } from '../../../../src/model/ambient.ts';
import type { Capabilities, CapabilityLimits, SendableKind } from '../../../../src/model/capabilities.ts';
import type { BridgeError } from '../../../../src/model/errors.ts';
import { type AccountId, type ContactId, contactId, deviceId, networkId } from '../../../../src/model/ids.ts';
import type { PublicDevice } from '../../../../src/model/prekeys.ts';
import { networkErrors } from '../../../../src/network/errors.ts';
import { createInteropAdapter } from '../../../../src/network/interop/interop.ts';
import type {
  Enlisted,
  EnlistedAccount,
  EnlistmentPort,
  EnlistRequest,
  Identifier,
  KeysPort,
  Link,
  LinkDeps,
  LinkStatus,
  LookupResult,
  NetworkAdapter,
} from '../../../../src/network/network.ts';
import type { Contact } from './contact.ts';
import type { FaultPoints } from './fault-points.ts';

export const GK = networkId('gk');
export const GK_NAME = 'Gatekeeper';

type Registration = { readonly ids: Enlisted; device: PublicDevice };
type Step =
  | 'enlist'
  | 'unenlist'
  | 'self'
  | 'lookup'
  | 'bundles'
  | 'count'
  | 'upload prekeys'
  | 'upload signed';

export class GatekeeperDouble {
  readonly adapter: NetworkAdapter;
  /** By Matrix user id. */
  readonly registered = new Map<string, Registration>();
  readonly enlistCalls: EnlistRequest[] = [];
  readonly unenlistCalls: string[] = [];
  readonly contacts = new Map<string, Contact>();
  readonly links = new Map<AccountId, LinkDouble>();
  /** Asked at each call: what it returns is thrown. */
  fail: ((step: Step) => Error | undefined) | undefined;
  /** Runs in the middle of each enlistment. */
  whileEnlisting: (() => Promise<void>) | undefined;
  /** How links come up; online when it is `undefined`. */
  startsWith: LinkStatus | undefined;
  /** Interop ids. */
  readonly suspended = new Set<string>();
  textCharacters = 1_000;
  /** What an enlistment is told that the network takes. */
  kinds: readonly SendableKind[] = ['text', 'boundary-notice'];
  moreLimits: Partial<CapabilityLimits> = {};
  /** What the answer about oneself tells; absent: nothing. */
  capabilitiesNow: Capabilities | undefined;
  selfCalls = 0;
  readonly #faults: FaultPoints;

  constructor(deps: { clock: Clock; log: Log; faults: FaultPoints }) {
    this.#faults = deps.faults;
    const real = createInteropAdapter({
      settings: {
        id: GK,
        displayName: GK_NAME,
        apiUrl: 'http://127.0.0.1:9',
        audience: 'gk',
        domain: 'gk.example',
        gatekeeperJwksUrl: 'http://127.0.0.1:9/jwks',
        issuer: 'https://bridge.example.org',
      },
      proof: async () => 'proof',
      random: systemRandom,
      clock: deps.clock,
      log: deps.log,
    });
    this.adapter = {
      ...real,
      enlistment: this.#enlistment(),
      openLink: (account, link) => this.#open(account, link),
    };
  }

  /** Runs one call of the network's: the planned fault, or the test's refusal, before it has an effect. */
  async step<T>(step: Step, work: () => T | Promise<T>): Promise<T> {
    return await this.#faults.around(step, async () => {
      const failure = this.fail?.(step);
      if (failure !== undefined) throw failure;
      return await work();
    });
  }

  #enlistment(): EnlistmentPort {
    const notAsked = async (): Promise<never> => {
      throw networkErrors.refused();
    };
    return {
      enlist: async (request) => await this.step('enlist', async () => await this.#enlist(request)),
      unenlist: async (account) =>
        await this.step('unenlist', () => {
          this.unenlistCalls.push(account.interopId);
          return this.registered.delete(account.user) ? 'done' : 'was-not-enlisted';
        }),
      lookup: async (_account, identifiers) =>
        await this.step('lookup', () => identifiers.map((identifier) => this.#lookup(identifier))),
      self: async (account) =>
        await this.step('self', () => {
          const { interopId, jid, device } = account;
          this.selfCalls += 1;
          return {
            interopId,
            jid,
            device,
            state: this.suspended.has(interopId) ? 'suspended' : 'active',
            reachable: true,
            ...(this.capabilitiesNow === undefined ? {} : { capabilities: this.capabilitiesNow }),
          };
        }),
      update: notAsked,
      report: notAsked,
    };
  }

  async #enlist(request: EnlistRequest): Promise<Enlisted> {
    this.enlistCalls.push(request);
    await this.whileEnlisting?.();
    const known = this.registered.get(request.user);
    if (known !== undefined) {
      known.device = request.device;
      return known.ids;
    }
    const interopId = `interop-${this.registered.size + 1}`;
    const ids: Enlisted = {
      interopId,
      jid: contactId(`${interopId}@gk.example`),
      device: deviceId(1),
      host: '127.0.0.1',
      port: 5223,
      capabilities: {
        kinds: new Set(this.kinds),
        limits: {
          textCharacters: this.textCharacters,
          stanzaBytes: 65_536,
          mediaBytes: 1_000_000,
          ...this.moreLimits,
        },
        media: {},
      },
    };
    this.registered.set(request.user, { ids, device: request.device });
    return ids;
  }

  /** By user name, or by the local part of the JID as an interop id. */
  #lookup(identifier: Identifier): LookupResult {
    const contact = this.contacts.get(`${identifier.value}@gk.example`);
    if (contact !== undefined) return { ...identifier, status: 'reachable', contact: contact.jid };
    return { ...identifier, status: identifier.value === 'shy' ? 'not-opted-in' : 'unknown' };
  }

  #open(account: EnlistedAccount, deps: LinkDeps): Link {
    const link = new LinkDouble(this, account, deps);
    this.links.set(account.accountId, link);
    return link;
  }
}

/** A connection that is there as soon as it is started, and carries what the test hands it. */
export class LinkDouble implements Link {
  status: LinkStatus = { kind: 'stopped' };
  readonly keys: KeysPort;
  wakes = 0;
  readonly #gatekeeper: GatekeeperDouble;
  readonly #account: EnlistedAccount;
  readonly #deps: LinkDeps;
  #handled = 0;

  constructor(gatekeeper: GatekeeperDouble, account: EnlistedAccount, deps: LinkDeps) {
    this.#gatekeeper = gatekeeper;
    this.#account = account;
    this.#deps = deps;
    this.keys = {
      bundles: async (contact) =>
        await gatekeeper.step('bundles', () => {
          const known = gatekeeper.contacts.get(contact);
          if (known === undefined) throw networkErrors.noKeys();
          return [known.bundle()];
        }),
      count: async () => await gatekeeper.step('count', () => this.counts),
      uploadPrekeys: async (keys, confirm) =>
        await gatekeeper.step('upload prekeys', async () => {
          this.uploads.push(keys);
          await confirm(keys);
          return this.counts;
        }),
      uploadSigned: async (keys) =>
        await gatekeeper.step('upload signed', () => {
          this.signedUploads.push(keys);
        }),
    };
  }

  counts = { prekeys: 20, kyber: 20 };
  readonly uploads: Parameters<KeysPort['uploadPrekeys']>[0][] = [];
  readonly signedUploads: Parameters<KeysPort['uploadSigned']>[0][] = [];

  start(): void {
    const boundJid = `${this.#account.jid}/drawbridge`;
    this.status = this.#gatekeeper.startsWith ?? { kind: 'online', boundJid, resumed: false };
    this.#deps.onStatus(this.status);
  }

  /** The connection is gone; it is not tried again before the test says so. */
  lose(reason: BridgeError): void {
    this.status = { kind: 'waiting', reason, retryAtMs: Number.MAX_SAFE_INTEGER };
    this.#deps.onStatus(this.status);
  }

  async stop(): Promise<void> {
    this.status = { kind: 'stopped' };
    this.#deps.onStatus(this.status);
  }

  wake(): void {
    this.wakes += 1;
  }

  /** What was sent past the outbox. */
  readonly sentNow: string[] = [];

  sendNow(xml: string): boolean {
    if (this.status.kind !== 'online') return false;
    this.sentNow.push(xml);
    return true;
  }

  /** The server takes and acknowledges what waits in the outbox. */
  async carry(): Promise<void> {
    const { store } = this.#deps;
    const rows = await store.nextOutbound(100);
    await store.markSent(rows.map(({ rowId }, index) => ({ rowId, number: this.#carried + index + 1 })));
    this.#carried += rows.length;
    await store.markAcked(this.#carried);
  }

  #carried = 0;

  /** Stanzas as the server hands them over: stored and counted, then told. */
  async arrive(from: ContactId | string, ...stanzas: readonly string[]): Promise<void> {
    this.#handled += stanzas.length;
    await this.#deps.store.storeInbound(
      stanzas.map((xml) => ({
        from,
        id: /\bid="([^"]*)"/.exec(/^<message[^>]*>/.exec(xml)?.[0] ?? '')?.[1],
        digest: createHash('sha256').update(xml).digest('hex'),
        archiveId: undefined,
        delayedAtMs: undefined,
        xml,
      })),
      this.#handled,
    );
  }

  /** The server will not take the row, ever. */
  async reject(rowId: string, reason: BridgeError): Promise<void> {
    await this.#deps.store.reject(rowId, reason);
  }
}
