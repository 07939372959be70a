/**
 * The reference gatekeeper: the other side of docs/interop-profile.md, to run the bridge against. A real Prosody, the
 * enlistment API, the keys service, pushes, and phones. It shares with the bridge nothing but `proto/` and that page.
 *
 * Everything listens on 127.0.0.1. State is kept in `dir`: a second start there finds accounts and keys again.
 */
import { join } from 'node:path';
import { SignJWT } from 'jose';

import type { Clock, Log, Random } from '../../model/ambient.ts';
import { Phone } from '../phone/phone.ts';
import type { SandboxPhone } from '../phone/sandbox-description.ts';
import type { ProsodyPorts } from '../prosody/config.ts';
import { type Prosody, startProsody } from '../prosody/prosody.ts';
import type { Toolbox } from '../toolbox/toolbox.ts';
import { enlistmentApi, type NetworkTerms } from './enlistment-api.ts';
import { type Faults, noFaults } from './faults.ts';
import { listen } from './http-server.ts';
import { internalApi } from './internal-api.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { KeyPool } from './key-pool.ts';
import { KeysService } from './keys-service.ts';
import { type MediaHost, startMediaHost } from './media-host.ts';
import { ProofJudge, proofRules } from './proof-token.ts';
import { type PushEvent, PushSender } from './push-sender.ts';
import { type PhoneEnrolment, phoneIssuer, Registry } from './registry.ts';
import { type SigningKey, signingKey } from './signing-key.ts';
import { type Account, GatekeeperStore, type Report } from './store.ts';

export interface GatekeeperOptions {
  readonly toolbox: Toolbox;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Absolute. */
  readonly dir: string;
  /** The XMPP domain: `gk.example`. Not looked up in DNS. */
  readonly domain: string;
  /** What proof tokens must name as `aud`, and what pushes name as `iss`. */
  readonly audience: string;
  /** The third parties' OpenID issuers that are trusted, exactly as their tokens say `iss`. */
  readonly issuers: readonly { readonly issuer: string }[];
  /** Chosen anew at each start where absent. `internal` is for Prosody and phones. */
  readonly ports?: {
    readonly api?: number;
    readonly internal?: number;
    readonly prosody?: Partial<ProsodyPorts>;
  };
  readonly terms?: Partial<NetworkTerms>;
  /** The port that enlistees are told instead of Prosody's own, which it gets: for tests that stand in between. */
  readonly enlisteePort?: (port: number) => Promise<number>;
  /** Bundles that one account may fetch in a minute. Default 600. */
  readonly fetchesPerMinute?: number;
}

export interface Gatekeeper {
  /** Base of the enlistment API: the network's `api_url`. */
  /** Where contacts' files lie; only the phones of this process use it. */
  readonly mediaHost: MediaHost;
  readonly apiUrl: string;
  /** Keys that sign pushes: the network's `gatekeeper_jwks_url`. */
  readonly jwksUrl: string;
  /** `iss` of pushes: the audience. */
  readonly issuerId: string;
  readonly domain: string;
  readonly prosody: Prosody;
  /** What tests switch on; all off at the start. */
  readonly faults: Faults;
  /** Makes a contact and starts its app. The same username again continues with the same account. */
  addPhone(wish: PhoneEnrolment): Promise<Phone>;
  /** Makes a contact without starting its app: for `drawbridge phone`, by way of sandbox.json. */
  enrolPhone(wish: PhoneEnrolment): Promise<SandboxPhone>;
  /** What `drawbridge phone` needs beside a phone: the `gatekeeper` member of sandbox.json. */
  readonly phoneAccess: {
    readonly door_url: string;
    readonly host: string;
    readonly port: number;
    readonly ca_file: string;
  };
  /** Sends one push; for an unknown id to nobody. @returns the status of the answer; 0 while pushes are muted. */
  push(interopId: string, event: PushEvent): Promise<number>;
  /** Closes sessions, refuses logins, pushes `suspended`. */
  suspend(interopId: string, reason: string): Promise<void>;
  resume(interopId: string): Promise<void>;
  listAccounts(): Account[];
  listReports(): Report[];
  /** Stops phones, Prosody and listeners; awaited, in order. A second call is harmless. */
  stop(): Promise<void>;
}

const allKinds: NetworkTerms = {
  capabilities: [
    'text',
    'media',
    'reaction',
    'edit',
    'revoke',
    'location',
    'contact_card',
    'boundary_notice',
    'read_marker',
    'typing',
  ],
  textCharacters: 65_536,
  stanzaBytes: 256 * 1024,
  mediaBytes: 100 * 1024 * 1024,
};

/**
 * Starts it all; resolves when a bridge can enlist and connect.
 * @throws BridgeError `toolbox/*` when Prosody cannot be had or started.
 */
