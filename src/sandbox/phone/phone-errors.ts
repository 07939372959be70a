/** What can go wrong in a contact's app. */
import { defineErrors } from '../../model/errors.ts';

export const phoneErrors = defineErrors('sandbox-phone', {
  /** Not a `Content`, or its padding is wrong. */
  badContent: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** A file that is not what its message describes. Facts: `why`. */
  badFile: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** An envelope without what the profile (section 6) asks for. */
  badEnvelope: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** The keys service did not hand out a usable bundle. */
  noBundle: { retry: 'later', arrived: 'no', notice: 'internal' },
  /** The gatekeeper's phone door refused, or was not there. Facts: `call`, `status`. */
  door: { retry: 'later', arrived: 'unknown', notice: 'internal' },
  /** Not connected, and it stayed so until the deadline. */
  offline: { retry: 'later', arrived: 'no', notice: 'internal' },
  /** What was waited for did not happen in time. Facts: `timeoutMs`, and what was seen instead. */
  waitedInVain: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** sandbox.json is missing or not as it should be: is the sandbox running? */
  noSandbox: { retry: 'after-user', arrived: 'no', notice: 'internal' },
});
