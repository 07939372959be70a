import { access, constants, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { toolboxErrors } from '../toolbox/errors.ts';
import type { Toolbox } from '../toolbox/toolbox.ts';

/** The Synapse that sandbox and tests run on: the newest that the interop profile was tried with. */
export const SYNAPSE_VERSION = '1.163.2';

/** `python` has Synapse installed: `python -m synapse.app.homeserver`. */
export type SynapseInstallation = Readonly<{ python: string }>;

const PYTHONS = ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10'];
// matrix-synapse: Requires-Python >=3.10. Prints whether a virtual environment with pip can be made.
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
 * Installs Synapse into the tools folder with pip, unless it is there. Needs Python 3.10 or newer. Debian keeps the part
 * of Python that brings pip in a package of its own; where that is missing, pip is unpacked from Debian's packages.
 * @throws BridgeError `toolbox/missing` without a usable Python, `toolbox/commandFailed` when pip fails.
 */
export async function installSynapse(toolbox: Toolbox): Promise<SynapseInstallation> {
  const dir = await toolbox.ensure({
    name: 'synapse',
    version: SYNAPSE_VERSION,
    intact: hasPython,
    build: (folder) => build(toolbox, folder),
  });
  return { python: pythonIn(dir) };
}

async function build(toolbox: Toolbox, dir: string): Promise<void> {
  const { command, hasPip } = await findPython(toolbox);
  toolbox.progress(`synapse: creating a Python environment with ${command}…`);
  await toolbox.run(command, ['-m', 'venv', ...(hasPip ? [] : ['--without-pip']), dir]);
  const python = pythonIn(dir);
  const pip = hasPip ? ['-m', 'pip'] : [await unpackPip(toolbox, join(dir, 'pip'))];
  toolbox.progress(`synapse: installing matrix-synapse ${SYNAPSE_VERSION} with pip (about a minute)…`);
  const settings = ['--no-input', '--disable-pip-version-check', '--prefer-binary', '--quiet'];
  await toolbox.run(python, [...pip, 'install', ...settings, `matrix-synapse==${SYNAPSE_VERSION}`], {
    timeoutMs: PIP_TIMEOUT_MS,
  });
  // Proves that all it needs is there, and leaves the compiled modules behind: the first start is then a fast one.
  await toolbox.run(python, ['-c', 'import synapse.app.homeserver']);
}

async function findPython(toolbox: Toolbox): Promise<Python> {
  const usable: Python[] = [];
  for (const name of PYTHONS) {
    const command = await toolbox.findCommand(name);
    if (command === undefined) continue;
    // A candidate that fails is too old or broken: the next one may do.
    const answer = await toolbox.run(command, ['-c', PROBE]).catch(() => '');
    if (answer.trim() !== '') usable.push({ command, hasPip: answer.trim() === 'pip' });
  }
  const found = usable.find((python) => python.hasPip) ?? usable[0];
  if (found === undefined) throw missingPython('Python 3.10 or newer');
  if (!found.hasPip && !(await toolbox.canUnpackDebs([]))) throw missingPython('pip for Python (ensurepip)');
  return found;
}

function missingPython(what: string) {
  return toolboxErrors.missing({
    what,
    install:
      `Synapse needs ${what}, and it is not on PATH. Install it with ` +
      '"apt-get install python3 python3-venv" on Debian and Ubuntu, "dnf install python3 python3-pip" on Fedora, ' +
      '"brew install python" on macOS.',
  });
}

/** @returns a program for Python that is pip: wheels can be run in place. */
async function unpackPip(toolbox: Toolbox, dir: string): Promise<string> {
  toolbox.progress("synapse: this Python has no pip; unpacking Debian's…");
  await toolbox.unpackDebs({ dir, suites: [], packages: ['python3-pip-whl'] });
  const wheels = join(dir, 'usr', 'share', 'python-wheels');
  const wheel = (await readdir(wheels)).find((file) => file.startsWith('pip-'));
  if (wheel === undefined) throw missingPython('pip for Python (ensurepip)');
  return join(wheels, wheel, 'pip');
}

const pythonIn = (dir: string) => join(dir, 'bin', 'python');

// The environment's Python is a link to the system's: after an upgrade of the system it may lead nowhere.
async function hasPython(dir: string): Promise<boolean> {
  return access(pythonIn(dir), constants.X_OK).then(
    () => true,
    () => false,
  );
}
