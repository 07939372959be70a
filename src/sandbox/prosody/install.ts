/** Brings Prosody 13 onto a machine without installing it into the system, or finds one that is there. */
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { toolboxErrors } from '../toolbox/errors.ts';
import type { Toolbox } from '../toolbox/toolbox.ts';

export interface ProsodyInstallation {
  readonly command: string;
  /** Before `--config FILE -F`. */
  readonly args: readonly string[];
  /** Added to the environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** bookworm's own Prosody is 0.12, which has no OAUTHBEARER; 13 is in its backports. */
const suites = ['bookworm', 'bookworm-backports'];
const packages = [
  'prosody/bookworm-backports',
  'lua5.4/bookworm',
  'lua-expat/bookworm',
  'lua-filesystem/bookworm',
  'lua-sec/bookworm',
  'lua-socket/bookworm',
  'lua-bitop/bookworm',
  'lua-dbi-sqlite3/bookworm',
  'lua-dbi-common/bookworm',
];

const install =
  'The sandbox needs Prosody 13 or newer with SQLite support on PATH. ' +
  'Debian 12: apt-get install -t bookworm-backports prosody lua-dbi-sqlite3; ' +
  'Debian 13: apt-get install prosody lua-dbi-sqlite3; ' +
  'Fedora: dnf install prosody lua-dbi; ' +
  'macOS: brew tap prosody/prosody && brew install prosody. ' +
  'On Debian with apt-get and dpkg it is unpacked into the tools folder and nothing needs to be installed.';

/**
 * Prosody 13: on Debian unpacked from its packages into the tools folder (8 MB; its install scripts never run), elsewhere
 * the one on PATH. A second call finds the first one's work.
 * @throws BridgeError `toolbox/missing` (says what to install), `toolbox/commandFailed`.
 */
export async function installProsody(toolbox: Toolbox): Promise<ProsodyInstallation> {
  if (await toolbox.canUnpackDebs(suites)) {
    const dir = await toolbox.ensure({
      name: 'prosody',
      version: '13',
      build: async (target) => {
        toolbox.progress('prosody: unpacking Debian packages (8 MB)…');
        await toolbox.unpackDebs({ dir: target, suites, packages, dependencies: true, without: notForUs });
        await relocate(target);
      },
    });
    return unpackedProsody(dir);
  }
  const command = await toolbox.findCommand('prosody', ['/opt/homebrew/bin', '/usr/local/bin', '/usr/sbin']);
  if (command !== undefined) {
    const version = parseVersion(await toolbox.run(command, ['--version'], { timeoutMs: 10_000 }));
    if (version !== undefined && version >= 13) return { command, args: [], env: {} };
  }
  throw toolboxErrors.missing({ what: 'prosody', install });
}

/** Of what apt would add: the machine's own libc, and packages that matter only to an installed server. */
const notForUs = /^(libc6|libgcc-s1|gcc-|adduser|ssl-cert|passwd|debconf|lsb-base|init-|perl|openssl$)/;

/** The launcher has the system's folders written into it; a copy gets ours. */
async function relocate(dir: string): Promise<void> {
  const launcher = await readFile(join(dir, 'usr/bin/prosody'), 'utf8');
  await writeFile(join(dir, 'run.lua'), relocatedLauncher(launcher, dir));
  await chmod(join(dir, 'run.lua'), 0o644);
}

/**
 * Debian's launcher with its four folders moved below `dir`, and without the `#!` line.
 * @example
 * relocatedLauncher("CFG_SOURCEDIR='/usr/lib/prosody';", '/t') // "CFG_SOURCEDIR='/t/usr/lib/prosody';"
 */
export function relocatedLauncher(launcher: string, dir: string): string {
  return launcher
    .replace(/^#!.*\n/, '')
    .replace(
      /^(CFG_(?:SOURCE|PLUGIN|CONFIG|DATA)DIR)='([^']*)'/gm,
      (_, name, path) => `${name}='${dir}${path}'`,
    );
}

async function unpackedProsody(dir: string): Promise<ProsodyInstallation> {
  const lib = join(dir, 'usr/lib', await libraryTriplet(dir));
  const share = join(dir, 'usr/share/lua/5.4');
  return {
    command: join(dir, 'usr/bin/lua5.4'),
    args: [join(dir, 'run.lua')],
    env: {
      LUA_PATH_5_4: `${share}/?.lua;${share}/?/init.lua;;`,
      LUA_CPATH_5_4: `${lib}/lua/5.4/?.so;;`,
      LD_LIBRARY_PATH: lib,
    },
  };
}

/** `x86_64-linux-gnu`, `aarch64-linux-gnu` …: whichever the packages brought. */
async function libraryTriplet(dir: string): Promise<string> {
  for (const name of await readdir(join(dir, 'usr/lib'))) {
    const found = await stat(join(dir, 'usr/lib', name, 'lua/5.4')).catch(() => undefined); // not this one
    if (found?.isDirectory()) return name;
  }
  throw toolboxErrors.missing({ what: 'lua modules', install });
}

/**
 * The major version in what `prosody --version` prints.
 * @example
 * parseVersion('Prosody 13.0.1\n\n# Prosody directories') // 13
 */
export function parseVersion(output: string): number | undefined {
  const major = /Prosody (\d+)\./.exec(output)?.[1];
  return major === undefined ? undefined : Number(major);
}
