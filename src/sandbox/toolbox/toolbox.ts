/**
 * What the sandbox and the tests need to bring servers onto a machine and to run them: a folder that git ignores, an
 * installer that can be repeated and interrupted, and processes that never outlive us.
 *
 * Nothing here needs root, and nothing is written outside the tools folder (and the temporary folder).
 */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { hasCode } from '../../model/errors.ts';
import { ChildProcesses } from './child-processes.ts';
import { canUnpackDebs, unpackDebs } from './debian-packages.ts';
import { findCommand } from './find-command.ts';
import { freePort } from './free-port.ts';
import { ensureInstalled } from './installation.ts';
import { createLifeline } from './lifeline.ts';
import { runCommand } from './run-command.ts';

/** The environment variables of a process, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Toolbox {
  /** Absolute path of the tools folder. May be deleted at any time while nothing runs: all of it is brought again. */
  readonly folder: string;
  /** The environment of programs that are started here. */
  readonly env: Environment;
  /** Tells the person at the terminal what is being done: one line, `postgresql: unpacking…`. */
  progress(line: string): void;
  ensure(installation: Installation): Promise<string>;
  run(command: string, args: readonly string[], options?: RunOptions): Promise<string>;
  /**
   * Looks for a program on PATH, then in `folders` (absolute).
   * @returns its absolute path, or `undefined`.
   */
  findCommand(name: string, folders?: readonly string[]): Promise<string | undefined>;
  /** Whether `unpackDebs` can work here: there is apt, and this is Debian (any of its kin if `suites` is empty). */
  canUnpackDebs(suites: readonly string[]): Promise<boolean>;
  unpackDebs(request: DebRequest): Promise<void>;
  /** A TCP port of 127.0.0.1 that was free a moment ago. Another process may take it before you do. */
  freePort(): Promise<number>;
  startProcess(options: ProcessOptions): Promise<RunningProcess>;
}

/**
 * Something to install once. `ensure` calls `build` with an empty folder, `<tools>/<name>-<version>`, whose path is
 * final: absolute paths may be written into it. When `build` returns, a stamp makes it count; a folder without the stamp
 * is the rest of an interrupted build and is built anew. A parallel run in another process waits for the first.
 * @throws whatever `build` throws.
 */
export type Installation = Readonly<{
  /** Lower-case letters, digits, `-`. */
  name: string;
  /** Lower-case letters, digits, `.`, `-`. Another version means another folder; the old one stays. */
  version: string;
  build: (dir: string) => Promise<void>;
  /** Whether a finished folder still works, for what can break from outside (the system's Python is gone). */
  intact?: (dir: string) => Promise<boolean>;
}>;

/** `env` is added to the toolbox's own. `timeoutMs`: none if absent. `uid`/`gid`: only root may give them. */
export type RunOptions = Readonly<{
  cwd?: string;
  env?: Environment;
  uid?: number;
  gid?: number;
  timeoutMs?: number;
}>;

/**
 * Debian packages to download and unpack into `dir` without installing them: no root, no scripts, nothing started.
 * Ask `canUnpackDebs` first.
 * @throws BridgeError `toolbox/missing` where it can't work, `toolbox/commandFailed`.
 */
export type DebRequest = Readonly<{
  /** A folder; the packages' `usr`, `lib`… land below it. */
  dir: string;
  /** Suites to read package lists of: `bookworm`, `bookworm-backports`. Empty: the release of this machine. */
  suites: readonly string[];
  /** `name` or `name/suite`. Exactly these are unpacked, and with `dependencies` what they need and the machine lacks. */
  packages: readonly string[];
  dependencies?: boolean;
  /** Dependencies to leave out, matched against the name. */
  without?: RegExp;
}>;

/** A server to start. It runs in a session of its own: a Ctrl-C at the terminal reaches us, and we stop it in order. */
export type ProcessOptions = Readonly<{
  /** For people and logs: `synapse`. */
  name: string;
  command: string;
  args: readonly string[];
  /** Added to the toolbox's environment. */
  env?: Environment;
  cwd?: string;
  /** Only root may give them: the process then runs as this user. */
  uid?: number;
  gid?: number;
  /** Both output streams are appended to it. */
  logFile: string;
  /**
   * A question that is asked until it says true (a throw counts as no; it must answer within a few seconds), or a pattern
   * that the output must show.
   */
  ready: (() => Promise<boolean>) | RegExp;
  /** How long it may take until ready. */
  timeoutMs: number;
  /** Asks the process to end; it is killed when it has not within ten seconds. Default SIGTERM. */
  stopSignal?: NodeJS.Signals;
}>;

/**
 * A started server. It is stopped when this process exits, and on Linux (where `setpriv` exists) also when this process
 * is killed; elsewhere a `kill -9` of this process leaves it running, since Node.js cannot ask for more.
 */
export interface RunningProcess {
  readonly pid: number;
  /** Resolves when it has ended, for whatever reason. Never rejects. */
  readonly exited: Promise<ProcessEnd>;
  /** Asks it to end, kills it after the deadline, waits until it is gone. A second call is harmless. */
  stop(): Promise<void>;
  /** Ends it at once, as a power cut would (`SIGKILL` to it and its children), and waits until it is gone. */
  kill(): Promise<void>;
}

export type ProcessEnd = Readonly<{ exitCode: number | null; signal: NodeJS.Signals | null }>;

/**
 * @param folder absolute; see `toolsFolder`.
 * @param env as `process.env`; handed on to everything that is run.
 */
export function openToolbox(options: {
  folder: string;
  env: Environment;
  progress: (line: string) => void;
}): Toolbox {
  const { folder, env, progress } = options;
  const lifeline = createLifeline(env);
  const children = new ChildProcesses({ env, lifeline });
  const run: Toolbox['run'] = (command, args, more = {}) =>
    runCommand(command, args, { ...more, env: { ...env, ...more.env }, lifeline });
  const findIn: Toolbox['findCommand'] = (name, folders = []) => findCommand(name, env.PATH ?? '', folders);
  return {
    folder,
    env,
    progress,
    run,
    freePort,
    findCommand: findIn,
    ensure: (installation) => ensureInstalled({ folder, progress }, installation),
    canUnpackDebs: (suites) => canUnpackDebs({ findCommand: findIn }, suites),
    unpackDebs: (request) => unpackDebs({ run, findCommand: findIn }, request),
    startProcess: (process) => children.start(process),
  };
}

/**
 * Where the tools live: `DRAWBRIDGE_TOOLS`, else `.drawbridge` in the repository.
 * @param env as `process.env`.
 */
export function toolsFolder(env: Environment): string {
  const chosen = env.DRAWBRIDGE_TOOLS;
  return chosen ? resolve(chosen) : join(repositoryFolder(), '.drawbridge');
}

/** For people: what to install, if `failure` says that something is missing, or `undefined`. */
export function installSentence(failure: unknown): string | undefined {
  return hasCode(failure, 'toolbox/missing') ? String(failure.facts.install) : undefined;
}

// The nearest folder with a package.json: the same from src/ and from dist/.
function repositoryFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}
