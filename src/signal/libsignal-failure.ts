/**
 * What libsignal throws, in our own codes. Its messages are text for developers and may name the contact's address: they
 * are kept as the cause only.
 */
import { ErrorCode, LibSignalErrorBase } from '@signalapp/libsignal-client';
import type { BridgeError, ErrorFacts } from '../model/errors.ts';
import { signalErrors } from './errors.ts';

/** A failed encryption. Without a session libsignal says `Generic`; whatever else is wrong with it, a new one is the cure. */
export function encryptFailure(failure: unknown, facts: ErrorFacts): unknown {
  if (!(failure instanceof LibSignalErrorBase)) return failure;
  if (failure.code === ErrorCode.UntrustedIdentity) return signalErrors.identityChanged(facts, failure);
  return signalErrors.sessionMissing({ ...facts, libsignal: nameOf(failure) }, failure);
}

/** A failed decryption. */
export function decryptFailure(failure: unknown, facts: ErrorFacts): unknown {
  if (!(failure instanceof LibSignalErrorBase)) return failure;
  switch (failure.code) {
    case ErrorCode.UntrustedIdentity:
      return signalErrors.identityChanged(facts, failure);
    case ErrorCode.DuplicatedMessage:
      return signalErrors.duplicate(facts, failure);
    default:
      return signalErrors.undecryptable({ ...facts, libsignal: nameOf(failure) }, failure);
  }
}

/** A session that could not begin. All that libsignal had to work on was the bundle. */
export function startFailure(failure: unknown, facts: ErrorFacts): unknown {
  if (!(failure instanceof LibSignalErrorBase)) return failure;
  if (failure.code === ErrorCode.UntrustedIdentity) return signalErrors.identityChanged(facts, failure);
  return signalErrors.badBundle({ ...facts, libsignal: nameOf(failure) }, failure);
}

/**
 * Runs one of libsignal's parsers on what a peer sent.
 * @param refuse makes the error for anything that the parser throws: `LibSignalErrorBase`, `TypeError`, `RangeError`.
 */
export function parseWith<T>(parse: () => T, refuse: (cause: unknown) => BridgeError): T {
  try {
    return parse();
  } catch (cause) {
    throw refuse(cause);
  }
}

function nameOf(failure: LibSignalErrorBase): string {
  return ErrorCode[failure.code];
}
