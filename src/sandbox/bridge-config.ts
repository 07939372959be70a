import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';

/** What a sandboxed bridge needs to know of the world around it. URLs without a slash at the end. */
export type BridgeSurroundings = Readonly<{
  dir: string;
  homeserver: Readonly<{ address: string; domain: string }>;
  ports: BridgePorts;
  /** Where the homeserver is told to push to. */
  appserviceAddress: string;
  /** `sqlite`: a file in `dir`. Otherwise another file, or a `postgres://` URL. */
  database: 'sqlite' | Readonly<{ sqlite: string }> | Readonly<{ postgres: string }>;
  network: Readonly<{
    displayName: string;
    apiUrl: string;
    audience: string;
    domain: string;
    jwksUrl: string;
    /** Origin of contacts' files. */
    mediaHost: string;
    caFile: string;
    /** Added to what is configured of it. */
    extra: Readonly<Record<string, unknown>>;
  }>;
  /** Added to the configuration, section by section. */
  extra?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}>;

export type BridgePorts = Readonly<{ appservice: number; public: number; health: number }>;

/** Secrets of one sandboxed bridge; kept with its folder, so that a second start opens what the first one sealed. */
export type BridgeSecrets = Readonly<{ asToken: string; hsToken: string; masterKey: string }>;

export function makeBridgeSecrets(): BridgeSecrets {
  const token = () => randomBytes(32).toString('hex');
  return { asToken: token(), hsToken: token(), masterKey: randomBytes(32).toString('base64') };
}

/** The network's id in a sandboxed bridge's configuration. */
export const SANDBOX_NETWORK = 'gk';

/** Writes `config.yaml` into the folder, as an operator would. @returns its path. */
export async function writeBridgeConfig(around: BridgeSurroundings, secrets: BridgeSecrets): Promise<string> {
  const file = join(around.dir, 'config.yaml');
  await writeFile(file, stringify(configTree(around, secrets)), { mode: 0o600 });
  return file;
}

function configTree(around: BridgeSurroundings, secrets: BridgeSecrets): Record<string, unknown> {
  const { homeserver, ports, network } = around;
  const local = (port: number, resources: readonly string[]) => ({
    bind_address: '127.0.0.1',
    port,
    resources,
  });
  const tree: Record<string, unknown> = {
    homeserver,
    appservice: {
      address: around.appserviceAddress,
      as_token: secrets.asToken,
      hs_token: secrets.hsToken,
    },
    listeners: [
      local(ports.appservice, ['appservice']),
      local(ports.public, ['public']),
      local(ports.health, ['health', 'metrics']),
    ],
    public: { url: `http://127.0.0.1:${ports.public}`, jwks_max_age_s: 60 },
    database: databaseTree(around),
    encryption: { master_key: secrets.masterKey },
    operator: {
      name: 'Sam Sandbox',
      contact: 'sam@sandbox.invalid',
      mode: 'own-endpoint',
      source_url: 'https://sandbox.invalid/drawbridge',
    },
    bridge: { permissions: { [homeserver.domain]: 'user' } },
    networks: {
      [SANDBOX_NETWORK]: {
        display_name: network.displayName,
        api_url: network.apiUrl,
        audience: network.audience,
        domain: network.domain,
        gatekeeper_jwks_url: network.jwksUrl,
        ca_file: network.caFile,
        media_hosts: [network.mediaHost],
        ...network.extra,
      },
    },
    logging: { level: 'debug' },
  };
  for (const [section, values] of Object.entries(around.extra ?? {})) {
    tree[section] = { ...(tree[section] as object), ...values };
  }
  return tree;
}

function databaseTree({ database, dir }: BridgeSurroundings): Record<string, unknown> {
  if (database === 'sqlite') return { type: 'sqlite', uri: join(dir, 'bridge.db') };
  return 'sqlite' in database
    ? { type: 'sqlite', uri: database.sqlite }
    : { type: 'postgres', uri: database.postgres };
}
