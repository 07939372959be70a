/**
 * The composition root: the only place where concrete parts meet. Starting is the ordered list below; stopping runs it
 * backwards, each part awaited.
 */
import { hkdfSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { systemClock } from './ambient/clock.ts';
import { createLog } from './ambient/log.ts';
import { systemRandom } from './ambient/random.ts';
import { type Bridge, createBridge, type NetworkPart } from './bridge/bridge.ts';
import type { Config, NetworkConfig } from './config/config.ts';
import { databaseSettings } from './config/database-settings.ts';
import { permissionOf } from './config/permissions.ts';
import { HealthFlag } from './http/health-flag.ts';
import { createHealthRouter } from './http/health-router.ts';
import { createHttp } from './http/http.ts';
import { keepAsking } from './http/keep-asking.ts';
import { createMetrics, createMetricsRouter, type Metrics } from './http/metrics.ts';
import { createPublicRouter } from './http/public-router.ts';
import { createIssuer, type Issuer } from './identity/identity.ts';
import { createMatrixSide, type MatrixSide } from './matrix/matrix.ts';
import type { Media } from './media/media.ts';
import { assembleMedia, assembleMediaRouter } from './media-parts.ts';
import type { Clock, Log, Random } from './model/ambient.ts';
import { BridgeError, codeOf } from './model/errors.ts';
import { type NetworkId, networkId } from './model/ids.ts';
import { createInteropAdapter } from './network/interop/interop.ts';
import { createSignalService } from './signal/signal.ts';
import { openStorage, type Storage } from './storage/storage.ts';

/** `version`: the program's own. */
type Ambient = Readonly<{ clock: Clock; random: Random; log: Log; version: string }>;
type Part = Readonly<{ name: string; stop: () => Promise<void> }>;

/** How often the homeserver is asked whether it still reaches us; a failed answer is asked again sooner. */
const PING_EVERY_MS = 5 * 60_000;
const ASK_AGAIN_MS = 15_000;
const START_AGAIN_MS = 2_000;
const START_AGAIN_MOST_MS = 60_000;
const HOMESERVER_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 5_000;
const PROOF_LIFETIME_S = 120;

/**
 * Runs the bridge until `signal` aborts.
 * @param version the program's own, for `version` and the metrics.
 * @returns the exit code: 0.
 * @throws BridgeError what makes a start pointless: `storage/…`, `http/cannotListen`, `matrix/badToken`,
 *   `matrix/wrongUser`. A homeserver or network that cannot be reached is waited for instead.
 */
export async function runDaemon(config: Config, version: string, signal: AbortSignal): Promise<number> {
  const log = createLog({
    level: config.logging.level,
    format: config.logging.format,
    contactIds: config.logging.contact_ids,
    ghostPrefix: config.appservice.ghost_prefix,
    // The marks of contacts stay the same over restarts, and are of no use to who lacks the master key.
    hashKey: Buffer.from(
      hkdfSync('sha256', config.encryption.master_key.reveal(), '', 'drawbridge log marks v1', 32),
    ),
  });
  const ambient = { clock: systemClock, random: systemRandom, log, version };
  const started: Part[] = [];
  try {
    await startParts(config, ambient, started, signal);
    log.info('bridge running', { version });
    if (!signal.aborted)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    return 0;
  } catch (failure) {
    // Stopped while it was still starting: that is no failure.
    if (signal.aborted && failure === signal.reason) return 0;
    throw failure;
  } finally {
    for (const part of started.reverse()) {
      ambient.log.debug('stopping', { part: part.name });
      await part
        .stop()
        .catch((failure: unknown) => ambient.log.error('part not stopped', { part: part.name }, failure));
    }
    ambient.log.info('bridge stopped');
  }
}

async function startParts(
  config: Config,
  ambient: Ambient,
  started: Part[],
  signal: AbortSignal,
): Promise<void> {
  const { log } = ambient;
  const begin = async (name: string, start: () => Promise<unknown>, stop: () => Promise<void>) => {
    // Listed before it starts: what is half started has to be stopped as well.
    started.push({ name, stop });
    await start();
  };

  // 1. What must be durable before anything else can be promised.
  const storage = await openStorage({
    database: databaseSettings(config.database),
    masterKey: config.encryption.master_key.reveal(),
    previousMasterKey: config.encryption.previous_master_key?.reveal(),
    clock: ambient.clock,
    random: ambient.random,
  });
  started.push({ name: 'storage', stop: async () => await storage.close() });

  // 2. The issuer: no gatekeeper believes us without its keys.
  const issuer = createIssuer({
    settings: issuerSettings(config),
    database: storage.database,
    keys: storage.issuerKeys,
    ...ambient,
  });
  await begin(
    'issuer',
    async () => await issuer.start(),
    async () => await issuer.stop(),
  );

  // 3. The two sides and the core between them. Nothing runs yet.
  const metrics = createMetrics({ version: ambient.version, log });
  const networks = await networkParts(config, storage, issuer, ambient);
  const media = await assembleMedia({
    config,
    mediaBase: issuerSettings(config).mediaBase,
    storage,
    metrics,
    ...ambient,
  });
  const { bridge, matrix } = sides(config, storage, networks, media, metrics, ambient);
  const health = healthChecks(bridge, networks, ambient.clock);
  fillGauges(metrics, storage, bridge, networks, health.all);

  // Before the listeners, which give files out, and before anything is hosted.
  await begin(
    'media',
    async () => await media.start(),
    async () => await media.stop(),
  );

  // 4. The listeners, before we ask anybody to call us. Events are stored from here on, and wait.
  const http = createHttp({
    listeners: config.listeners.map((listener) => ({
      bindAddress: listener.bind_address,
      port: listener.port,
      resources: listener.resources,
    })),
    resources: {
      appservice: matrix.appserviceListener,
      public: createPublicRouter({
        issuer,
        onPush: async (token) => {
          const outcome = await bridge.push(token);
          metrics.push(outcome);
          return outcome;
        },
        media: assembleMediaRouter({ config, media, networks, metrics }),
        basePath: new URL(config.public.url).pathname,
      }),
      health: createHealthRouter(health.all),
      metrics: createMetricsRouter(metrics),
    },
    log,
    clock: ambient.clock,
  });
  await begin(
    'http',
    async () => await http.start(),
    async () => await http.stop(),
  );
  const asking = keepAsking({
    ask: async () =>
      await storage.database.transaction(async (tx) => await storage.matrixInbox.countWaiting(tx)),
    flag: health.database,
    everyMs: ASK_AGAIN_MS,
    againMs: ASK_AGAIN_MS,
    failed: 'database does not answer',
    ...ambient,
  });
  started.push({ name: 'database check', stop: async () => await asking.stop() });

  // 5. The homeserver: waited for, since it may start after us.
  started.push({ name: 'matrix', stop: async () => await matrix.stop() });
  await untilHomeserverIsThere(matrix, health.homeserver, ambient, signal);
  // Asking whether it reaches us also ends Synapse's back-off after an outage of ours (MSC2659).
  const pinging = keepAsking({
    ask: async () => await matrix.ping(),
    flag: health.homeserver,
    everyMs: PING_EVERY_MS,
    againMs: ASK_AGAIN_MS,
    failed: 'homeserver does not reach the bridge',
    ...ambient,
  });
  started.push({ name: 'ping', stop: async () => await pinging.stop() });

  // 6. The links and the queues: from here on messages cross.
  await begin(
    'bridge',
    async () => await bridge.start(signal),
    async () => await stopBridge(bridge, matrix, ambient),
  );
}

/** A homeserver that hangs must not hold up the stop: after the grace its requests end, and every step is repeatable. */
async function stopBridge(bridge: Bridge, matrix: MatrixSide, { clock, log }: Ambient): Promise<void> {
  const stopped = new AbortController();
  const cut = clock.sleep(STOP_GRACE_MS, stopped.signal).then(
    async () => {
      log.warn('requests to the homeserver cut');
      await matrix.stop();
    },
    () => {
      /* the bridge stopped within the grace */
    },
  );
  await bridge.stop();
  stopped.abort();
  await cut;
}

function sides(
  config: Config,
  storage: Storage,
  networks: ReadonlyMap<NetworkId, NetworkPart>,
  media: Media,
  metrics: Metrics,
  ambient: Ambient,
): { bridge: Bridge; matrix: MatrixSide } {
  const { appservice, homeserver, operator } = config;
  const matrix: MatrixSide = createMatrixSide({
    settings: {
      homeserverUrl: homeserver.address,
      domain: homeserver.domain,
      appserviceId: appservice.id,
      botLocalpart: appservice.bot.username,
      botDisplayName: appservice.bot.displayname,
      ghostPrefix: appservice.ghost_prefix,
      asToken: appservice.as_token.reveal(),
      hsToken: appservice.hs_token.reveal(),
      maxBodyBytes: appservice.max_body_bytes,
      requestTimeoutMs: HOMESERVER_TIMEOUT_MS,
    },
    // The core is built below; no transaction comes in before the listeners are open.
    sink: { store: async (transaction) => await bridge.intake.store(transaction) },
    metrics: metrics.homeserver,
    ...ambient,
  });
  const bridge: Bridge = createBridge({
    storage,
    matrix,
    media,
    networks,
    metrics,
    settings: {
      operator: { name: operator.name, contact: operator.contact, mode: operator.mode },
      commandPrefix: config.bridge.command_prefix,
      aliasPrefix: `${appservice.ghost_prefix}portal_`,
      permissionOf: (user) => permissionOf(config.bridge.permissions, user),
      statusEvents: config.bridge.message_status_events,
      shareByDefault: {
        'read-receipts': config.bridge.share_by_default.read_receipts,
        typing: config.bridge.share_by_default.typing,
      },
      tooOldMs: config.bridge.delivery.too_old_hours * 60 * 60_000,
      keepFilesMs: config.media.keep_days * 24 * 60 * 60_000,
      keepFailedMs: config.bridge.delivery.keep_failed_hours * 60 * 60_000,
      version: ambient.version,
      sourceUrl: operator.source_url,
    },
    ...ambient,
  });
  return { bridge, matrix };
}

async function networkParts(
  config: Config,
  storage: Storage,
  issuer: Issuer,
  ambient: Ambient,
): Promise<ReadonlyMap<NetworkId, NetworkPart>> {
  const parts = new Map<NetworkId, NetworkPart>();
  for (const [id, network] of Object.entries(config.networks)) {
    parts.set(networkId(id), await networkPart(networkId(id), network, config, storage, issuer, ambient));
  }
  return parts;
}

async function networkPart(
  id: NetworkId,
  network: NetworkConfig,
  config: Config,
  storage: Storage,
  issuer: Issuer,
  ambient: Ambient,
): Promise<NetworkPart> {
  const log = ambient.log.child({ network: id });
  const adapter = createInteropAdapter({
    settings: {
      id,
      displayName: network.display_name,
      apiUrl: network.api_url,
      audience: network.audience,
      domain: network.domain,
      gatekeeperJwksUrl: network.gatekeeper_jwks_url,
      issuer: issuerUrl(config),
      ...(network.ca_file === undefined ? {} : { ca: await readFile(network.ca_file, 'utf8') }),
      spkiPins: network.spki_pins,
      connectTimeoutMs: network.connect_timeout_s * 1_000,
      pingIntervalMs: network.ping_interval_s * 1_000,
    },
    proof: async (claims) => await issuer.mintProof(claims),
    ...ambient,
    log,
  });
  const signal = createSignalService({
    database: storage.database,
    records: storage.signalRecords,
    settings: {
      initialPrekeys: network.prekeys.initial,
      maxPrekeys: network.prekeys.max,
      refillBelow: network.prekeys.refill_below,
      rotationDays: network.signed_prekey_rotation_days,
      keepDays: network.signed_prekey_keep_days,
    },
    ...ambient,
    log,
  });
  return {
    adapter,
    signal,
    homeservers: network.homeservers.length > 0 ? network.homeservers : [config.homeserver.domain],
    sendReceipts: network.send_receipts,
    termsVersion: network.terms_version,
    keepSentMs: network.keep_sent_hours * 60 * 60_000,
    inboxLimits: {
      accountRows: network.limits.account_messages,
      accountBytes: network.limits.account_mb * 1024 * 1024,
      contactRows: network.limits.contact_messages,
      contactBytes: network.limits.contact_mb * 1024 * 1024,
    },
  };
}

/** Waits for the homeserver, with growing pauses. @throws BridgeError what waiting cannot cure; the signal's reason. */
async function untilHomeserverIsThere(
  matrix: MatrixSide,
  flag: HealthFlag,
  { clock, random, log }: Ambient,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      await matrix.start(signal);
      flag.ok();
      return;
    } catch (failure) {
      signal.throwIfAborted();
      flag.failed(failure);
      const code = codeOf(failure);
      if (!(failure instanceof BridgeError) || failure.retry !== 'later' || code === 'matrix/badToken')
        throw failure;
      const bound = Math.min(START_AGAIN_MOST_MS, START_AGAIN_MS * 2 ** Math.min(attempt - 1, 10));
      const waitMs = Math.round(bound / 2 + (bound / 2) * random.fraction());
      log.warn('homeserver not ready, waiting', { attempt, waitMs }, failure);
      await clock.sleep(waitMs, signal);
    }
  }
}

