/**
 * `npm run test:crash -- [--kills N] [--faults N] [--minutes N] [--postgres] [--users N] [--contacts N] [--seed S]`: the real
 * daemon between a real Synapse and a real Prosody, chats busy in both directions, and `kill -9` at random moments and at
 * each named step; servers restarted, lines cut and mute, a full disk and a wrong clock besides. In the end every message
 * must be there once, in order, each chat have one room, and the database be consistent.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Arena, openArena } from './arena.ts';
import { addPhones, type Chat, join, openChat, watchArrivals } from './chats.ts';
import { listCrashPoints } from './crash-points.ts';
import { Havoc } from './havoc.ts';
import { Newcomers } from './newcomers.ts';
import { Tally } from './tally.ts';
import { Traffic } from './traffic.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '20' },
    faults: { type: 'string' },
    // After so long nothing more goes wrong, and what was done till then is judged.
    minutes: { type: 'string' },
    users: { type: 'string', default: '4' },
    contacts: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    postgres: { type: 'boolean', default: false },
  },
});
const KILLS = Number(values.kills);
const FAULTS = Number(values.faults ?? Math.round(KILLS / 5));
const HAVOC_MS = values.minutes === undefined ? Number.POSITIVE_INFINITY : Number(values.minutes) * 60_000;
const SETTLE_MS = 240_000;

/** Small and reproducible: the same seed orders the same kills. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const startedMs = performance.now();
const print = (line: string) => {
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  process.stdout.write(`crash: ${String(seconds).padStart(4)} s  ${line}\n`);
};

async function main(): Promise<number> {
  const dir = await mkdtemp(path.join(tmpdir(), 'drawbridge-crash-'));
  const arena = await openArena({ dir, onPostgres: values.postgres });
  let passed = false;
  try {
    passed = await run(arena);
    return passed ? 0 : 1;
  } finally {
    if (!passed) await arena.keepDatabase();
    await arena.stop();
    if (passed) await rm(dir, { recursive: true, force: true });
    else print(`what is left of it lies in ${dir}`);
  }
}

async function run(arena: Arena): Promise<boolean> {
  const { world, supervisor } = arena;
  const tally = new Tally();
  const phones = await addPhones(world, Number(values.contacts));
  const chats = await openChats(arena, phones);
  print(`${chats.length} chats, seed ${values.seed}, on ${values.postgres ? 'PostgreSQL' : 'SQLite'}`);
  watchArrivals(chats, tally);
  const traffic = new Traffic(tally);
  for (const chat of chats) traffic.add(chat);
  const newcomers = new Newcomers({ world, phones, tally, traffic });
  const random = seededRandom(Number(values.seed));
  const named = await listCrashPoints();
  const first = Math.floor(random() * named.length);
  const points = [...named.slice(first), ...named.slice(0, first)];
  const deps = { arena, traffic, newcomers, chats, points, random, print };
  const havoc = new Havoc({ ...deps, kills: KILLS, faults: FAULTS, forMs: HAVOC_MS });
  await havoc.run();
  await newcomers.settled();
  await traffic.stop();
  print('the traffic has ended, waiting for what is under way');
  const deadlineMs = performance.now() + SETTLE_MS;
  while (!tally.isComplete() && performance.now() < deadlineMs) await pause(200);
  // What comes twice may come a little later than what comes first.
  await pause(3_000);
  for (const { person } of [...chats, ...newcomers.chats]) await person.leave();
  await supervisor.stop();
  const broken = [
    ...(await arena.checkConsistency()).map((line) => `inconsistent: ${line}`),
    ...newcomers.complaints(),
    ...supervisor.oddEnds.map((line) => `the bridge ${line}`),
  ];
  for (const line of [...tally.complaints(), ...broken]) print(line);
  print(
    `${newcomers.chats.length} chats opened meanwhile; ${tally.late} messages asked for again; ` +
      `${supervisor.gaveUp} times ended for want of the database`,
  );
  const { sent, lost, duplicated, reordered } = tally.verdict();
  const figures = `kills=${supervisor.kills} faults=${havoc.faults} sent=${sent} lost=${lost}`;
  process.stdout.write(`crash: ${figures} duplicated=${duplicated} reordered=${reordered}\n`);
  return lost + duplicated + reordered + broken.length === 0;
}

async function openChats({ world }: Arena, phones: Awaited<ReturnType<typeof addPhones>>): Promise<Chat[]> {
  const people = Array.from({ length: Number(values.users) }, async (_, index) => {
    const member = await join(world, `user${index}`);
    const chats: Chat[] = [];
    for (const [number, phone] of phones.entries()) chats.push(await openChat(member, phone, number));
    return chats;
  });
  return (await Promise.all(people)).flat();
}

// What is mounted and what was started is ended by what runs at exit.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
// The Matrix client leaves timers behind that would keep the process for two minutes.
main().then(
  (code) => process.exit(code),
  (failure: unknown) => {
    process.stderr.write(`crash: ${failure instanceof Error ? failure.stack : String(failure)}\n`);
    process.exit(1);
  },
);
