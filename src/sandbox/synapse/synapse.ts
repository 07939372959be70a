/** A real Synapse for sandbox and tests: SQLite, this machine only, without federation and rate limits. */
import { createHmac, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { RunningProcess, Toolbox } from '../toolbox/toolbox.ts';
import { homeserverConfig, logConfig, makeSecrets, type SynapseSecrets } from './config.ts';
import { synapseErrors } from './errors.ts';
import { installSynapse } from './install.ts';

const START_TIMEOUT_MS = 90_000;
const HEALTH_TIMEOUT_MS = 2_000;
const REQUEST_TIMEOUT_MS = 30_000;

export type SynapseOptions = Readonly<{
  toolbox: Toolbox;
  /** Everything lies here: database, media, logs, secrets. A folder used before carries on where it was. */
  dir: string;
  /** The server part of user ids. The same as before in a folder used before. */
  serverName: string;
  /** Of 127.0.0.1; a free one if absent. */
  port?: number;
  /** Paths of the registration files (YAML) of application services. Read at start only. */
  registrations: readonly string[];
}>;

export interface Synapse {
  /** `http://127.0.0.1:<port>`, without a slash at its end; the same after a restart. */
  readonly baseUrl: string;
  readonly serverName: string;
  readonly logFile: string;
  readonly pid: number;
  /**
   * Creates a user, without logging in.
   * @returns the Matrix user id.
   * @throws BridgeError `synapse/refused`, with `errcode: 'M_USER_IN_USE'` when it exists.
   */
  registerUser(localpart: string, password: string, options?: { admin?: boolean }): Promise<string>;
  /** A second call is harmless. */
  stop(): Promise<void>;
  /** As a power cut: no orderly end. */
  kill(): Promise<void>;
  /** Stops it if it runs, and starts it on the same folder and port. */
  restart(): Promise<void>;
}

/**
 * Installs Synapse if need be, starts it and waits until it answers.
 * @throws BridgeError `toolbox/missing`, `toolbox/commandFailed`, `toolbox/endedEarly`, `toolbox/notReady`.
 */
export async function startSynapse(options: SynapseOptions): Promise<Synapse> {
  const { toolbox, serverName } = options;
  const { python } = await installSynapse(toolbox);
  const port = options.port ?? (await toolbox.freePort());
  const baseUrl = `http://127.0.0.1:${port}`;
  const folder = resolve(options.dir);
  const logFile = join(folder, 'synapse.log');
  const secrets = await writeFiles({ ...options, folder, port, logFile });
  const launch = () =>
    toolbox.startProcess({
      name: 'synapse',
      command: python,
      args: ['-m', 'synapse.app.homeserver', '-c', join(folder, 'homeserver.json')],
      cwd: folder,
      logFile: join(folder, 'synapse.out'),
      ready: () => isHealthy(baseUrl),
      timeoutMs: START_TIMEOUT_MS,
    });
  let process: RunningProcess = await launch();
  return {
    baseUrl,
    serverName,
    logFile,
    get pid() {
      return process.pid;
    },
    registerUser: (localpart, password, { admin = false } = {}) =>
      registerUser({ baseUrl, secret: secrets.registration, localpart, password, admin }),
    stop: () => process.stop(),
    kill: () => process.kill(),
    restart: async () => {
      await process.stop();
      process = await launch();
    },
  };
}

async function writeFiles(
  input: SynapseOptions & { folder: string; port: number; logFile: string },
): Promise<SynapseSecrets> {
  const { folder, port, serverName, logFile } = input;
  await mkdir(join(folder, 'media'), { recursive: true, mode: 0o700 });
  const file = (name: string) => join(folder, name);
  const secrets = await keptSecrets(file('secrets.json'));
  const registrations = input.registrations.map((path) => resolve(path));
  const config = homeserverConfig({
    serverName,
    port,
    folder,
    databaseFile: file('homeserver.db'),
    logConfigFile: file('logging.json'),
    signingKeyFile: file('signing.key'),
    registrations,
    secrets,
  });
  await writeFile(file('signing.key'), secrets.signingKey, { mode: 0o600 });
  await writeFile(file('logging.json'), JSON.stringify(logConfig(logFile), null, 2));
  await writeFile(file('homeserver.json'), JSON.stringify(config, null, 2), { mode: 0o600 });
  return secrets;
}

async function keptSecrets(file: string): Promise<SynapseSecrets> {
  const kept = await readFile(file, 'utf8').catch(() => undefined); // a new folder has none
  if (kept !== undefined) return JSON.parse(kept) as SynapseSecrets;
  const secrets = makeSecrets(randomBytes);
  await writeFile(file, JSON.stringify(secrets), { mode: 0o600 });
  return secrets;
}

async function isHealthy(baseUrl: string): Promise<boolean> {
  return (await fetch(`${baseUrl}/health`, { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) })).ok;
}

type NewUser = Readonly<{
  baseUrl: string;
  secret: string;
  localpart: string;
  password: string;
  admin: boolean;
}>;

// https://element-hq.github.io/synapse/latest/admin_api/register_api.html
async function registerUser({ baseUrl, secret, localpart, password, admin }: NewUser): Promise<string> {
  const url = `${baseUrl}/_synapse/admin/v1/register`;
  const asked = await fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
  const { nonce } = (await asked.json()) as { nonce: string };
  const proven = [nonce, localpart, password, admin ? 'admin' : 'notadmin'].join('\0');
  const mac = createHmac('sha1', secret).update(proven).digest('hex');
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ nonce, username: localpart, password, admin, mac, inhibit_login: true }),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  const body = (await answer.json()) as { user_id?: string; errcode?: string };
  if (answer.ok && body.user_id !== undefined) return body.user_id;
  throw synapseErrors.refused({ status: answer.status, errcode: body.errcode, user: localpart });
}