function healthChecks(bridge: Bridge, networks: ReadonlyMap<NetworkId, NetworkPart>, clock: Clock) {
  const homeserver = new HealthFlag('homeserver', clock);
  const database = new HealthFlag('database', clock);
  const startedAtMs = clock.nowMs();
  const links = [...networks.keys()].map((id) => ({
    name: `networks.${id}`,
    read: () => {
      const counts = bridge.countLinks(id);
      // One account's trouble is its own; a network where none of several gets through is down.
      const ok = counts.online > 0 || counts.connecting + counts.waiting + counts.stopped === 0;
      return { ok, sinceMs: startedAtMs, ...(ok ? {} : { code: 'bridge/linkDown' }) };
    },
  }));
  return { homeserver, database, all: [homeserver, database, ...links] };
}

function fillGauges(
  metrics: Metrics,
  storage: Storage,
  bridge: Bridge,
  networks: ReadonlyMap<NetworkId, NetworkPart>,
  checks: readonly { name: string; read(): { ok: boolean } }[],
): void {
  metrics.beforeScrape(async () => {
    const { accounts, ...counts } = await storage.database.transaction(async (tx) => ({
      'matrix-inbox': await storage.matrixInbox.countWaiting(tx),
      'network-inbox': await storage.networkInbox.countWaiting(tx),
      outbox: await storage.outbox.countWaiting(tx),
      accounts: await storage.accounts.count(tx),
    }));
    metrics.set(
      'accounts',
      accounts.map(({ network, state, count }) => ({ network, state, value: count })),
    );
    metrics.set(
      'queueDepth',
      Object.entries(counts).map(([queue, value]) => ({ queue, value })),
    );
    metrics.set(
      'links',
      [...networks.keys()].flatMap((network) =>
        Object.entries(bridge.countLinks(network)).map(([status, value]) => ({ network, status, value })),
      ),
    );
    metrics.set(
      'heldAccounts',
      [...networks.keys()].map((network) => ({ network, value: bridge.countHeld(network) })),
    );
    metrics.set(
      'ready',
      checks.map((check) => ({ check: check.name, value: check.read().ok ? 1 : 0 })),
    );
  });
}

function issuerUrl(config: Config): string {
  return config.public.url.replace(/\/+$/, '');
}

function issuerSettings(config: Config) {
  const issuer = issuerUrl(config);
  return {
    issuer,
    pushEndpoint: `${issuer}/interop/v1/push`,
    mediaBase: `${issuer}/media`,
    rotationDays: config.public.key_rotation_days,
    jwksMaxAgeS: config.public.jwks_max_age_s,
    tokenLifetimeS: PROOF_LIFETIME_S,
  };
}
