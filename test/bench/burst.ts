/** Many messages at once over some conversations, and whether all of them arrived, in order. */
import { createHash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { systemClock } from '../../src/ambient/clock.ts';
import type { BenchWorld, Conversation } from './bench-world.ts';
import type { MatrixUser } from './matrix-user.ts';
import type { ProcessFigures } from './process-figures.ts';

/** `tookMs`: from the first message sent to the last one seen. `cpuMs`: what the process used meanwhile. */
export type BurstResult = Readonly<{
  messages: number;
  tookMs: number;
  lost: number;
  inOrder: boolean;
  bridge: Readonly<{ cpuMs: number; writtenBytes: number }>;
  synapse: Readonly<{ cpuMs: number }>;
}>;

const DEADLINE_MS = 180_000;

/** How the burst is sent, and where it is seen: a way of a message. */
type Way = Readonly<{
  send: (texts: readonly (readonly string[])[]) => Promise<void>;
  /** Tells the texts that a lane sees from now on, in order, until the returned function is called. */
  watch: (lane: number, onText: (text: string) => void) => () => void;
}>;

/** Matrix users write in their portals, through Synapse. */
export async function burstOut(
  world: BenchWorld,
  name: string,
  messages: number,
  over: readonly Conversation[],
) {
  const send = async (texts: readonly (readonly string[])[]) => {
    await eachLane(texts, async (lane, text) => {
      const { user, room } = laneOf(over, lane);
      await user.say(room, text);
    });
  };
  return await burst(world, name, messages, over.length, { send, ...onPhones(over) });
}

/** The bridge is handed the events as the homeserver would, in transactions of 100: its own pace, not Synapse's. */
export async function burstHanded(
  world: BenchWorld,
  name: string,
  messages: number,
  over: readonly Conversation[],
) {
  const send = async (texts: readonly (readonly string[])[]) => {
    const rounds = Array.from({ length: texts[0]?.length ?? 0 }, (_, round) =>
      texts.flatMap((lane, index) => {
        const text = lane[round];
        return text === undefined ? [] : [asEvent(laneOf(over, index), text)];
      }),
    ).flat();
    for (let first = 0; first < rounds.length; first += 100) {
      await world.pushTransaction(`bench-${name}-${first}`, rounds.slice(first, first + 100));
    }
  };
  return await burst(world, name, messages, over.length, { send, ...onPhones(over) });
}

/** Contacts write from their phones. */
export async function burstIn(
  world: BenchWorld,
  name: string,
  messages: number,
  over: readonly Conversation[],
) {
  const send = async (texts: readonly (readonly string[])[]) => {
    await eachLane(texts, async (lane, text) => {
      const { phone, userJid } = laneOf(over, lane);
      await phone.send(userJid, { text });
    });
  };
  const inRooms = over.map(({ user, room }) => ({ user, room }));
  return await burst(world, name, messages, over.length, { send, ...byUsers(inRooms) });
}

/** Two users and no bridge: what Synapse alone does. */
export async function burstPlain(
  world: BenchWorld,
  name: string,
  messages: number,
  rooms: readonly string[],
  [from, to]: readonly [MatrixUser, MatrixUser],
) {
  const send = async (texts: readonly (readonly string[])[]) => {
    await eachLane(texts, async (lane, text) => {
      await from.say(rooms[lane] ?? '', text);
    });
  };
  const seenBy = rooms.map((room) => ({ user: to, room }));
  return await burst(world, name, messages, rooms.length, { send, ...byUsers(seenBy) });
}

async function burst(
  world: BenchWorld,
  name: string,
  messages: number,
  lanes: number,
  way: Way,
): Promise<BurstResult> {
  const texts = Array.from({ length: lanes }, (_, lane) =>
    Array.from(
      { length: Math.ceil((messages - lane) / lanes) },
      (_text, index) => `${name} ${lane}.${index}: a line of ordinary length, as people write them.`,
    ),
  );
  const before = await bothFigures(world);
  const startedMs = performance.now();
  const arriving = texts.map((lane, index) =>
    arrive(name, lane.length, (onText) => way.watch(index, onText)),
  );
  await way.send(texts);
  const arrived = await Promise.all(arriving);
  const after = await bothFigures(world);
  return {
    messages,
    tookMs: Math.max(...arrived.map(({ lastMs }) => lastMs)) - startedMs,
    lost: messages - arrived.reduce((sum, lane) => sum + new Set(lane.texts).size, 0),
    inOrder: texts.every((lane, index) => lane.join('\n') === arrived[index]?.texts.join('\n')),
    bridge: {
      cpuMs: after.bridge.cpuMs - before.bridge.cpuMs,
      writtenBytes: after.bridge.writtenBytes - before.bridge.writtenBytes,
    },
    synapse: { cpuMs: after.synapse.cpuMs - before.synapse.cpuMs },
  };
}

/** Collects the texts of this burst. @returns them, once there are as many as were sent or the deadline has passed. */
async function arrive(
  name: string,
  count: number,
  watch: (onText: (text: string) => void) => () => void,
): Promise<{ texts: readonly string[]; lastMs: number }> {
  const texts: string[] = [];
  let lastMs = performance.now();
  let unwatch = () => undefined as unknown;
  const complete = new Promise<void>((resolve) => {
    unwatch = watch((text) => {
      if (!text.startsWith(`${name} `)) return;
      texts.push(text);
      lastMs = performance.now();
      if (texts.length === count) resolve();
    });
  });
  const giveUp = new AbortController();
  // What is missing then is told as lost.
  await Promise.race([complete, systemClock.sleep(DEADLINE_MS, giveUp.signal).catch(() => undefined)]);
  giveUp.abort();
  unwatch();
  return { texts, lastMs };
}

async function bothFigures(world: BenchWorld): Promise<{ bridge: ProcessFigures; synapse: ProcessFigures }> {
  return { bridge: await world.bridgeFigures(), synapse: await world.synapseFigures() };
}

/** One message after the other within a lane, all lanes at once. */
async function eachLane(
  texts: readonly (readonly string[])[],
  send: (lane: number, text: string) => Promise<void>,
): Promise<void> {
  await Promise.all(
    texts.map(async (lane, index) => {
      for (const text of lane) await send(index, text);
    }),
  );
}

function onPhones(over: readonly Conversation[]): Pick<Way, 'watch'> {
  return {
    watch: (lane, onText) =>
      laneOf(over, lane).phone.events.watch((event) => {
        if (event.kind === 'message') onText(event.message.content.text?.body ?? '');
      }),
  };
}

function byUsers(lanes: readonly Readonly<{ user: MatrixUser; room: string }>[]): Pick<Way, 'watch'> {
  return {
    watch: (lane, onText) => {
      const { user, room } = laneOf(lanes, lane);
      return user.log.watch((message) => {
        if (message.room === room) onText(message.body);
      });
    },
  };
}

function laneOf<Lane>(lanes: readonly Lane[], index: number): Lane {
  const lane = lanes[index];
  if (lane === undefined) throw new RangeError(`there is no lane ${index}`);
  return lane;
}

function asEvent({ user, room }: Conversation, body: string) {
  return {
    type: 'm.room.message',
    room_id: room,
    sender: user.userId,
    event_id: `$${createHash('sha256').update(body).digest('base64url')}`,
    origin_server_ts: Date.now(),
    content: { msgtype: 'm.text', body },
  };
}
