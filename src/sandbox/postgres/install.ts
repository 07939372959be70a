import { existsSync } from 'node:fs';
import { readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { toolboxErrors } from '../toolbox/errors.ts';
import type { Toolbox } from '../toolbox/toolbox.ts';

/** Where the server programs `initdb` and `postgres` are. */
export type PostgresInstallation = Readonly<{
  /** The folder of the two. */
  bin: string;
  /** The variables they need to find their libraries. */
  env: Readonly<Record<string, string>>;
  /** The folder of one that was unpacked into the tools folder; absent if it is the system's. */
  unpackedIn?: string;
}>;

// Older ones are no longer kept by the PostgreSQL project.
const OLDEST_MAJOR = 14;

// Left out of what is unpacked: the machinery around a system-wide server (it would create and start one), and the
// compiler for long queries, which is big. What else is left out every system has.
const NOT_NEEDED =
  /^(libllvm|postgresql-common|postgresql-client|ssl-cert|perl|libperl|libjson-perl|adduser|systemd|locales|tzdata|ucf|debconf|netbase|logrotate|cron|sysvinit|sensible-utils)/;

/**
 * Finds PostgreSQL's server programs: on PATH, or where Debian, Fedora and Homebrew put them. Else unpacks Debian's
 * packages into the tools folder without installing them: nothing is started, and no root is needed.
 * @throws BridgeError `toolbox/missing`, `toolbox/commandFailed`.
 */
export async function installPostgres(toolbox: Toolbox): Promise<PostgresInstallation> {
  const bin = await findOnSystem(toolbox);
  if (bin !== undefined) return { bin, env: {} };
  if (!(await toolbox.canUnpackDebs([]))) throw missingPostgres();
  const dir = await toolbox.ensure({
    name: 'postgresql',
    version: 'debian',
    // An upgrade of the system may take away the libraries that it shares with us.
    intact: (folder) => doesRun(toolbox, folder),
    build: async (folder) => {
      toolbox.progress(
        "postgresql: not on this machine; unpacking Debian's packages (they are not installed)…",
      );
      await toolbox.unpackDebs({
        dir: folder,
        suites: [],
        packages: ['postgresql'],
        dependencies: true,
        without: NOT_NEEDED,
      });
      await unpackedInstallation(folder);
    },
  });
  return unpackedInstallation(dir);
}

async function doesRun(toolbox: Toolbox, dir: string): Promise<boolean> {
  try {
    const { bin, env } = await unpackedInstallation(dir);
    await toolbox.run(join(bin, 'postgres'), ['--version'], { env });
    return true;
  } catch {
    return false; // unpacked anew
  }
}

/**
 * The server programs below an unpacked folder.
 * @throws BridgeError `toolbox/missing` if there are none.
 */
export async function unpackedInstallation(dir: string): Promise<PostgresInstallation> {
  const [bin] = await binFoldersOf(join(dir, 'usr/lib/postgresql'));
  if (bin === undefined) throw missingPostgres();
  const folders = [...(await foldersIn(join(dir, 'usr/lib'))), ...(await foldersIn(join(dir, 'lib')))];
  const libraries = folders.filter((folder) => folder.endsWith('-linux-gnu'));
  return { bin, env: { LD_LIBRARY_PATH: libraries.join(':') }, unpackedIn: dir };
}

async function findOnSystem(toolbox: Toolbox): Promise<string | undefined> {
  const postgres = await toolbox.findCommand('postgres', await usualFolders());
  if (postgres === undefined) return undefined;
  // A distribution may link only some of the programs into PATH; they all lie where the link leads.
  const bin = dirname(await realpath(postgres));
  const version = await toolbox.run(postgres, ['--version']).catch(() => ''); // broken: as good as absent
  const major = Number(/\d+/.exec(version)?.[0] ?? 0);
  return major >= OLDEST_MAJOR && existsSync(join(bin, 'initdb')) ? bin : undefined;
}

// Debian and Homebrew keep versions side by side, off PATH.
async function usualFolders(): Promise<string[]> {
  const debian = await binFoldersOf('/usr/lib/postgresql');
  const homebrew: string[] = [];
  for (const opt of ['/opt/homebrew/opt', '/usr/local/opt']) {
    const formulas = (await foldersIn(opt)).filter((folder) => folder.includes('/postgresql'));
    homebrew.push(...formulas.map((folder) => join(folder, 'bin')));
  }
  return [...debian, ...homebrew, '/usr/local/pgsql/bin'];
}

// `<root>/<major>/bin`, the newest first.
async function binFoldersOf(root: string): Promise<string[]> {
  const versions = await foldersIn(root);
  versions.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  return versions.map((folder) => join(folder, 'bin'));
}

async function foldersIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []); // not on this system
  return names.map((name) => join(folder, name));
}

function missingPostgres() {
  return toolboxErrors.missing({
    what: 'PostgreSQL',
    install:
      `The tests need the server programs of PostgreSQL ${OLDEST_MAJOR} or newer (initdb, postgres). Install them with ` +
      '"apt-get install postgresql" on Debian and Ubuntu, "dnf install postgresql-server" on Fedora, ' +
      '"brew install postgresql@17" on macOS.',
  });
}
