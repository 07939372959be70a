import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { toolboxErrors } from './errors.ts';
import type { Lifeline } from './lifeline.ts';
import { lastLines } from './run-command.ts';
import type { Environment, ProcessEnd, ProcessOptions, RunningProcess } from './toolbox.ts';

const ASK_READY_EVERY_MS = 40;
const STOP_DEADLINE_MS = 10_000;
const TOLD_LINES = 12;

/** Starts servers, and ends those still running when this process exits. See `ProcessOptions` and `RunningProcess`. */
export class ChildProcesses {
  readonly #env: Environment;
  readonly #lifeline: Lifeline;
  readonly #running = new Set<ChildProcess>();
  readonly #endAll = () => {
    for (const child of this.#running) signalGroup(child, 'SIGKILL');
  };

  constructor({ env, lifeline }: { env: Environment; lifeline: Lifeline }) {
    this.#env = env;
    this.#lifeline = lifeline;
  }

  /** @throws BridgeError `toolbox/endedEarly`, `toolbox/notReady`. */
  async start(options: ProcessOptions): Promise<RunningProcess> {
    mkdirSync(dirname(options.logFile), { recursive: true });
    const logStart = await stat(options.logFile).then(
      (found) => found.size,
      () => 0, // no log yet
    );
    const child = await this.#spawn(options);
    const running = this.#control(child, options);
    await this.#untilReady(running, options, logStart);
    return running;
  }

  async #spawn(options: ProcessOptions): Promise<ChildProcess> {
    const log = openSync(options.logFile, 'a');
    try {
      const [command, ...args] = await this.#lifeline(options.command, options.args);
      const child = spawn(command, args, {
        cwd: options.cwd,
        env: { ...this.#env, ...options.env },
        uid: options.uid,
        gid: options.gid,
        stdio: ['ignore', log, log],
        detached: true,
      });
      await once(child, 'spawn').catch((cause: unknown) => {
        throw toolboxErrors.endedEarly({ process: options.name, logFile: options.logFile }, cause);
      });
      return child;
    } finally {
      closeSync(log);
    }
  }

  #control(child: ChildProcess, { stopSignal = 'SIGTERM' }: ProcessOptions): RunningProcess {
    if (this.#running.size === 0) process.on('exit', this.#endAll);
    this.#running.add(child);
    const exited = once(child, 'exit').then(([exitCode, signal]): ProcessEnd => {
      this.#running.delete(child);
      if (this.#running.size === 0) process.off('exit', this.#endAll);
      return { exitCode, signal };
    });
    const kill = async () => {
      signalGroup(child, 'SIGKILL');
      await exited;
    };
    return {
      pid: child.pid ?? 0,
      exited,
      kill,
      stop: async () => {
        child.kill(stopSignal);
        const deadline = new AbortController();
        const late = sleep(STOP_DEADLINE_MS, 'late', { signal: deadline.signal }).catch(() => 'ended');
        if ((await Promise.race([exited, late])) === 'late') await kill();
        deadline.abort();
      },
    };
  }

  async #untilReady(running: RunningProcess, options: ProcessOptions, logStart: number): Promise<void> {
    const { name, logFile, ready, timeoutMs } = options;
    const deadline = performance.now() + timeoutMs;
    let end: ProcessEnd | undefined;
    const ended = running.exited.then((how) => {
      end = how;
    });
    const isReady =
      ready instanceof RegExp ? async () => ready.test(await readFrom(logFile, logStart)) : ready;
    for (;;) {
      if (await isReady().catch(() => false)) return;
      if (end !== undefined) {
        const output = lastLines(await readFrom(logFile, logStart), TOLD_LINES);
        throw toolboxErrors.endedEarly({
          process: name,
          exitCode: end.exitCode ?? undefined,
          signal: end.signal ?? undefined,
          logFile,
          output,
        });
      }
      if (performance.now() > deadline) {
        await running.kill();
        const output = lastLines(await readFrom(logFile, logStart), TOLD_LINES);
        throw toolboxErrors.notReady({ process: name, timeoutMs, logFile, output });
      }
      await Promise.race([ended, sleep(ASK_READY_EVERY_MS)]);
    }
  }
}

// The process leads a group of its own (detached), so that what it has started goes with it.
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    child.kill(signal); // ended this moment, or runs as another user whom the group call may not reach
  }
}

async function readFrom(file: string, start: number): Promise<string> {
  const log = await open(file);
  try {
    const { size } = await log.stat();
    const { buffer, bytesRead } = await log.read(Buffer.alloc(Math.max(0, size - start)), 0, null, start);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await log.close();
  }
}
