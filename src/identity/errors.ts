import { defineErrors } from '../model/errors.ts';

export const identityErrors = defineErrors('identity', {
  /** The settings contradict what the profile promises to gatekeepers. */
  badSettings: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** The signing keys cannot be read or made just now, so nothing may be signed. */
  keysUnavailable: { retry: 'later', arrived: 'no', notice: 'internal' },
  /** A stored key is not the one that its id names: someone else wrote it. */
  keyForged: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** What a proof token was asked for does not make sense. */
  badProofRequest: { retry: 'never', arrived: 'no', notice: 'internal' },
});
