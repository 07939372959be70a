/** The faults of installing and starting the servers that sandbox and tests run on. */
import { defineErrors } from '../../model/errors.ts';

/**
 * Facts: of `missing` `what`, and `install`, a sentence for people; of the others `command` or `process`, `exitCode` or
 * `signal`, `timeoutMs`, `logFile`, `output` (the last lines). `output` may be shown: these servers hold test data only.
 */
export const toolboxErrors = defineErrors('toolbox', {
  /** This machine lacks something that we cannot bring ourselves; `install` says what to install. */
  missing: { retry: 'after-user', arrived: 'no', notice: 'internal' },
  /** A program ran and gave up; `output` has its last lines. */
  commandFailed: { retry: 'later', arrived: 'unknown', notice: 'internal' },
  /** A server ended before it was ready; `logFile` has more. */
  endedEarly: { retry: 'later', arrived: 'no', notice: 'internal' },
  /** A server was not ready in time and has been ended; `logFile` has more. */
  notReady: { retry: 'later', arrived: 'no', notice: 'internal' },
});
