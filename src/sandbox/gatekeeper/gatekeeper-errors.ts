/** Refusals of the reference gatekeeper, as docs/interop-profile.md section 2 names them, and their HTTP face. */
import { type BridgeError, defineErrors } from '../../model/errors.ts';

export const gatekeeperErrors = defineErrors('sandbox-gatekeeper', {
  /** A request that the profile does not allow. */
  badRequest: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** A proof token that does not hold: signature, audience, age, or used before. */
  badToken: { retry: 'later', arrived: 'no', notice: 'internal' },
  /** A test has closed the region. */
  regionNotAllowed: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** A test has suspended the account. */
  suspended: { retry: 'after-user', arrived: 'no', notice: 'internal' },
  /** The terms have a newer version than the one agreed to. */
  termsOutdated: { retry: 'after-user', arrived: 'no', notice: 'internal' },
  /** There is no such account. */
  notEnlisted: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** Another account shows this Signal identity. */
  identityInUse: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** A body over the limit. */
  tooLarge: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** Too many requests, or a test says so. */
  rateLimited: { retry: 'later', arrived: 'no', notice: 'internal' },
  /** An issuer's keys could not be fetched, or a test switched the API off. */
  unavailable: { retry: 'later', arrived: 'no', notice: 'internal' },
  /** A test asked for something that the gatekeeper does not have. */
  misuse: { retry: 'never', arrived: 'no', notice: 'internal' },
});

type ErrorName = keyof typeof gatekeeperErrors;

const faces: Readonly<Record<ErrorName, readonly [status: number, error: string]>> = {
  badRequest: [400, 'bad_request'],
  badToken: [401, 'bad_token'],
  regionNotAllowed: [403, 'region_not_allowed'],
  suspended: [403, 'suspended'],
  termsOutdated: [403, 'terms_outdated'],
  notEnlisted: [404, 'not_enlisted'],
  identityInUse: [409, 'identity_in_use'],
  tooLarge: [413, 'too_large'],
  rateLimited: [429, 'rate_limited'],
  unavailable: [503, 'unavailable'],
  misuse: [500, 'internal'],
};

/** The status and `error` member of an answer; `undefined` for a failure that is not one of ours. */
export function httpFaceOf(failure: BridgeError): readonly [status: number, error: string] | undefined {
  const [folder, name] = failure.code.split('/');
  return folder === 'sandbox-gatekeeper' ? faces[name as ErrorName] : undefined;
}
