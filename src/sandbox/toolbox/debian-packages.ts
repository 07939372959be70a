import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toolboxErrors } from './errors.ts';
import type { DebRequest, Toolbox } from './toolbox.ts';

/** What /etc/os-release says, in lower case. Empty strings where it says nothing. */
export type OsRelease = Readonly<{ id: string; codename: string }>;

/** A configured source of packages, as `apt-get indextargets` tells it. */
export type DebSource = Readonly<{ site: string; suite: string; signedBy: string }>;

const TARGET_FORMAT = '$(SITE) $(RELEASE) $(SIGNED_BY)';

/** `Toolbox.canUnpackDebs`. */
export async function canUnpackDebs(
  { findCommand }: Pick<Toolbox, 'findCommand'>,
  suites: readonly string[],
): Promise<boolean> {
  for (const tool of ['apt-get', 'dpkg']) if ((await findCommand(tool)) === undefined) return false;
  return suites.length === 0 || (await readOsRelease()).id === 'debian';
}

/** `Toolbox.unpackDebs`. Keeps package lists of its own, so that the machine's are neither needed nor changed. */
export async function unpackDebs(
  tools: Pick<Toolbox, 'run' | 'findCommand'>,
  request: DebRequest,
): Promise<void> {
  const { run } = tools;
  if (!(await canUnpackDebs(tools, request.suites))) {
    throw toolboxErrors.missing({
      what: request.packages.join(' '),
      install: 'This needs Debian and its apt-get.',
    });
  }
  const work = join(request.dir, '.apt');
  const archives = join(work, 'downloads');
  for (const folder of ['lists/partial', 'cache/archives/partial', 'downloads']) {
    await mkdir(join(work, folder), { recursive: true });
  }
  const { codename } = await readOsRelease();
  const targets = await run('apt-get', ['indextargets', '--format', TARGET_FORMAT, 'Created-By: Packages']);
  const suites = request.suites.length === 0 ? [codename] : request.suites;
  await writeFile(join(work, 'sources.list'), sourcesList(parseTargets(targets), codename, suites));

  const settings = join(work, 'apt.conf');
  await writeFile(settings, aptSettings(work));
  const apt = (args: readonly string[]) =>
    run('apt-get', ['-c', settings, ...args], { cwd: archives, timeoutMs: 600_000 });
  await apt(['-qq', 'update']);
  const wanted = request.dependencies
    ? [...request.packages, ...(await missingDependencies(apt, request))]
    : request.packages;
  await apt(['-qq', 'download', ...wanted]);
  for (const archive of await readdir(archives))
    await run('dpkg', ['-x', join(archives, archive), request.dir]);
  await rm(work, { recursive: true });
}

// A configuration file of apt: a list of its own to read from, and folders of its own to write to.
function aptSettings(work: string): string {
  const settings = {
    'Dir::Etc::SourceList': join(work, 'sources.list'),
    'Dir::Etc::SourceParts': '-',
    'Dir::State::Lists': join(work, 'lists'),
    'Dir::Cache': join(work, 'cache'),
    // As root, apt would download as a user to whom the tools folder may be closed.
    'APT::Sandbox::User': 'root',
    'Acquire::Retries': '3',
  };
  return Object.entries(settings)
    .map(([key, value]) => `${key} "${value}";\n`)
    .join('');
}

async function missingDependencies(
  apt: (args: readonly string[]) => Promise<string>,
  { packages, without }: DebRequest,
): Promise<string[]> {
  const plan = await apt(['--simulate', '--no-install-recommends', 'install', ...packages]);
  const named = new Set(packages.map((name) => name.split('/')[0]));
  return parsePlan(plan).filter((name) => !named.has(name) && !without?.test(name));
}

/** The packages that `apt-get --simulate install` would install. */
export function parsePlan(plan: string): string[] {
  return [...plan.matchAll(/^Inst (\S+)/gm)].map((found) => found[1] ?? '');
}

/** Lines of `SITE SUITE SIGNED_BY`; the last is empty where the machine's general keyring decides. */
export function parseTargets(targets: string): DebSource[] {
  return targets
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [site = '', suite = '', signedBy = ''] = line.split(' ');
      // A keyring may also be given as text of several lines in place of a path: then the general one has to do.
      return { site, suite, signedBy: signedBy.startsWith('/') ? signedBy : '' };
    });
}

/**
 * The text of a sources.list for `suites`, from where this machine gets its own release.
 * @throws BridgeError `toolbox/missing`: it names no such place.
 */
export function sourcesList(
  known: readonly DebSource[],
  codename: string,
  suites: readonly string[],
): string {
  const own = known.find((source) => source.suite === codename);
  if (own === undefined) {
    throw toolboxErrors.missing({
      install: `a source of Debian packages for ${codename}, in /etc/apt/sources.list`,
    });
  }
  const options = own.signedBy ? `[signed-by=${own.signedBy}] ` : '';
  return suites.map((suite) => `deb ${options}${own.site} ${suite} main\n`).join('');
}

/** The two fields of an os-release file that matter here. */
export function parseOsRelease(text: string): OsRelease {
  const field = (name: string) =>
    new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1]?.toLowerCase() ?? '';
  return { id: field('ID'), codename: field('VERSION_CODENAME') };
}

async function readOsRelease(): Promise<OsRelease> {
  return parseOsRelease(await readFile('/etc/os-release', 'utf8').catch(() => '')); // none on macOS
}
