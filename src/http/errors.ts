import { defineErrors } from '../model/errors.ts';

export const httpErrors = defineErrors('http', {
  /** A listener's address cannot be used: `address`, `port`, and `why` (the system's code, such as EADDRINUSE). */
  cannotListen: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** Told by a health check that has not been made since the start. */
  notYetChecked: { retry: 'later', arrived: 'no', notice: 'internal' },
});
