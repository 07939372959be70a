/** What a test can switch on to see how a third party bears a gatekeeper that misbehaves. Everything starts as normal. */

/** `none-left`: no one-time keys are handed out. `absent`: as if nobody had keys. `mute`: never an answer. */
export type KeysFault =
  | 'none'
  | 'bad-signatures'
  | 'foreign-bundle'
  | 'none-left'
  | 'absent'
  | 'too-many'
  | 'mute';

/** `mute`: the connection stays open without an answer. */
export type ApiFault = 'none' | 'unavailable' | 'rate-limited' | 'region' | 'terms' | 'mute';

export interface Faults {
  api: ApiFault;
  /** Milliseconds before each answer of the API. */
  apiDelayMs: number;
  keys: KeysFault;
  /** Milliseconds before each answer of the keys service. */
  keysDelayMs: number;
  /** Pushes are not sent. */
  pushMute: boolean;
  /** Third parties are not let in, though their accounts are in order. */
  loginsRefused: boolean;
}

/** All off. */
export function noFaults(): Faults {
  return {
    api: 'none',
    apiDelayMs: 0,
    keys: 'none',
    keysDelayMs: 0,
    pushMute: false,
    loginsRefused: false,
  };
}
