import { inspect } from 'node:util';

/**
 * A value that must not reach a log, an error or a screen. Printing it in any way, also by `JSON.stringify` and
 * `util.inspect`, gives `[set]`; only `reveal()` gives the value.
 */
export class Secret<T> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  /** The value itself. Call it where the value is used, not where it is handed on. */
  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return '[set]';
  }

  toJSON(): string {
    return '[set]';
  }

  [inspect.custom](): string {
    return '[set]';
  }
}
