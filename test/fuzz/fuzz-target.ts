/** What can be fuzzed: a place where bytes of strangers come in, the inputs made for it, and what must hold of each. */
import type fc from 'fast-check';
import { BridgeError } from '../../src/model/errors.ts';

export interface FuzzTarget {
  /** In kebab-case: also the name of its folder under test/fixtures/fuzz/. */
  readonly name: string;
  /** Its share of all runs, in relation to those of the others: small where a run costs much. */
  readonly weight: number;
  /** JSON values, so that each can stand in a fixture as it is. */
  readonly inputs: fc.Arbitrary<unknown>;
  /** Makes what the runs share. */
  open(): Promise<OpenTarget>;
}

/** Lives for many runs; one at a time. */
export interface OpenTarget extends AsyncDisposable {
  /** @throws anything: whatever comes out of it is a finding. */
  run(input: unknown): void | Promise<void>;
}

/**
 * Declares a target.
 * @param spec `open`: makes the function that takes one input, and what closes it when there is something to close.
 */
export function defineTarget<Input>(spec: {
  readonly name: string;
  readonly weight: number;
  readonly inputs: fc.Arbitrary<Input>;
  open(): Promise<Runner<Input>> | Runner<Input>;
}): FuzzTarget {
  return {
    ...spec,
    open: async () => {
      const { run, close } = await spec.open();
      return {
        // What comes in was made by `inputs`, or stands in a fixture of this target.
        run: (input) => run(input as Input),
        [Symbol.asyncDispose]: async () => await close?.(),
      };
    },
  };
}

export interface Runner<Input> {
  run(input: Input): void | Promise<void>;
  close?(): Promise<void>;
}

/**
 * Runs a parser that may refuse.
 * @param allowed code, or beginning of the codes, of the refusals that its contract names; anything else passes on.
 * @returns `undefined` when it refused.
 */
export function unlessRefused<T>(allowed: string, parse: () => T): T | undefined {
  try {
    return parse();
  } catch (failure) {
    if (isRefusal(failure, allowed)) return undefined;
    throw failure;
  }
}

/** As `unlessRefused`, for what answers later. */
export async function unlessRejected<T>(allowed: string, ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (failure) {
    if (isRefusal(failure, allowed)) return undefined;
    throw failure;
  }
}

function isRefusal(failure: unknown, allowed: string): boolean {
  return failure instanceof BridgeError && failure.code.startsWith(allowed);
}
