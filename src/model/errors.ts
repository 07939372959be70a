/**
 * Errors as values with three faces: a code for programs, a text id for people, a cause for the log; and two facts
 * that drive the queues: whether a retry can help, and whether the thing may have arrived all the same.
 *
 * Each folder declares its own table with `defineErrors`, beside the code that raises it.
 */

/** What a queue does with the failed step. `after-user`: waits until a person acts. `later`: again, with backoff. */
export type RetryAdvice = 'never' | 'later' | 'after-user';

/** Whether what was attempted may have reached the other side. `unknown` forbids a second attempt under a new id. */
export type Arrival = 'no' | 'unknown' | 'yes';

export type ErrorTraits = Readonly<{
  retry: RetryAdvice;
  arrived: Arrival;
  /** Id of the text for people (`src/bridge/texts/`). */
  notice: string;
}>;

/** Ids and other facts that may be logged: never content, keys or tokens. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | undefined>>;

export class BridgeError extends Error {
  override readonly name = 'BridgeError';
  /** `folder/name`, stable: tests, logs, metrics and documentation use it. */
  readonly code: string;
  readonly retry: RetryAdvice;
  readonly arrived: Arrival;
  readonly notice: string;
  readonly facts: ErrorFacts;

  constructor(code: string, traits: ErrorTraits, facts: ErrorFacts, cause?: unknown) {
    super(describe(code, facts), cause === undefined ? undefined : { cause });
    this.code = code;
    this.retry = traits.retry;
    this.arrived = traits.arrived;
    this.notice = traits.notice;
    this.facts = facts;
  }
}

export type ErrorFactory = (facts?: ErrorFacts, cause?: unknown) => BridgeError;

/**
 * Declares a folder's errors.
 * @example
 * const mediaErrors = defineErrors('media', { tooLarge: { retry: 'never', arrived: 'no', notice: 'media-too-large' } });
 * throw mediaErrors.tooLarge({ size: 12 }, cause); // code: 'media/tooLarge'
 */
export function defineErrors<Name extends string>(
  folder: string,
  table: Readonly<Record<Name, ErrorTraits>>,
): Readonly<Record<Name, ErrorFactory>> {
  const factories = {} as Record<Name, ErrorFactory>;
  for (const name of Object.keys(table) as Name[]) {
    factories[name] = (facts = {}, cause) => new BridgeError(`${folder}/${name}`, table[name], facts, cause);
  }
  return factories;
}

/** The code of a failure for logs and metrics; `internal/unexpected` for anything that is not one of ours. */
export function codeOf(failure: unknown): string {
  return failure instanceof BridgeError ? failure.code : 'internal/unexpected';
}

/** Whether `failure` carries exactly this code. */
export function hasCode(failure: unknown, code: string): failure is BridgeError {
  return failure instanceof BridgeError && failure.code === code;
}

function describe(code: string, facts: ErrorFacts): string {
  const told = Object.entries(facts).filter(([, value]) => value !== undefined);
  return told.length === 0
    ? code
    : `${code} (${told.map(([key, value]) => `${key}=${String(value)}`).join(', ')})`;
}
