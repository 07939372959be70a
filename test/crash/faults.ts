/** What goes wrong besides kills, one kind after the other. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Arena } from './arena.ts';
import type { Traffic } from './traffic.ts';

/** `round`: how often this kind was carried out before. */
export type Fault = Readonly<{
  name: string;
  /** Newcomers are let finish first: what they are in the middle of would be forgotten, or refused for good. */
  wantsCalm?: boolean;
  carryOut: (stage: Stage, round: number) => Promise<void>;
}>;
type Stage = Readonly<{ arena: Arena; traffic: Traffic }>;

const HOUR_MS = 60 * 60_000;
const AWAY_MS = 700;
const FULL_MS = 4_000;
const WRONG_MS = 2_500;
/** Until a bridge with the suite's patience notices a mute line, twice over. */
const MUTE_MS = 16_000;
const SHORTLY_MUTE_MS = 3_000;

/** The kinds that this machine can do, and a sentence for each that it can't. */
export function faultsOf(arena: Arena): { faults: Fault[]; missing: string[] } {
  const missing =
    arena.disk === undefined && arena.postgres === undefined
      ? ['disk full: not done, since this machine does not let us mount a small file system']
      : [];
  return {
    faults: [
      ...serverFaults(arena),
      ...lineFaults,
      ...(arena.disk === undefined ? [] : [diskFull]),
      clockJumps,
    ],
    missing,
  };
}

function serverFaults({ postgres }: Arena): Fault[] {
  return [
    {
      name: 'Synapse killed',
      wantsCalm: true,
      carryOut: withKill(async (stage) => await endSynapse(stage, 'kill')),
    },
    {
      name: 'Prosody restarted',
      carryOut: withKill(async ({ arena: { world } }) => await world.gatekeeper.prosody.restart()),
    },
    {
      name: 'Synapse stopped',
      wantsCalm: true,
      carryOut: withKill(async (stage) => await endSynapse(stage, 'stop')),
    },
    ...(postgres === undefined
      ? []
      : [
          {
            name: 'PostgreSQL killed',
            carryOut: withKill(async () => {
              await postgres.kill();
              await pause(AWAY_MS);
              await postgres.restart();
            }),
          },
          { name: 'PostgreSQL restarted', carryOut: withKill(async () => await postgres.restart()) },
        ]),
  ];
}

const lineFaults: readonly Fault[] = [
  {
    name: 'network cut',
    carryOut: async ({ arena }) => {
      for (let times = 0; times < 3; times += 1) {
        arena.gate('bridge-to-network').cut();
        await pause(AWAY_MS);
      }
    },
  },
  {
    name: 'homeserver cut',
    carryOut: async ({ arena }) => {
      for (let times = 0; times < 3; times += 1) {
        arena.gate('bridge-to-homeserver').cut();
        arena.gate('homeserver-to-bridge').cut();
        await pause(AWAY_MS);
      }
    },
  },
  {
    // For longer than it takes to notice: nobody but the bridge itself ends these connections.
    name: 'network mute',
    carryOut: async ({ arena }) => await mute(arena, ['bridge-to-network'], MUTE_MS, false),
  },
  {
    name: 'homeserver mute',
    // Every other time the lines stay dead, and the bridge's own deadline of a minute has to end them.
    carryOut: async ({ arena }, round) =>
      await mute(arena, ['bridge-to-homeserver', 'homeserver-to-bridge'], SHORTLY_MUTE_MS, round % 2 === 0),
  },
];

const diskFull: Fault = {
  name: 'disk full',
  carryOut: withKill(async ({ arena: { disk } }) => {
    await disk?.fill();
    await pause(FULL_MS);
    disk?.free();
  }),
};

/** Every other time the bridge starts with the wrong time; it cannot log in then, and is started again when it is right. */
const clockJumps: Fault = {
  name: 'clock jumped',
  wantsCalm: true,
  carryOut: async ({ arena: { shiftClock, supervisor } }, round) => {
    await supervisor.ready();
    for (const byMs of [HOUR_MS, -HOUR_MS, 0]) {
      await shiftClock(byMs);
      if (round % 2 === 1) await supervisor.replace();
      await pause(WRONG_MS);
    }
  },
};

/** Every other time the bridge is killed in the middle, and has to start while something is wrong. */
function withKill(work: (stage: Stage) => Promise<void>): Fault['carryOut'] {
  return async (stage, round) => {
    const { supervisor } = stage.arena;
    const restarting = round % 2 === 1 ? pause(AWAY_MS).then(() => supervisor.replace()) : undefined;
    // Both are waited for, whichever fails.
    const [done, restarted] = await Promise.allSettled([work(stage), restarting]);
    for (const end of [done, restarted]) if (end.status === 'rejected') throw end.reason;
  };
}

async function mute(
  arena: Arena,
  ways: readonly Parameters<Arena['gate']>[0][],
  forMs: number,
  endsWithReset: boolean,
): Promise<void> {
  const gates = ways.map((way) => arena.gate(way));
  for (const gate of gates) gate.swallow();
  await pause(forMs);
  for (const gate of gates) {
    if (endsWithReset) gate.cut();
    gate.heal();
  }
}

/**
 * Synapse keeps what it has still to push to an application service in memory, and notes it as pushed
 * (synapse/handlers/appservice.py, synapse/appservice/scheduler.py): when it ends, it forgets, and no bridge can know. So
 * people are silent in the moment of its end; their contacts are not.
 */
async function endSynapse({ arena, traffic }: Stage, how: 'kill' | 'stop'): Promise<void> {
  const { synapse } = arena.world;
  await traffic.hush();
  await synapse[how]();
  traffic.resume();
  await pause(AWAY_MS);
  await synapse.restart();
}
