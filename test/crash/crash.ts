/**
 * `npm run test:crash -- [--kills N] [--postgres] [--users N] [--contacts N] [--seed S]`: the real daemon between a real
 * Synapse and a real Prosody, chats busy in both directions, and `kill -9` at random moments and at each named step. In the
 * end every message must be there once, in order, and the database consistent.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { systemClock } from '../../src/ambient/clock.ts';
import { createLog } from '../../src/ambient/log.ts';
import { systemRandom } from '../../src/ambient/random.ts';
import { MatrixPerson } from '../../src/sandbox/matrix-person.ts';
import type { Phone } from '../../src/sandbox/phone/phone.ts';
import { startPostgres } from '../../src/sandbox/postgres/postgres.ts';
import { openToolbox, toolsFolder } from '../../src/sandbox/toolbox/toolbox.ts';
import { startWorld, type World } from '../../src/sandbox/world.ts';
import { openStorage } from '../../src/storage/storage.ts';
import { listCrashPoints } from './crash-points.ts';
import { Tally } from './tally.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '20' },
    users: { type: 'string', default: '4' },
    contacts: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    postgres: { type: 'boolean', default: false },
  },
});
const KILLS = Number(values.kills);
const SETTLE_MS = 240_000;
/** A named step that is not passed within this time is killed like any other moment. */
const POINT_MS = 4_000;
const LOADER = path.join(import.meta.dirname, 'failpoints.ts');

/** One chat: a person's portal room with one contact. */
type Chat = Readonly<{ person: MatrixPerson; phone: Phone; room: string; jid: string; name: string }>;

