/** `drawbridge sandbox`: the world of world.ts, with people in it; kept up to be tried out, or played through once. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../ambient/clock.ts';
import { createLog } from '../ambient/log.ts';
import { systemRandom } from '../ambient/random.ts';
import { playDemo } from './demo.ts';
import { writeSandboxDescription } from './phone/sandbox-description.ts';
import { type Environment, installSentence, openToolbox, toolsFolder } from './toolbox/toolbox.ts';
import { HOMESERVER_NAME, startWorld, type World } from './world.ts';

export type SandboxOptions = Readonly<{
  /** Plays the scripted conversation and stops. */
  demo: boolean;
  /** Absolute: where the sandbox lives. */
  dir: string;
  environment: Environment;
  print: (line: string) => void;
  signal: AbortSignal;
}>;

const BOB_NUMBER = '+4930901820';
const CAROL_NUMBER = '+33199000042';
const PASSWORD = 'sandbox';

/** @returns the exit code: 0; 1 when something is missing, or a message of the demo did not arrive. */
export async function runSandbox(options: SandboxOptions): Promise<number> {
  const { environment, print } = options;
  const toolbox = openToolbox({ folder: toolsFolder(environment), env: environment, progress: print });
  const dir = options.demo ? join(options.dir, 'demo') : options.dir;
  // A demo tells the same story each time, so it begins in an empty world.
  if (options.demo) await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  const log = createLog({ level: 'error', format: 'pretty', contactIds: 'plain' });
  let world: World | undefined;
  try {
    world = await startWorld({ toolbox, clock: systemClock, random: systemRandom, log, dir });
    return options.demo ? await play(world, print) : await keepUp(world, options);
  } catch (failure) {
    const missing = installSentence(failure);
    if (missing === undefined) throw failure;
    print(missing);
    return 1;
  } finally {
    await world?.stop();
  }
}

async function play(world: World, print: (line: string) => void): Promise<number> {
  // The client is a development dependency: an installed bridge has no use for it.
  const { MatrixPerson } = await import('./matrix-person.ts');
  const alice = await MatrixPerson.arrive(world.synapse, 'alice', PASSWORD, systemClock);
  const bob = await world.gatekeeper.addPhone({ name: 'Bob', phone: BOB_NUMBER });
  const carol = await world.gatekeeper.addPhone({ name: 'Carol', phone: CAROL_NUMBER });
  try {
    const nowMs = () => systemClock.nowMs();
    const { sent, lost } = await playDemo({ world, alice, bob, carol, bobNumber: BOB_NUMBER, print, nowMs });
    print('');
    print(`demo: ${sent} messages crossed, ${lost} lost`);
    return lost === 0 ? 0 : 1;
  } finally {
    await alice.leave();
  }
}

async function keepUp(world: World, { dir, print, signal }: SandboxOptions): Promise<number> {
  const { synapse, gatekeeper } = world;
  await synapse.registerUser('alice', PASSWORD).catch((failure: { facts?: { errcode?: unknown } }) => {
    // A sandbox that was here before knows her.
    if (failure.facts?.errcode !== 'M_USER_IN_USE') throw failure;
  });
  const phones = [
    await gatekeeper.enrolPhone({ name: 'Bob', phone: BOB_NUMBER }),
    await gatekeeper.enrolPhone({ name: 'Carol', phone: CAROL_NUMBER }),
  ];
  await writeSandboxDescription(dir, { version: 1, gatekeeper: gatekeeper.phoneAccess, phones });
  for (const line of welcome(world, dir)) print(line);
  if (!signal.aborted)
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  print('sandbox: stopping…');
  return 0;
}

function welcome(world: World, dir: string): string[] {
  return [
    '',
    'The sandbox is up. Stop it with Ctrl-C; the next start carries on where this one ended.',
    '',
    '  As Alice, with any Matrix client on this machine:',
    `    homeserver  ${world.synapse.baseUrl}`,
    `    user        @alice:${HOMESERVER_NAME}`,
    `    password    ${PASSWORD}`,
    `    then start a direct chat with ${world.botUserId} and write: opt-in`,
    `    and, once connected: start-chat ${BOB_NUMBER}`,
    '',
    '  As Bob or Carol, the contacts, in another terminal:',
    '    npm run drawbridge -- phone --as Bob',
    '',
    `  The bridge: ${world.bridge.healthUrl}/ready and /metrics; its log: ${world.bridge.logFile}`,
    `  All of it lies in ${dir}`,
    '',
  ];
}
