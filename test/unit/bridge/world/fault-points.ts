/** Points between the steps of the core at which a test lets it fail or die: before and after each call to the outside. */

/** What a planned fault throws: nothing that the core has a name for. */
export class PlannedFault extends Error {
  override readonly name = 'PlannedFault';
}

/** `fails`: this one call throws. `dies`: nothing gets through from there on, as after a `kill -9`, until `revive`. */
export type FaultMode = 'fails' | 'dies';

/** Each with the words for the name of a test. */
export const FAULT_MODES: readonly (readonly [FaultMode, string])[] = [
  ['fails', 'whatever call fails'],
  ['dies', 'whenever the process dies'],
];

export class FaultPoints {
  #plan: Readonly<{ at: number; mode: FaultMode }> | undefined;
  #crossed = 0;
  #isDead = false;
  #firedAt: string | undefined;

  /** Plans a fault at the `at`th point from now on, from 0. */
  plan(at: number, mode: FaultMode): void {
    this.#plan = { at, mode };
    this.#crossed = 0;
    this.#isDead = false;
    this.#firedAt = undefined;
  }

  /** The point at which the planned fault happened; `undefined` when fewer points were crossed. */
  get firedAt(): string | undefined {
    return this.#firedAt;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** The process is started again; no fault is planned. */
  revive(): void {
    this.#plan = undefined;
    this.#isDead = false;
  }

  /** @throws PlannedFault at the planned point, and at every one while the process is dead. */
  cross(point: string): void {
    if (this.#isDead) throw new PlannedFault(`dead: ${point}`);
    if (this.#plan === undefined) return;
    const isPlanned = this.#crossed === this.#plan.at;
    this.#crossed += 1;
    if (!isPlanned) return;
    this.#firedAt = point;
    this.#isDead = this.#plan.mode === 'dies';
    throw new PlannedFault(point);
  }

  /** Runs `work` between two points: the fault comes before it has an effect, or after it and before its answer. */
  async around<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    this.cross(`${name}, before`);
    const result = await work();
    this.cross(`${name}, answer lost`);
    return result;
  }
}
