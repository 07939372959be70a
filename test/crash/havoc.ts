import { setTimeout as pause } from 'node:timers/promises';
import type { Arena } from './arena.ts';
import type { Chat } from './chats.ts';
import { type Fault, faultsOf } from './faults.ts';
import type { Newcomers } from './newcomers.ts';
import type { Traffic } from './traffic.ts';

/** A named step that is not passed within this time is killed like any other moment. */
const POINT_MS = 4_000;
/** The same, where somebody first has to do something that leads there. */
const PROVOKED_MS = 10_000;
const MOST_RANDOM_MS = 1_000;

export type HavocDeps = Readonly<{
  arena: Arena;
  traffic: Traffic;
  newcomers: Newcomers;
  chats: readonly Chat[];
  /** Named steps of the sources. */
  points: readonly string[];
  kills: number;
  faults: number;
  /** It ends after this time, whatever is left to do. */
  forMs: number;
  /** In [0, 1). */
  random: () => number;
  print: (line: string) => void;
}>;

/** Kills the bridge, in turn at a random moment and at a named step, and lets other things go wrong in between. */
export class Havoc {
  readonly #deps: HavocDeps;
  readonly #faults: readonly Fault[];
  readonly #unreached = new Set<string>();
  readonly #reached = new Set<string>();
  #faultsDone = 0;
  #atPoints = 0;

  constructor(deps: HavocDeps) {
    this.#deps = deps;
    const { faults, missing } = faultsOf(deps.arena);
    this.#faults = faults;
    for (const line of missing) deps.print(line);
  }

  /** Faults that were carried out. */
  get faults(): number {
    return this.#faultsDone;
  }

  async run(): Promise<void> {
    const { arena, kills, faults, forMs, print } = this.#deps;
    const { supervisor } = arena;
    const endMs = performance.now() + forMs;
    for (let kill = 0; supervisor.kills < kills && performance.now() < endMs; kill += 1) {
      await this.#kill(kill);
      while (this.#faultsDone < faults && this.#faultsDone * kills < supervisor.kills * faults) {
        await this.#nextFault();
      }
      if (kill % 10 === 9) this.#progress();
    }
    this.#progress();
    const never = [...this.#unreached].filter((point) => !this.#reached.has(point));
    if (never.length > 0) print(`named steps that were not passed in time: ${never.join(', ')}`);
    await arena.shiftClock(0);
    await supervisor.calm();
  }

  async #kill(kill: number): Promise<void> {
    const { arena, points, newcomers, random } = this.#deps;
    const { supervisor } = arena;
    const point = kill % 2 === 1 ? points[((kill - 1) / 2) % points.length] : undefined;
    const nth = 1 + Math.floor(random() * 5);
    // What only a newcomer passes is not worth a wait when nobody comes any more.
    if (point === undefined || (wantsNewcomer(point) && !newcomers.hasRoom)) {
      await supervisor.replace();
      await pause(50 + random() * MOST_RANDOM_MS);
      return;
    }
    const isProvoked = this.#isProvoked(point);
    await supervisor.replace({ DRAWBRIDGE_FAILPOINT: `${point}:${isProvoked ? 1 : nth}` });
    this.#provoke(point);
    const died = await supervisor.diesWithin(isProvoked ? PROVOKED_MS : POINT_MS);
    if (died) this.#atPoints += 1;
    (died ? this.#reached : this.#unreached).add(point);
  }

  #isProvoked(point: string): boolean {
    return /^(archive|enlistment|portal|retry|missing)-/.test(point);
  }

  /** Makes somebody do what leads to a step that ordinary traffic does not pass. */
  #provoke(point: string): void {
    const { newcomers, traffic, chats, random } = this.#deps;
    const [kind] = point.split('-');
    const chat = chats[Math.floor(random() * chats.length)];
    if (chat === undefined) return;
    if (wantsNewcomer(point)) newcomers.addPerson();
    else if (kind === 'portal') newcomers.addChat();
    else if (kind === 'retry') void chat.phone.forgetSession(chat.jid);
    else if (kind === 'missing') traffic.spoilNext(chat);
  }

  async #nextFault(): Promise<void> {
    const { arena, traffic, newcomers, print, random } = this.#deps;
    const fault = this.#faults[this.#faultsDone % this.#faults.length];
    if (fault === undefined) return;
    await arena.supervisor.calm();
    if (fault.wantsCalm === true) await newcomers.settled();
    const startedMs = performance.now();
    await fault.carryOut({ arena, traffic }, Math.floor(this.#faultsDone / this.#faults.length));
    await arena.supervisor.up();
    this.#faultsDone += 1;
    print(`${fault.name}, ${Math.round(performance.now() - startedMs)} ms`);
    await pause(500 + random() * MOST_RANDOM_MS);
  }

  #progress(): void {
    const { arena, print } = this.#deps;
    print(
      `${arena.supervisor.kills} kills, ${this.#atPoints} of them at a named step; ${this.#faultsDone} faults`,
    );
  }
}

function wantsNewcomer(point: string): boolean {
  return /^(archive|enlistment)-/.test(point);
}
