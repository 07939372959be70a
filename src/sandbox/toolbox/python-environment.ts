import { access, constants, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { toolboxErrors } from './errors.ts';
import type { Toolbox } from './toolbox.ts';

/** What to install. `name`: of its folder. `product`: for people. `requirement`: pip's, with the version. */
export type PythonPackage = Readonly<{ name: string; product: string; requirement: string; module: string }>;

const PYTHONS = ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10'];
// Synapse: Requires-Python >=3.10. Prints whether a virtual environment with pip can be made.
const PROBE = `
import sys, venv
assert sys.version_info >= (3, 10)
try:
    import ensurepip
    print("pip")
except ImportError:
    print("no-pip")
`;
const PIP_TIMEOUT_MS = 900_000;

type Python = Readonly<{ command: string; hasPip: boolean }>;

/**
 * Installs a package with pip into a Python environment of its own in `dir`, an empty folder. Debian keeps the part of
 * Python that brings pip in a package of its own; where that is missing, pip is unpacked from Debian's packages.
 * @throws BridgeError `toolbox/missing` without a usable Python, `toolbox/commandFailed` when pip fails.
 */
export async function installPythonPackage(
  toolbox: Toolbox,
  dir: string,
  wanted: PythonPackage,
): Promise<void> {
  const { name, product, requirement, module } = wanted;
  const { command, hasPip } = await findPython(toolbox, product);
  toolbox.progress(`${name}: creating a Python environment with ${command}…`);
  await toolbox.run(command, ['-m', 'venv', ...(hasPip ? [] : ['--without-pip']), dir]);
  const python = pythonIn(dir);
  const pip = hasPip ? ['-m', 'pip'] : [await unpackPip(toolbox, join(dir, 'pip'), wanted)];
  toolbox.progress(`${name}: installing ${requirement.replace('==', ' ')} with pip (about a minute)…`);
  const settings = ['--no-input', '--disable-pip-version-check', '--prefer-binary', '--quiet'];
  await toolbox.run(python, [...pip, 'install', ...settings, requirement], { timeoutMs: PIP_TIMEOUT_MS });
  // Proves that all it needs is there, and leaves the compiled modules behind: the first start is then a fast one.
  await toolbox.run(python, ['-c', `import ${module}`]);
}

async function findPython(toolbox: Toolbox, product: string): Promise<Python> {
  const usable: Python[] = [];
  for (const name of PYTHONS) {
    const command = await toolbox.findCommand(name);
    if (command === undefined) continue;
    // A candidate that fails is too old or broken: the next one may do.
    const answer = await toolbox.run(command, ['-c', PROBE]).catch(() => '');
    if (answer.trim() !== '') usable.push({ command, hasPip: answer.trim() === 'pip' });
  }
  const found = usable.find((python) => python.hasPip) ?? usable[0];
  if (found === undefined) throw missingPython(product, 'Python 3.10 or newer');
  if (!found.hasPip && !(await toolbox.canUnpackDebs([])))
    throw missingPython(product, 'pip for Python (ensurepip)');
  return found;
}

function missingPython(product: string, what: string) {
  return toolboxErrors.missing({
    what,
    install:
      `${product} needs ${what}, and it is not on PATH. Install it with ` +
      '"apt-get install python3 python3-venv" on Debian and Ubuntu, "dnf install python3 python3-pip" on Fedora, ' +
      '"brew install python" on macOS.',
  });
}

/** @returns a program for Python that is pip: wheels can be run in place. */
async function unpackPip(toolbox: Toolbox, dir: string, { name, product }: PythonPackage): Promise<string> {
  toolbox.progress(`${name}: this Python has no pip; unpacking Debian's…`);
  await toolbox.unpackDebs({ dir, suites: [], packages: ['python3-pip-whl'] });
  const wheels = join(dir, 'usr', 'share', 'python-wheels');
  const wheel = (await readdir(wheels)).find((file) => file.startsWith('pip-'));
  if (wheel === undefined) throw missingPython(product, 'pip for Python (ensurepip)');
  return join(wheels, wheel, 'pip');
}

/** The interpreter of an environment. */
export function pythonIn(dir: string): string {
  return join(dir, 'bin', 'python');
}

/** The environment's Python is a link to the system's: after an upgrade of the system it may lead nowhere. */
export async function isEnvironmentIntact(dir: string): Promise<boolean> {
  return access(pythonIn(dir), constants.X_OK).then(
    () => true,
    () => false,
  );
}
