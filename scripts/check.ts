/** npm run check: all that can be checked without a server. Ends with 1 if anything is wrong. */
import { availableParallelism } from 'node:os';
import { printLine, programStep, runSteps, type Step, testStep } from './steps.ts';

// Nothing here waits for a server: a unit test that takes this long hangs.
const TEST_TIMEOUT_MS = 60_000;

/** The steps, in the order of how soon they tell something. */
export function checkSteps(): Step[] {
  return [
    programStep('format, lint and import rules', 'biome', ['check', '--error-on-warnings', '.']),
    programStep('types', 'tsc', ['-p', '.']),
    programStep('generated files are in sync', process.execPath, ['scripts/generate.ts', '--check']),
    testStep(
      'unit tests',
      ['test/unit/**/*.test.ts'],
      // One file a processor; node:test itself would leave one idle.
      [
        `--test-timeout=${TEST_TIMEOUT_MS}`,
        `--test-concurrency=${availableParallelism()}`,
        '--import=./test/property-seed.ts',
      ],
    ),
  ];
}

if (import.meta.main) process.exitCode = (await runSteps(checkSteps(), printLine)) ? 0 : 1;
