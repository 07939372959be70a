/**
 * Much at once, on the real parts: a contact who does not stop while the homeserver is away, and an hour's worth of traffic
 * while the bridge is. Each case throws unless all came once and in order, and gives what it cost.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import type { Phone } from '../../src/sandbox/phone/phone.ts';
import { readFigures } from '../bench/process-figures.ts';
import { type BridgeWorld, numbered, textsOf } from '../integration/bridge-world.ts';

/** A chat of Alice with Bob in which both have spoken: from then on no message begins a session. */
export type Chat = Readonly<{ bridge: BridgeWorld; room: string; alice: string }>;

/** No message takes longer than this, together with those before it. */
const MS_EACH = 500;
const PATIENCE_MS = 120_000;
/** A poll of thousands of messages must not take the processor from those who carry them. */
const POLL_MS = 250;
/** What a phone sends without an acknowledgement: more would only wait in the library. */
const WINDOW = 200;
/** Messages before anything is measured: a process that has just begun grows whatever happens. */
const WARM_UP = 100;

export async function openChat(bridge: BridgeWorld): Promise<Chat> {
  const room = await bridge.startChat('bob');
  const alice = await bridge.aliceJid();
  await bridge.alice.say(room, 'hello');
  await bridge.until(() => textsOf(bridge.bob).length === 1, 'Bob is greeted');
  await bridge.bob.send(alice, { text: 'hello' });
  await bridge.roomShows(room, ['hello']);
  const chat = { bridge, room, alice };
  const warmUp = numbered('warm up', WARM_UP);
  await sendAll(bridge.bob, alice, warmUp);
  await roomShowsAll(chat, 1, warmUp);
  return chat;
}

/** Sets `networks.gk.limits` and starts the bridge anew. */
export async function setLimits(
  bridge: BridgeWorld,
  limits: Readonly<Record<string, number>>,
): Promise<void> {
  const { configFile } = bridge.world.bridge;
  await bridge.world.bridge.stop();
  const tree = parse(await readFile(configFile, 'utf8')) as { networks: { gk: object } };
  tree.networks.gk = { ...tree.networks.gk, limits };
  await writeFile(configFile, stringify(tree));
  await bridge.world.bridge.start();
}

export type FloodFigures = Readonly<{
  /** Of the daemon, at the most, over what it had before. */
  rssGrowthBytes: number;
  /** From the homeserver's return until all were in the room. */
  drainMs: number;
  perSecond: number;
}>;

/** Bob sends `count` messages while the homeserver is away; it comes back only when the account's stream is held. */
export async function floodWhileHomeserverIsAway(chat: Chat, count: number): Promise<FloodFigures> {
  const { bridge, room, alice } = chat;
  const { pid } = bridge.world.bridge;
  assert.ok(pid !== undefined);
  const shownBefore = bridge.seenTexts(room).length;
  await bridge.world.synapse.stop();
  const { rssBytes: before } = await readFigures(pid);
  const peak = watchRss(pid);
  const texts = numbered('flood', count);
  await sendAll(bridge.bob, alice, texts);
  await bridge.until(
    async () => (await metric(bridge, 'drawbridge_held_accounts')) === 1,
    'the stream is held',
    PATIENCE_MS,
  );
  const rssGrowthBytes = (await peak.stop()) - before;
  const startedAt = performance.now();
  await bridge.world.synapse.restart();
  await roomShowsAll(chat, shownBefore, texts);
  const drainMs = performance.now() - startedAt;
  assert.equal(await metric(bridge, 'drawbridge_held_accounts'), 0);
  assert.deepEqual(bridge.bob.events.of('retry-asked'), []);
  return { rssGrowthBytes, drainMs, perSecond: (count / drainMs) * 1_000 };
}

export type AwayFigures = Readonly<{ inboundPerSecond: number; outboundPerSecond: number }>;

