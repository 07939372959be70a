/** The faults of installing and starting the servers that sandbox and tests run on. */
import { defineErrors } from '../../model/errors.ts';

/**
 * - `missing`: this machine lacks something that we cannot bring ourselves. Facts: `what`, and `install`, a sentence
 *   for people that says exactly what to install.
 * - `commandFailed`: a program ran and gave up. Facts: `command`, `exitCode` or `signal`, `output` (its last lines).
 * - `endedEarly`: a server ended before it was ready. Facts: `process`, `exitCode` or `signal`, `logFile`, `output`.
 * - `notReady`: a server was not ready in time and has been ended. Facts: `process`, `timeoutMs`, `logFile`, `output`.
 *
 * `output` may be shown: these servers hold test data only.
 */
export const toolboxErrors = defineErrors('toolbox', {
  missing: { retry: 'after-user', arrived: 'no', notice: 'internal' },
  commandFailed: { retry: 'later', arrived: 'unknown', notice: 'internal' },
  endedEarly: { retry: 'later', arrived: 'no', notice: 'internal' },
  notReady: { retry: 'later', arrived: 'no', notice: 'internal' },
});
