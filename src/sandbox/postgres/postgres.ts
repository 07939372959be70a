/** A real PostgreSQL for tests: a cluster of its own on 127.0.0.1, as durable as in production (`fsync` on). */
import { randomBytes } from 'node:crypto';
import { chmod, chown, cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { hasCode } from '../../model/errors.ts';
import type { RunningProcess, Toolbox } from '../toolbox/toolbox.ts';
import { installPostgres, type PostgresInstallation, unpackedInstallation } from './install.ts';

const START_TIMEOUT_MS = 60_000;
const USER = 'drawbridge';

export interface Postgres {
  /** `postgres://…` of a database, which need not exist. Holds the password. The same after a restart. */
  url(database: string): string;
  /**
   * Creates an empty database.
   * @param database lower-case letters, digits and `_`; one that exists is an error of PostgreSQL (42P04).
   * @returns its URL.
   */
  createDatabase(database: string): Promise<string>;
  readonly logFile: string;
  readonly pid: number;
  /** Ends it and deletes the cluster. A second call is harmless. */
  stop(): Promise<void>;
  /** As a power cut of the server alone. The cluster stays. */
  kill(): Promise<void>;
  /** Starts it again on the same cluster and port, stopping it first if it runs. All connections break. */
  restart(): Promise<void>;
}

/** Who the server runs as. PostgreSQL refuses to run as root; absent where we are not root. */
type Runner = Readonly<{ uid: number; gid: number }> | undefined;

type Cluster = Readonly<{
  toolbox: Toolbox;
  /** Holds the data, and belongs to the runner. */
  folder: string;
  installation: PostgresInstallation;
  runner: Runner;
  port: number;
  logFile: string;
}>;

/**
 * Finds or unpacks PostgreSQL, creates a cluster and starts it. The cluster lies in a new folder of the temporary folder,
 * since the user that PostgreSQL must run as, if we are root, may not look into `dir`.
 * @param dir gets the log.
 * @throws BridgeError `toolbox/missing`, `toolbox/commandFailed`, `toolbox/endedEarly`, `toolbox/notReady`.
 */
export async function startPostgres(options: { toolbox: Toolbox; dir: string }): Promise<Postgres> {
  const { toolbox } = options;
  const found = await installPostgres(toolbox);
  const runner = await findRunner(toolbox);
  const folder = await mkdtemp(join(tmpdir(), 'drawbridge-postgres-'));
  const password = randomBytes(18).toString('base64url');
  try {
    if (runner !== undefined) await chown(folder, runner.uid, runner.gid);
    const installation = await reachable({ toolbox, folder, installation: found, runner });
    const logFile = join(resolve(options.dir), 'postgres.log');
    const cluster = { toolbox, folder, installation, runner, port: await toolbox.freePort(), logFile };
    await createCluster(cluster, password);
    return control(cluster, password, await launch(cluster));
  } catch (failure) {
    await rm(folder, { recursive: true, force: true });
    throw failure;
  }
}

function control(cluster: Cluster, password: string, started: RunningProcess): Postgres {
  const { folder, port, logFile } = cluster;
  let process = started;
  const url = (database: string) => `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
  return {
    url,
    logFile,
    get pid() {
      return process.pid;
    },
    createDatabase: async (database) => {
      const client = new pg.Client({ connectionString: url('postgres') });
      await client.connect();
      try {
        await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
      } finally {
        await client.end();
      }
      return url(database);
    },
    stop: async () => {
      await process.stop();
      await rm(folder, { recursive: true, force: true });
    },
    kill: () => process.kill(),
    restart: async () => {
      await process.stop();
      process = await launch(cluster);
    },
  };
}

async function findRunner(toolbox: Toolbox): Promise<Runner> {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = async (user: string, which: '-u' | '-g') => Number(await toolbox.run('id', [which, user]));
  const user = await toolbox.run('id', ['postgres']).then(
    () => 'postgres',
    () => 'nobody', // no PostgreSQL was ever installed here
  );
  return { uid: await idOf(user, '-u'), gid: await idOf(user, '-g') };
}

// Root's own folders are closed to the runner: then it gets a copy of what was unpacked there.
async function reachable({
  toolbox,
  folder,
  installation,
  runner,
}: Pick<Cluster, 'toolbox' | 'folder' | 'installation' | 'runner'>): Promise<PostgresInstallation> {
  const { bin, env, unpackedIn } = installation;
  if (runner === undefined || unpackedIn === undefined) return installation;
  const isReachable = await toolbox
    .run(join(bin, 'postgres'), ['--version'], { env, cwd: folder, ...runner })
    .then(
      () => true,
      () => false,
    );
  if (isReachable) return installation;
  const copy = join(folder, 'programs');
  await cp(unpackedIn, copy, { recursive: true, verbatimSymlinks: true });
  await chmod(copy, 0o755);
  return unpackedInstallation(copy);
}

async function createCluster(
  { toolbox, folder, installation, runner }: Cluster,
  password: string,
): Promise<void> {
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (runner !== undefined) await chown(passwordFile, runner.uid, runner.gid);
  const settings = ['--auth=scram-sha-256', '--encoding=UTF8', '--no-locale', '--no-sync'];
  await toolbox.run(
    join(installation.bin, 'initdb'),
    [`--pgdata=${folder}/data`, `--username=${USER}`, `--pwfile=${passwordFile}`, ...settings],
    { env: installation.env, cwd: folder, ...runner },
  );
  await rm(passwordFile);
}

async function launch({
  toolbox,
  folder,
  installation,
  runner,
  port,
  logFile,
}: Cluster): Promise<RunningProcess> {
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '', // a path may be too long for a socket
    max_connections: 200,
    jit: 'off', // an unpacked server lacks the compiler
    fsync: 'on',
  };
  const start = () =>
    toolbox.startProcess({
      name: 'postgresql',
      command: join(installation.bin, 'postgres'),
      args: [
        '-D',
        `${folder}/data`,
        ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
      ],
      env: installation.env,
      cwd: folder,
      ...runner,
      logFile,
      ready: /database system is ready to accept connections/,
      timeoutMs: START_TIMEOUT_MS,
      stopSignal: 'SIGINT', // its "fast" way: breaks connections and does not wait for clients to leave
    });
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      return await start();
    } catch (failure) {
      // After a kill its workers need a moment to notice; until then they hold the cluster's shared memory.
      const held =
        hasCode(failure, 'toolbox/endedEarly') && /shared memory block/.test(String(failure.facts.output));
      if (!held || performance.now() > deadline) throw failure;
    }
  }
}