/** Both sides send `each` messages while the bridge is stopped and its session with the network is lost. */
export async function trafficWhileBridgeIsAway(chat: Chat, each: number): Promise<AwayFigures> {
  const { bridge, room, alice } = chat;
  const [shownBefore, phoneBefore] = [bridge.seenTexts(room).length, textsOf(bridge.bob).length];
  await bridge.world.bridge.stop();
  // Nobody will resume the bridge's session: what contacts send is in the archive only.
  await bridge.bob.goOffline();
  await bridge.world.gatekeeper.prosody.restart();
  const isBack = async () =>
    await bridge.bob.goOnline().then(
      () => true,
      () => false,
    );
  await bridge.until(isBack, 'Bob is back', PATIENCE_MS);
  const [fromBob, toBob] = [numbered('away, from', each), numbered('away, to', each)];
  const say = async () => {
    for (const body of toBob) await bridge.alice.say(room, body);
  };
  await Promise.all([sendAll(bridge.bob, alice, fromBob), say()]);
  const linesBefore = (await bridge.bridgeLog()).length;
  const startedAt = performance.now();
  await bridge.world.bridge.start();
  const took = async (arrived: Promise<void>) => {
    await arrived;
    return (each / (performance.now() - startedAt)) * 1_000;
  };
  const [inboundPerSecond, outboundPerSecond] = await Promise.all([
    took(roomShowsAll(chat, shownBefore, fromBob)),
    took(phoneShowsAll(chat, phoneBefore, toBob)),
  ]);
  const lines = (await bridge.bridgeLog()).slice(linesBefore);
  const streams = lines.filter(({ msg }) => /^(stream|archive|inbox) /.test(String(msg)));
  const archived = lines.findLast(({ msg }) => msg === 'archive caught up');
  assert.ok(Number(archived?.results) >= each, `the archive brought them: ${JSON.stringify(streams)}`);
  assert.deepEqual(bridge.bob.events.of('undecryptable'), []);
  return { inboundPerSecond, outboundPerSecond };
}

/** No faster than the server takes them; resolves when it has them all. */
async function sendAll(phone: Phone, to: string, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    while (phone.unacknowledged >= WINDOW) await pause(10);
    await phone.send(to, { text });
  }
  while (phone.unacknowledged > 0) await pause(10);
}

async function roomShowsAll({ bridge, room }: Chat, before: number, texts: readonly string[]): Promise<void> {
  await settled(bridge, () => bridge.seenTexts(room).length - before >= texts.length, texts.length);
  assert.deepEqual(bridge.seenTexts(room).slice(before), texts);
}

async function phoneShowsAll({ bridge }: Chat, before: number, texts: readonly string[]): Promise<void> {
  await settled(bridge, () => textsOf(bridge.bob).length - before >= texts.length, texts.length);
  assert.deepEqual(textsOf(bridge.bob).slice(before), texts);
}

async function settled(bridge: BridgeWorld, isSo: () => boolean, count: number): Promise<void> {
  const slowly = async () => isSo() || (await pause(POLL_MS, false));
  await bridge.until(slowly, `${count} messages have crossed`, PATIENCE_MS + count * MS_EACH);
}

/** The value of a metric with one label. */
async function metric(bridge: BridgeWorld, name: string): Promise<number> {
  const response = await fetch(`${bridge.world.bridge.healthUrl}/metrics`);
  return Number(new RegExp(`^${name}\\{.*\\} (\\d+)`, 'm').exec(await response.text())?.[1]);
}

/** Looks at a process again and again. @returns `stop` gives the most that was seen. */
function watchRss(pid: number): { stop: () => Promise<number> } {
  let most = 0;
  let isOver = false;
  const look = async () => {
    while (!isOver) {
      most = Math.max(most, (await readFigures(pid)).rssBytes);
      await pause(100);
    }
  };
  const looking = look();
  return {
    stop: async () => {
      isOver = true;
      await looking;
      return most;
    },
  };
}