export async function startGatekeeper(options: GatekeeperOptions): Promise<Gatekeeper> {
  const { clock, random, log, dir, domain, audience, toolbox } = options;
  const faults = noFaults();
  const store = new GatekeeperStore(join(dir, 'gatekeeper.sqlite'));
  const pool = new KeyPool(store);
  const phoneKey = await signingKey(store, 'phone-issuer');
  const pushKey = await signingKey(store, 'push');
  const issuers = new IssuerKeys({
    trusted: options.issuers.map(({ issuer }) => issuer),
    local: { issuer: phoneIssuer, keyId: phoneKey.keyId, key: phoneKey.publicKey },
    clock,
    log,
  });
  const judge = new ProofJudge({ issuers, used: store, clock, audience });
  const { privateKey: key, keyId } = pushKey;
  const pushes = new PushSender({ audience, key, keyId, issuers, faults, clock, random, log });
  const adminSecret = random.bytes(24).toString('base64url');

  // Prosody is told where the internal listener is, and the listener needs Prosody's admin module: the port comes first.
  const internalPort = options.ports?.internal ?? (await toolbox.freePort());
  const authorityUrl = `http://127.0.0.1:${internalPort}`;
  const prosody = await startProsody({
    toolbox,
    clock,
    random,
    dir: join(dir, 'prosody'),
    domain,
    ports: options.ports?.prosody ?? {},
    authorityUrl,
    adminSecret,
  });
  const keysService = new KeysService({
    domain,
    componentPort: prosody.componentPort,
    componentSecret: prosody.componentSecret,
    store,
    pool,
    faults,
    clock,
    log,
    fetchesPerMinute: options.fetchesPerMinute ?? 600,
  });
  await keysService.start();
  const registry = new Registry({
    store,
    pool,
    admin: prosody.admin,
    random,
    announceIdentity: (localpart) => keysService.announceIdentity(localpart),
  });
  const internal = await listen(
    internalApi({
      domain,
      adminSecret,
      registry,
      store,
      judge,
      mintPhoneToken: (account, identity) =>
        mintPhoneToken({ clock, random, audience, key: phoneKey }, account, identity),
      findIdentity: (localpart) => pool.findIdentity(localpart),
      onWaiting: (account) => pushes.wake(account),
      faults,
      log,
    }),
    internalPort,
  );
  const stream = { host: prosody.c2sHost, port: prosody.c2sDirectTlsPort };
  const enlistees = { ...stream, port: (await options.enlisteePort?.(stream.port)) ?? stream.port };
  const terms = { ...allKinds, ...options.terms };
  const api = await listen(
    enlistmentApi({
      domain,
      stream: () => enlistees,
      terms,
      registry,
      store,
      judge,
      faults,
      pushKey: pushKey.publicJwk,
      clock,
      log,
    }),
    options.ports?.api ?? 0,
  );

  const mediaHost = await startMediaHost({ random });
  const phones: Phone[] = [];
  const enrolPhone = async (wish: PhoneEnrolment): Promise<SandboxPhone> => {
    const { account, secret } = await registry.enrolPhone(wish);
    const { localpart } = account;
    return {
      name: wish.name,
      jid: `${localpart}@${domain}`,
      secret,
      keys_file: join(dir, `phones/${localpart}.json`),
    };
  };
  const stop = async () => {
    pushes.stop();
    await Promise.all(phones.map((phone) => phone.stop()));
    await keysService.stop();
    await prosody.stop();
    await Promise.all([api.close(), internal.close(), mediaHost.close()]);
    store.close();
  };
  let stopping: Promise<void> | undefined;
  return {
    apiUrl: api.url,
    mediaHost,
    jwksUrl: `${api.url}/.well-known/jwks.json`,
    issuerId: audience,
    domain,
    prosody,
    faults,
    enrolPhone,
    phoneAccess: { door_url: internal.url, ...stream, ca_file: prosody.caFile },
    addPhone: async (wish) => {
      const { name, jid, secret, keys_file } = await enrolPhone(wish);
      const { caFile } = prosody;
      const access = { name, jid, secret, keysFile: keys_file, doorUrl: internal.url, caFile, ...stream };
      const phone = new Phone({ ...access, mediaUrl: mediaHost.url, clock, random, log });
      phones.push(phone);
      await phone.start();
      return phone;
    },
    push: (interopId, event) => pushes.send(registry.get(interopId), event),
    suspend: async (interopId, reason) => {
      const account = await registry.suspend(interopId, reason);
      if (account.kind === 'enlistee') await pushes.send(account, 'suspended');
    },
    resume: async (interopId) => {
      await registry.resume(interopId);
    },
    listAccounts: () => store.listAccounts(),
    listReports: () => store.listReports(),
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

/** A phone's proof token is of the same make as a bridge's; only the issuer is the gatekeeper itself. */
function mintPhoneToken(
  parts: {
    readonly clock: Clock;
    readonly random: Random;
    readonly audience: string;
    readonly key: SigningKey;
  },
  account: Account,
  signalIdentity: string,
): Promise<string> {
  const nowS = Math.floor(parts.clock.nowMs() / 1000);
  return new SignJWT({
    scope: 'connect',
    cnf: { signal_identity: signalIdentity },
    interop_id: account.localpart,
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: parts.key.keyId })
    .setIssuer(phoneIssuer)
    .setAudience(parts.audience)
    .setSubject(account.subject)
    .setIssuedAt(nowS)
    .setNotBefore(nowS)
    .setExpirationTime(nowS + proofRules.lifetimeS)
    .setJti(parts.random.uuid())
    .sign(parts.key.privateKey);
}
