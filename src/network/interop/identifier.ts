/** What a person types to name someone on the network. Pure. */
import type { Identifier } from '../network.ts';

/** E.164: a country code that does not begin with 0, 15 digits at most. */
const phonePattern = /^\+[1-9]\d{6,14}$/;
/** No white space, controls or invisible marks: nothing that could make two names look alike in our own notices. */
const usernamePattern = /^[\p{L}\p{N}][\p{L}\p{N}\p{M}._-]{0,63}$/u;
const interopIdPattern = /^[\x21-\x7e]{1,255}$/;
const MAX_LENGTH = 320;

/**
 * `+49 170 123-45 67` is a phone number (spaces, dashes, dots, slashes and brackets are left out), `id:…` an interop id,
 * anything else a username, with or without `@` before it.
 * @returns `undefined` when it has none of these forms.
 * @example
 * inspectIdentifier('@alice') // { kind: 'username', value: 'alice' }
 */
export function inspectIdentifier(text: string): Identifier | undefined {
  const typed = text.trim().normalize('NFC');
  if (typed.length > MAX_LENGTH) return undefined;
  if (typed.startsWith('+')) {
    const value = typed.replace(/[\s().\-/]/g, '');
    return phonePattern.test(value) ? { kind: 'phone', value } : undefined;
  }
  if (typed.startsWith('id:')) {
    const value = typed.slice('id:'.length);
    return interopIdPattern.test(value) ? { kind: 'interop_id', value } : undefined;
  }
  const value = typed.replace(/^@/, '');
  return usernamePattern.test(value) && !/^\d+$/.test(value) ? { kind: 'username', value } : undefined;
}
