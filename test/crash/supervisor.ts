import { setTimeout as pause } from 'node:timers/promises';
import { hasCode } from '../../src/model/errors.ts';
import type { BridgeProcess } from '../../src/sandbox/bridge-process.ts';
import type { Environment } from '../../src/sandbox/toolbox/toolbox.ts';

/** `databaseUnavailable` in src/cli/exit-codes.ts: the one end of its own that a fault here may bring about. */
const DATABASE_UNAVAILABLE = 14;
const RESTART_AFTER_MS = 300;
const UP_WITHIN_MS = 120_000;
const READY_WITHIN_MS = 30_000;

/** Keeps the bridge running as an operator's supervisor does, kills it when told to, and notes how else it ended. */
export class Supervisor {
  readonly #bridge: BridgeProcess;
  /** Ends that nobody ordered and no fault explains: each is a bug. */
  readonly oddEnds: string[] = [];
  #kills = 0;
  #gaveUp = 0;
  #isWanted = true;
  #isUp = true;
  /** It was told a named step to die at, which it may pass at any moment. */
  #isArmed = false;
  #rising: Promise<unknown> = Promise.resolve();

  constructor(bridge: BridgeProcess) {
    this.#bridge = bridge;
    this.#watch();
  }

  /** Kills that were carried out here. */
  get kills(): number {
    return this.#kills;
  }

  /** How often the bridge ended for want of its database, and was started again. */
  get gaveUp(): number {
    return this.#gaveUp;
  }

  /** Kills it, if it still runs, and starts it again; resolves when it answers, or died at its failpoint. */
  async replace(env: Environment = {}): Promise<void> {
    await this.kill();
    this.#kills += 1;
    await this.up(env);
  }

  /** Ends it as a power cut would, and leaves it so. */
  async kill(): Promise<void> {
    this.#isWanted = false;
    await this.#bridge.kill();
    await this.#rising;
    await this.#bridge.kill();
    this.#isUp = false;
  }

  /** Starts it, unless it runs or is being started. */
  async up(env: Environment = {}): Promise<void> {
    // Two at once would be two bridges, one of them nobody's.
    await this.#rising;
    if (this.#isUp) return;
    this.#isWanted = true;
    this.#rising = this.#launch(env);
    await this.#rising;
  }

  /**
   * Has it running with no named step to die at. One whose step was not passed in time is killed: it might still die there,
   * in the middle of what comes next, where nobody would start it again.
   */
  async calm(): Promise<void> {
    if (this.#isUp && this.#isArmed) await this.replace();
    else await this.up();
  }

  /** Resolves when it is ready: homeserver and network reached; or is not for long. */
  async ready(): Promise<void> {
    const deadline = performance.now() + READY_WITHIN_MS;
    const isReady = async () => (await fetch(`${this.#bridge.healthUrl}/ready`)).ok;
    while (!(await isReady().catch(() => false)) && performance.now() < deadline)
      await pause(RESTART_AFTER_MS);
  }

  /** @returns whether it died, as ordered at a named step, within the time. */
  async diesWithin(ms: number): Promise<boolean> {
    const inTime = new AbortController();
    const late = pause(ms, undefined, { signal: inTime.signal }).catch(() => undefined);
    const died = !this.#isUp || (await Promise.race([this.#bridge.exited.then(() => true), late])) === true;
    inTime.abort();
    return died;
  }

  signal(name: NodeJS.Signals): void {
    const { pid } = this.#bridge;
    if (this.#isUp && pid !== undefined) process.kill(pid, name);
  }

  async stop(): Promise<void> {
    await this.calm();
    this.#isWanted = false;
    await this.#bridge.stop();
  }

  async #launch(env: Environment): Promise<void> {
    const deadline = performance.now() + UP_WITHIN_MS;
    while (this.#isWanted) {
      try {
        await this.#bridge.start('live', env);
        this.#isUp = true;
        this.#isArmed = Object.keys(env).length > 0;
        this.#watch();
        return;
      } catch (failure) {
        if (!hasCode(failure, 'toolbox/endedEarly') || performance.now() > deadline) throw failure;
        // At its named step, this early.
        if (failure.facts.signal === 'SIGKILL') return;
        this.#note(failure.facts.exitCode);
        await pause(RESTART_AFTER_MS);
      }
    }
  }

  #watch(): void {
    void this.#bridge.exited.then((end) => {
      this.#isUp = false;
      if (!this.#isWanted || end?.signal === 'SIGKILL') return;
      this.#note(end?.exitCode ?? end?.signal);
      this.#rising = this.#launch({}).catch((failure: unknown) => {
        this.oddEnds.push(`does not start again: ${failure instanceof Error ? failure.message : failure}`);
      });
    });
  }

  #note(end: unknown): void {
    if (end === DATABASE_UNAVAILABLE) this.#gaveUp += 1;
    else this.oddEnds.push(`ended by itself: ${String(end)}`);
  }
}
