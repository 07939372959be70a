import { installPythonPackage, isEnvironmentIntact, pythonIn } from '../toolbox/python-environment.ts';
import type { Toolbox } from '../toolbox/toolbox.ts';

/** The Synapse that sandbox and tests run on: the newest that the interop profile was tried with. */
export const SYNAPSE_VERSION = '1.163.2';

/** `python` has Synapse installed: `python -m synapse.app.homeserver`. */
export type SynapseInstallation = Readonly<{ python: string }>;

/**
 * Installs Synapse into the tools folder with pip, unless it is there. Needs Python 3.10 or newer.
 * @throws BridgeError `toolbox/missing` without a usable Python, `toolbox/commandFailed` when pip fails.
 */
export async function installSynapse(toolbox: Toolbox): Promise<SynapseInstallation> {
  const dir = await toolbox.ensure({
    name: 'synapse',
    version: SYNAPSE_VERSION,
    intact: isEnvironmentIntact,
    build: async (folder) =>
      await installPythonPackage(toolbox, folder, {
        name: 'synapse',
        product: 'Synapse',
        requirement: `matrix-synapse==${SYNAPSE_VERSION}`,
        module: 'synapse.app.homeserver',
      }),
  });
  return { python: pythonIn(dir) };
}
