/** What can go wrong with the sandbox's XMPP server, once it is installed. */
import { defineErrors } from '../../model/errors.ts';

export const prosodyErrors = defineErrors('sandbox-prosody', {
  /** The admin module answered with something else than promised, or not at all. Facts: `method`, `status`. */
  admin: { retry: 'later', arrived: 'unknown', notice: 'internal' },
});
