/** Where the crash suite takes place: a world with gates on its lines, a disk that can be full and a clock that can be wrong. */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { systemClock } from '../../src/ambient/clock.ts';
import { createLog } from '../../src/ambient/log.ts';
import { systemRandom } from '../../src/ambient/random.ts';
import { type Postgres, startPostgres } from '../../src/sandbox/postgres/postgres.ts';
import { openToolbox, toolsFolder } from '../../src/sandbox/toolbox/toolbox.ts';
import { type Detour, startWorld, type World } from '../../src/sandbox/world.ts';
import { openStorage } from '../../src/storage/storage.ts';
import { SmallDisk } from './small-disk.ts';
import { Supervisor } from './supervisor.ts';
import { TcpGate } from './tcp-gate.ts';

const LOADERS = ['failpoints.ts', 'shifted-clock.ts'].map((file) => path.join(import.meta.dirname, file));
/** So that a line which has gone mute is noticed while the test looks on; what an operator has by default takes minutes. */
const PATIENCE = { ping_interval_s: 5, connect_timeout_s: 5 };

export interface Arena {
  readonly world: World;
  readonly supervisor: Supervisor;
  /** `undefined`: the bridge runs on SQLite. */
  readonly postgres: Postgres | undefined;
  /** `undefined`: the bridge runs on PostgreSQL, or this machine cannot mount. */
  readonly disk: SmallDisk | undefined;
  gate(way: Detour): TcpGate;
  /** Sets the running bridge's clock wrong, and that of those started from now on; 0 sets it right. */
  shiftClock(byMs: number): Promise<void>;
  /** Asks the database, once the bridge has stopped. @returns a line for each rule that does not hold. */
  checkConsistency(): Promise<string[]>;
  /** Copies the database out of what is unmounted in the end. */
  keepDatabase(): Promise<void>;
  stop(): Promise<void>;
}

/** @param dir absolute, empty. */
export async function openArena({ dir, onPostgres }: { dir: string; onPostgres: boolean }): Promise<Arena> {
  const clockFile = path.join(dir, 'clock');
  await writeFile(clockFile, '0');
  const env = {
    ...process.env,
    DRAWBRIDGE_CLOCK_FILE: clockFile,
    // Hundreds of starts of the same program: each need not compile it anew.
    NODE_COMPILE_CACHE: path.join(dir, 'compiled'),
  };
  const toolbox = openToolbox({ folder: toolsFolder(env), env, progress: () => undefined });
  const ending: (() => Promise<unknown> | undefined)[] = [];
  const stop = async () => {
    for (const end of ending.splice(0).reverse()) await end();
  };
  try {
    const postgres = onPostgres
      ? await startPostgres({ toolbox, dir: path.join(dir, 'postgres') })
      : undefined;
    ending.push(() => postgres?.stop());
    const folder = path.join(dir, 'database');
    const disk = onPostgres ? undefined : await SmallDisk.mount(folder);
    await mkdir(folder, { recursive: true });
    ending.push(async () => disk?.unmount());
    const database =
      postgres === undefined
        ? { sqlite: path.join(folder, 'bridge.db') }
        : { postgres: await postgres.createDatabase('bridge') };
    const gates = new Map<Detour, TcpGate>();
    ending.push(async () => await Promise.all([...gates.values()].map((gate) => gate.close())));
    const world = await startWorld({
      toolbox,
      clock: systemClock,
      random: systemRandom,
      log: createLog({ level: 'error', format: 'pretty', contactIds: 'plain' }),
      dir,
      database,
      nodeArguments: LOADERS.flatMap((loader) => ['--import', loader]),
      networkExtra: PATIENCE,
      detour: async (way, port) => {
        const gate = await TcpGate.open(port);
        gates.set(way, gate);
        return gate.port;
      },
    });
    ending.push(async () => await world.stop());
    const supervisor = new Supervisor(world.bridge);
    return {
      world,
      supervisor,
      postgres,
      disk,
      gate: (way) => gates.get(way) as TcpGate,
      shiftClock: async (byMs) => {
        await writeFile(clockFile, String(byMs));
        supervisor.signal('SIGUSR2');
      },
      checkConsistency: async () => await consistency(world, database),
      keepDatabase: async () => {
        if (disk !== undefined) await cp(folder, path.join(dir, 'database-kept'), { recursive: true });
      },
      stop,
    };
  } catch (failure) {
    await stop();
    throw failure;
  }
}

async function consistency(
  world: World,
  database: { sqlite: string } | { postgres: string },
): Promise<string[]> {
  const storage = await openStorage({
    database:
      'sqlite' in database
        ? { type: 'sqlite', file: database.sqlite }
        : { type: 'postgres', url: database.postgres, maxConnections: 3 },
    masterKey: Buffer.from(world.secrets.masterKey, 'base64'),
    clock: systemClock,
    random: systemRandom,
  });
  try {
    return await storage.checkConsistency();
  } finally {
    await storage.close();
  }
}
