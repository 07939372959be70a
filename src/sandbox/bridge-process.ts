/** The daemon itself, as an operator runs it: `drawbridge register`, then `drawbridge start`, in a process of its own. */
import { join } from 'node:path';
import type { Environment, ProcessEnd, RunningProcess, Toolbox } from './toolbox/toolbox.ts';

const READY_TIMEOUT_MS = 60_000;
const HEALTH_TIMEOUT_MS = 2_000;
const COMMAND = findCommand();

export interface BridgeProcess {
  readonly configFile: string;
  readonly logFile: string;
  /** `http://127.0.0.1:<port>`: `/ready`, `/live`, `/metrics`. */
  readonly healthUrl: string;
  readonly pid: number | undefined;
  /** Resolves when it has ended, for whatever reason; at once when it was never started. */
  readonly exited: Promise<ProcessEnd | undefined>;
  /**
   * Starts it and waits until it is ready.
   * @param waitFor `live`: until it answers, also while others are missing.
   * @param env added to its environment.
   * @throws BridgeError `toolbox/endedEarly`, `toolbox/notReady`.
   */
  start(waitFor?: 'ready' | 'live', env?: Environment): Promise<void>;
  /** In order, as SIGTERM asks. A second call is harmless. */
  stop(): Promise<void>;
  /** As a power cut. */
  kill(): Promise<void>;
}

export type BridgeProcessOptions = Readonly<{
  toolbox: Toolbox;
  dir: string;
  configFile: string;
  healthPort: number;
  /** For Node, before the program: `--import`, … */
  nodeArguments?: readonly string[];
}>;

/** Writes the registration that belongs to a configuration. @returns its path. */
export async function registerBridge(toolbox: Toolbox, dir: string, configFile: string): Promise<string> {
  const file = join(dir, 'registration.yaml');
  await toolbox.run(process.execPath, [COMMAND, 'register', '-c', configFile, '-o', file, '--force']);
  return file;
}

export function createBridgeProcess(options: BridgeProcessOptions): BridgeProcess {
  const { toolbox, dir, configFile, healthPort } = options;
  const healthUrl = `http://127.0.0.1:${healthPort}`;
  const logFile = join(dir, 'bridge.log');
  let running: RunningProcess | undefined;
  const answers = async (path: string): Promise<boolean> => {
    const response = await fetch(`${healthUrl}${path}`, { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) });
    return response.ok;
  };
  return {
    configFile,
    logFile,
    healthUrl,
    get pid() {
      return running?.pid;
    },
    get exited() {
      return running?.exited ?? Promise.resolve(undefined);
    },
    start: async (waitFor = 'ready', env = {}) => {
      running = await toolbox.startProcess({
        name: 'bridge',
        command: process.execPath,
        args: [...(options.nodeArguments ?? []), COMMAND, 'start', '-c', configFile],
        env,
        cwd: dir,
        logFile,
        ready: async () => await answers(`/${waitFor}`),
        timeoutMs: READY_TIMEOUT_MS,
      });
    },
    stop: async () => await running?.stop(),
    kill: async () => await running?.kill(),
  };
}

/** `bin/drawbridge.cjs`, from src/sandbox as from dist/src/sandbox. */
function findCommand(): string {
  const root = import.meta.dirname.includes(`${join('dist', 'src', 'sandbox')}`) ? '../../..' : '../..';
  return join(import.meta.dirname, root, 'bin', 'drawbridge.cjs');
}
