/**
 * A whole world on this machine: a real Synapse, the reference gatekeeper on a real Prosody, and the bridge between them
 * as an operator would run it. For `drawbridge sandbox`, the demo and the integration tests.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Log, Random } from '../model/ambient.ts';
import {
  type BridgePorts,
  type BridgeSecrets,
  type BridgeSurroundings,
  makeBridgeSecrets,
  writeBridgeConfig,
} from './bridge-config.ts';
import { type BridgeProcess, createBridgeProcess, registerBridge } from './bridge-process.ts';
import type { NetworkTerms } from './gatekeeper/enlistment-api.ts';
import { type Gatekeeper, startGatekeeper } from './gatekeeper/gatekeeper.ts';
import { type Synapse, startSynapse } from './synapse/synapse.ts';
import type { Toolbox } from './toolbox/toolbox.ts';

export type WorldOptions = Readonly<{
  toolbox: Toolbox;
  clock: Clock;
  random: Random;
  /** Of the gatekeeper and the phones; the bridge writes a log file of its own. */
  log: Log;
  /** Absolute. A folder used before carries on where it was. */
  dir: string;
  database?: BridgeSurroundings['database'];
  extra?: BridgeSurroundings['extra'];
  /** Added to what is configured of the network. */
  networkExtra?: Readonly<Record<string, unknown>>;
  /** What the gatekeeper takes and how much of it. Default: all kinds, of any sensible size. */
  terms?: Partial<NetworkTerms>;
  /** For the Node that runs the bridge. */
  nodeArguments?: readonly string[];
  /** For tests that stand between the parts: gets the port that a part listens on, gives the one the other is told. */
  detour?: (way: Detour, port: number) => Promise<number>;
}>;

/** Who connects to whom. */
export type Detour = 'bridge-to-homeserver' | 'homeserver-to-bridge' | 'bridge-to-network';

export interface World {
  readonly synapse: Synapse;
  readonly gatekeeper: Gatekeeper;
  readonly bridge: BridgeProcess;
  readonly bridgeDir: string;
  readonly publicUrl: string;
  readonly appserviceUrl: string;
  readonly secrets: BridgeSecrets;
  readonly botUserId: string;
  /** Ends everything, in order. A second call is harmless. */
  stop(): Promise<void>;
}

export const HOMESERVER_NAME = 'matrix.sandbox';
export const NETWORK_NAME = 'Gatekeeper';
const NETWORK_DOMAIN = 'gk.sandbox';
const AUDIENCE = 'https://interop.gk.sandbox';

type Kept = Readonly<{ secrets: BridgeSecrets; ports: BridgePorts & { homeserver: number } }>;

/** Starts it all. The bridge is started, too; `bridge.stop()` and `bridge.start()` do so again. */
export async function startWorld(options: WorldOptions): Promise<World> {
  const { toolbox, dir } = options;
  const bridgeDir = join(dir, 'bridge');
  await mkdir(bridgeDir, { recursive: true });
  const kept = await keptOrNew(join(dir, 'world.json'), toolbox);
  const { ports, secrets } = kept;
  const publicUrl = `http://127.0.0.1:${ports.public}`;
  const detour = options.detour ?? (async (_way: Detour, port: number) => port);
  const running: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const end of running.splice(0).reverse()) await end();
  };
  try {
    toolbox.progress('gatekeeper: starting…');
    const gatekeeper = await startGatekeeper({
      ...options,
      dir: join(dir, 'gatekeeper'),
      domain: NETWORK_DOMAIN,
      audience: AUDIENCE,
      issuers: [{ issuer: publicUrl }],
      enlisteePort: async (port) => await detour('bridge-to-network', port),
    });
    running.push(async () => await gatekeeper.stop());
    const configFile = await writeBridgeConfig(
      {
        dir: bridgeDir,
        homeserver: {
          address: `http://127.0.0.1:${await detour('bridge-to-homeserver', ports.homeserver)}`,
          domain: HOMESERVER_NAME,
        },
        ports,
        appserviceAddress: `http://127.0.0.1:${await detour('homeserver-to-bridge', ports.appservice)}`,
        database: options.database ?? 'sqlite',
        network: {
          displayName: NETWORK_NAME,
          apiUrl: gatekeeper.apiUrl,
          audience: AUDIENCE,
          domain: NETWORK_DOMAIN,
          jwksUrl: gatekeeper.jwksUrl,
          mediaHost: gatekeeper.mediaHost.url,
          caFile: gatekeeper.prosody.caFile,
          extra: options.networkExtra ?? {},
        },
        ...(options.extra === undefined ? {} : { extra: options.extra }),
      },
      secrets,
    );
    const registration = await registerBridge(toolbox, bridgeDir, configFile);
    toolbox.progress('synapse: starting…');
    const synapse = await startSynapse({
      toolbox,
      dir: join(dir, 'synapse'),
      serverName: HOMESERVER_NAME,
      port: ports.homeserver,
      registrations: [registration],
    });
    running.push(async () => await synapse.stop());
    toolbox.progress('bridge: starting…');
    const bridge = createBridgeProcess({
      toolbox,
      dir: bridgeDir,
      configFile,
      healthPort: ports.health,
      nodeArguments: options.nodeArguments ?? [],
    });
    running.push(async () => await bridge.stop());
    await bridge.start();
    return {
      synapse,
      gatekeeper,
      bridge,
      bridgeDir,
      publicUrl,
      appserviceUrl: `http://127.0.0.1:${ports.appservice}`,
      secrets,
      botUserId: `@drawbridgebot:${HOMESERVER_NAME}`,
      stop,
    };
  } catch (failure) {
    await stop();
    throw failure;
  }
}

/** Ports stand in tokens and registrations, so a folder keeps those it began with. */
async function keptOrNew(file: string, toolbox: Toolbox): Promise<Kept> {
  const found = await readFile(file, 'utf8').catch((failure: NodeJS.ErrnoException) => {
    if (failure.code === 'ENOENT') return undefined;
    throw failure;
  });
  if (found !== undefined) return JSON.parse(found) as Kept;
  const port = async () => await toolbox.freePort();
  const ports = {
    homeserver: await port(),
    appservice: await port(),
    public: await port(),
    health: await port(),
  };
  const kept: Kept = { secrets: makeBridgeSecrets(), ports };
  await writeFile(file, JSON.stringify(kept), { mode: 0o600 });
  return kept;
}
