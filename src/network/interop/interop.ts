/** The interop profile, version 1 (docs/interop-profile.md), from the bridge's side: one adapter for one network. */
import type { Clock, Log, Random } from '../../model/ambient.ts';
import type { NetworkId } from '../../model/ids.ts';
import type {
  EnlistedAccount,
  Link,
  LinkDeps,
  NetworkAdapter,
  ProofOfIdentity,
  StanzaCodec,
} from '../network.ts';
import { createContentCodec } from './content.ts';
import { EnlistmentApi } from './enlistment.ts';
import { GatekeeperKeys } from './gatekeeper-keys.ts';
import { HttpClient } from './http-client.ts';
import { inspectIdentifier } from './identifier.ts';
import { KeysClient } from './keys.ts';
import { MediaTokenVerifier } from './media-token.ts';
import { PushVerifier } from './push.ts';
import { readStanza } from './stanza-reader.ts';
import { writeChatState, writeMarker, writeMessage, writeReceipt, writeRetry } from './stanza-writer.ts';
import { type ConnectPace, createConnectPace, createXmppStream } from './stream/stream.ts';

/** Profile §4. */
const RESOURCE = 'drawbridge';
/** Between two attempts to connect, of whichever accounts: fifty a second. */
const CONNECT_EVERY_MS = 20;
const DEFAULT_REQUEST_TIMEOUT_MS = 20_000;

/** One network, as it is configured. */
export interface InteropSettings {
  readonly id: NetworkId;
  readonly displayName: string;
  /** Base of the enlistment API; http is for loopback only. */
  readonly apiUrl: string;
  /** What the gatekeeper calls itself: `aud` of our proofs, `iss` of its pushes. */
  readonly audience: string;
  /** The XMPP domain, in lower case: part of every contact's JID. */
  readonly domain: string;
  readonly gatekeeperJwksUrl: string;
  /** Ours: `aud` of the gatekeeper's pushes. */
  readonly issuer: string;
  /** PEM. Trusted beside the usual authorities, for the API and the stream. */
  readonly ca?: string;
  /** For the stream's server: base64 of SHA-256 over its SubjectPublicKeyInfo. None: not pinned. */
  readonly spkiPins?: readonly string[];
  /** For one attempt to log in. Default: the stream's own. */
  readonly connectTimeoutMs?: number;
  /** Silence before the stream's server is pinged; it has half of it to answer. Default: the stream's own. */
  readonly pingIntervalMs?: number;
  /** For one request to the API. Default 20 s. */
  readonly requestTimeoutMs?: number;
}

/** What an adapter takes from outside. */
export interface InteropDeps {
  readonly settings: InteropSettings;
  readonly proof: ProofOfIdentity;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Opens nothing and asks nobody; reads the protobuf schema from disk. */
export function createInteropAdapter(deps: InteropDeps): NetworkAdapter {
  const { settings, proof, clock } = deps;
  const http = new HttpClient({
    clock,
    timeoutMs: settings.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
    ...(settings.ca === undefined ? {} : { ca: settings.ca }),
  });
  const keys = new GatekeeperKeys({ http, clock, url: settings.gatekeeperJwksUrl });
  const { audience, issuer } = settings;
  const pace = createConnectPace(clock, CONNECT_EVERY_MS);
  const pushes = new PushVerifier({ keys, clock, audience, issuer });
  const mediaTokens = new MediaTokenVerifier({ keys, clock, audience, issuer });
  return {
    id: settings.id,
    displayName: settings.displayName,
    enlistment: new EnlistmentApi({ http, proof, settings }),
    codec: createContentCodec(),
    stanzas: stanzaCodec(settings.domain, clock),
    openLink: (account, linkDeps) => openLink(deps, pace, account, linkDeps),
    verifyPush: (token) => pushes.verify(token),
    verifyMediaToken: (token) => mediaTokens.verify(token),
    inspectIdentifier,
  };
}

function stanzaCodec(domain: string, clock: Clock): StanzaCodec {
  return {
    read: (stored, own) => readStanza(stored, own, { domain, nowMs: clock.nowMs() }),
    writeMessage,
    writeReceipt,
    writeMarker,
    writeChatState,
    writeRetry,
  };
}

function openLink(
  deps: InteropDeps,
  pace: ConnectPace,
  account: EnlistedAccount,
  { store, onStatus }: LinkDeps,
): Link {
  const { settings, proof, clock, random } = deps;
  const { connectTimeoutMs, pingIntervalMs } = settings;
  const stream = createXmppStream({
    settings: {
      jid: account.jid,
      host: account.host,
      port: account.port,
      resource: RESOURCE,
      ...(settings.ca === undefined ? {} : { extraCa: settings.ca }),
      ...(settings.spkiPins === undefined ? {} : { spkiPins: settings.spkiPins }),
      timeouts: {
        ...(connectTimeoutMs === undefined ? {} : { negotiationMs: connectTimeoutMs }),
        ...(pingIntervalMs === undefined ? {} : { pingIntervalMs, pingMs: pingIntervalMs / 2 }),
      },
    },
    store,
    token: () =>
      proof({
        audience: settings.audience,
        subject: account.user,
        scope: 'connect',
        signalIdentity: account.signalIdentity,
        interopId: account.interopId,
      }),
    pace,
    clock,
    random,
    log: deps.log.child({ account: account.accountId }),
    onStatus,
  });
  return {
    get status() {
      return stream.status;
    },
    keys: new KeysClient({ stream, domain: settings.domain, device: account.device }),
    start: () => stream.start(),
    stop: () => stream.stop(),
    wake: () => stream.wake(),
    sendNow: (xml) => stream.sendNow(xml),
  };
}