/** Small and reproducible: the same seed orders the same kills. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const print = (line: string) => process.stdout.write(`${line}\n`);

async function main(): Promise<number> {
  const toolbox = openToolbox({
    folder: toolsFolder(process.env),
    env: process.env,
    progress: () => undefined,
  });
  const dir = await mkdtemp(path.join(tmpdir(), 'drawbridge-crash-'));
  const postgres = values.postgres
    ? await startPostgres({ toolbox, dir: path.join(dir, 'postgres') })
    : undefined;
  const database = postgres && { postgres: await postgres.createDatabase('bridge') };
  const log = createLog({ level: 'error', format: 'pretty', contactIds: 'plain' });
  const world = await startWorld({
    toolbox,
    clock: systemClock,
    random: systemRandom,
    log,
    dir,
    nodeArguments: ['--import', LOADER],
    ...(database === undefined ? {} : { database }),
  });
  try {
    const passed = await run(world, database);
    if (passed) await rm(dir, { recursive: true, force: true });
    else print(`crash: what is left of it lies in ${dir}`);
    return passed ? 0 : 1;
  } finally {
    await world.stop();
    await postgres?.stop();
  }
}

async function run(world: World, database: { postgres: string } | undefined): Promise<boolean> {
  const tally = new Tally();
  const chats = await openChats(world, tally);
  print(`crash: ${chats.length} chats, seed ${values.seed}, on ${values.postgres ? 'PostgreSQL' : 'SQLite'}`);
  const traffic = startTraffic(chats, tally);
  const faults = await killAgainAndAgain(world);
  await traffic.stop();
  const deadlineMs = Date.now() + SETTLE_MS;
  while (!tally.isComplete() && Date.now() < deadlineMs) await pause(200);
  // What comes twice may come a little later than what comes first.
  await pause(3_000);
  for (const line of tally.missing()) print(`crash: ${line}`);
  for (const { person } of chats) await person.leave();
  await world.bridge.stop();
  const broken = await consistency(world, database);
  for (const line of broken) print(`crash: inconsistent: ${line}`);
  const { sent, lost, duplicated, reordered } = tally.verdict();
  const figures = `kills=${KILLS} faults=${faults} sent=${sent} lost=${lost} duplicated=${duplicated}`;
  print(`crash: ${figures} reordered=${reordered}`);
  return lost + duplicated + reordered + broken.length === 0;
}

async function openChats(world: World, tally: Tally): Promise<Chat[]> {
  const phones: Phone[] = [];
  for (let index = 0; index < Number(values.contacts); index += 1) {
    phones.push(
      await world.gatekeeper.addPhone({ name: `Contact${index}`, phone: `+4930000${100 + index}` }),
    );
  }
  const chats: Chat[] = [];
  for (let index = 0; index < Number(values.users); index += 1) {
    const person = await MatrixPerson.arrive(world.synapse, `user${index}`, 'password', systemClock);
    const management = await person.startDirectChat(world.botUserId);
    await person.seeMessage(({ body }) => body.startsWith('Hello.'), 60_000);
    await person.say(management, 'opt-in');
    await person.seeMessage(({ body }) => body.startsWith('Before you connect'), 60_000);
    await person.say(management, 'yes');
    const { body } = await person.seeMessage(
      (message) => message.body.startsWith('You are connected'),
      60_000,
    );
    const jid = `${/Your id there is (\S+?)\./.exec(body)?.[1]}@${world.gatekeeper.domain}`;
    for (const [number, phone] of phones.entries()) {
      await person.say(management, `start-chat +4930000${100 + number}`);
      const notice = await person.seeMessage(
        (message) => message.body.startsWith(`This room is a chat with ${phone.name} `),
        60_000,
      );
      chats.push({ person, phone, room: notice.room, jid, name: `user${index}-${phone.name}` });
    }
  }
  watchArrivals(chats, tally);
  return chats;
}

function watchArrivals(chats: readonly Chat[], tally: Tally): void {
  for (const person of new Set(chats.map((chat) => chat.person))) {
    person.log.watch((event) => {
      if (event.kind !== 'message' || event.sender === person.userId || event.msgtype !== 'm.text') return;
      const chat = chats.find(({ room }) => room === event.room);
      if (chat !== undefined) tally.arrived(`${chat.name} in`, event.body);
    });
  }
  for (const phone of new Set(chats.map((chat) => chat.phone))) {
    phone.events.watch((event) => {
      if (event.kind === 'repeat' && event.of === 'content') tally.arrived('repeats', `${event.stanzaId}`);
      if (event.kind !== 'message' || event.message.content.text === undefined) return;
      const { from, content } = event.message;
      const chat = chats.find(({ jid, phone: of }) => jid === from && of === phone);
      if (chat !== undefined) tally.arrived(`${chat.name} out`, content.text?.body ?? '');
    });
  }
}

function startTraffic(chats: readonly Chat[], tally: Tally): { stop(): Promise<void> } {
  let isOver = false;
  const talkers = chats.flatMap((chat) => [
    async (body: string) => {
      await chat.person.say(chat.room, body);
      tally.sent(`${chat.name} out`, body);
    },
    async (body: string) => {
      await chat.phone.send(chat.jid, { text: body });
      tally.sent(`${chat.name} in`, body);
    },
  ]);
  const running = talkers.map(async (talk, index) => {
    for (let number = 1; !isOver; number += 1) {
      await talk(`message ${number}`);
      await pause(700 + ((index * 137) % 900));
    }
  });
  return {
    stop: async () => {
      isOver = true;
      await Promise.all(running);
    },
  };
}

/** @returns how many of the kills were at a named step. */
async function killAgainAndAgain(world: World): Promise<number> {
  const random = seededRandom(Number(values.seed));
  const points = await listCrashPoints();
  let atPoints = 0;
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const point = kill % 2 === 0 ? points[(kill / 2 - 1) % points.length] : undefined;
    const nth = 1 + Math.floor(random() * 5);
    await world.bridge.kill();
    await world.bridge.start('live', point === undefined ? {} : { DRAWBRIDGE_FAILPOINT: `${point}:${nth}` });
    if (point === undefined) {
      await pause(50 + random() * 1_500);
    } else {
      const died = await Promise.race([
        world.bridge.exited.then(() => true),
        pause(POINT_MS).then(() => false),
      ]);
      if (died) atPoints += 1;
    }
    if (kill % 10 === 0) print(`crash: ${kill} kills, ${atPoints} of them at a named step`);
  }
  await world.bridge.kill();
  await world.bridge.start();
  return atPoints;
}

async function consistency(world: World, database: { postgres: string } | undefined): Promise<string[]> {
  const storage = await openStorage({
    database:
      database === undefined
        ? { type: 'sqlite', file: path.join(world.bridgeDir, 'bridge.db') }
        : { type: 'postgres', url: database.postgres, maxConnections: 3 },
    masterKey: Buffer.from(world.secrets.masterKey, 'base64'),
    clock: systemClock,
    random: systemRandom,
  });
  try {
    return await storage.checkConsistency();
  } finally {
    await storage.close();
  }
}

// The Matrix client leaves timers behind that would keep the process for two minutes.
main().then(
  (code) => process.exit(code),
  (failure: unknown) => {
    process.stderr.write(`crash: ${failure instanceof Error ? failure.stack : String(failure)}\n`);
    process.exit(1);
  },
);
