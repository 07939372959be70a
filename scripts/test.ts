/**
 * npm test: brings what the tests need onto this machine, then runs `npm run check` and the tests against real servers.
 *
 * node scripts/run.cjs scripts/test.ts [test file…]: only these files, for instance test/integration/gatekeeper.test.ts.
 *
 * Each integration test file starts the servers it needs itself: Synapse and PostgreSQL together take under two seconds,
 * and a file may then stop, kill and configure them as it likes, and runs on its own with `node --test`.
 */
import { BridgeError } from '../src/model/errors.ts';
import { installPostgres } from '../src/sandbox/postgres/install.ts';
import { installProsody } from '../src/sandbox/prosody/install.ts';
import { installSynapse } from '../src/sandbox/synapse/install.ts';
import {
  type Environment,
  installSentence,
  openToolbox,
  toolsFolder,
} from '../src/sandbox/toolbox/toolbox.ts';
import { checkSteps } from './check.ts';
import { printLine, programStep, runSteps, testStep } from './steps.ts';

// No single test file should take this long: one that does hangs.
const TEST_TIMEOUT_MS = 600_000;

async function main(files: readonly string[], env: Environment): Promise<number> {
  const missing = await installServers(env);
  if (missing.length > 0) {
    printLine(`\nThe tests can't run on this machine yet.\n${missing.join('\n')}`);
    return 1;
  }
  // One file at a time: two would take the processor from one another's servers, and deadlines would pass.
  // Their Matrix client leaves timers of two minutes behind, which a file need not wait for.
  const options = ['--test-concurrency=1', '--test-force-exit', `--test-timeout=${TEST_TIMEOUT_MS}`];
  const steps =
    files.length > 0
      ? [testStep('tests', files, options)]
      : [
          ...checkSteps(),
          testStep('integration tests', ['test/integration/**/*.test.ts'], options),
          // Nine faults: one of each kind.
          programStep('crash suite, short form', process.execPath, [
            ...['test/crash/crash.ts', '--kills', '20', '--faults', '9'],
          ]),
        ];
  return (await runSteps(steps, printLine)) ? 0 : 1;
}

// Tells all that is missing at once.
async function installServers(env: Environment): Promise<string[]> {
  const toolbox = openToolbox({ folder: toolsFolder(env), env, progress: printLine });
  const missing: string[] = [];
  for (const install of [installSynapse, installPostgres, installProsody]) {
    try {
      await install(toolbox);
    } catch (failure) {
      if (!(failure instanceof BridgeError)) throw failure;
      missing.push(installSentence(failure) ?? failure.message);
    }
  }
  return missing;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2), process.env);
