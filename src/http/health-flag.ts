import type { Clock } from '../model/ambient.ts';
import { codeOf } from '../model/errors.ts';
import type { HealthCheck, HealthState } from './health-router.ts';

/** A health check that whoever uses the thing sets as it finds it. Not ok until it has been found so. */
export class HealthFlag implements HealthCheck {
  readonly name: string;
  readonly #clock: Clock;
  #state: HealthState;

  constructor(name: string, clock: Clock) {
    this.name = name;
    this.#clock = clock;
    this.#state = { ok: false, sinceMs: clock.nowMs(), code: 'http/notYetChecked' };
  }

  /** It works. `since` stays when it did before. */
  ok(): void {
    if (!this.#state.ok) this.#state = { ok: true, sinceMs: this.#clock.nowMs() };
  }

  /** It does not, and `failure` says why by its code. `since` stays when it did not before. */
  failed(failure: unknown): void {
    const sinceMs = this.#state.ok ? this.#clock.nowMs() : this.#state.sinceMs;
    this.#state = { ok: false, sinceMs, code: codeOf(failure) };
  }

  read(): HealthState {
    return this.#state;
  }
}
