/**
 * How much later a message arrives because of the bridge. One message is under way at a time. The bridge's share is taken
 * at its edges, where relays note when bytes pass (tap.ts); beside it stand, message by message in turn, what Synapse
 * alone takes between two of its users, and Prosody alone between two phones.
 */
import { performance } from 'node:perf_hooks';
import type { Phone } from '../../src/sandbox/phone/phone.ts';
import { BenchWorld, type Conversation, type Taps } from './bench-world.ts';
import type { MatrixUser } from './matrix-user.ts';
import type { BenchOptions } from './options.ts';
import { digits, formatTable, ms, percentile } from './statistics.ts';
import type { Chunk } from './tap.ts';

/** A stanza with an envelope under TLS is larger than this; a request for an acknowledgement, and its answer, are not. */
const ENVELOPE_BYTES = 500;
/** A receipt has no envelope, but more in it than an acknowledgement. */
const RECEIPT_BYTES = 150;
/** Receipts and acknowledgements of one message are over before the next one begins. */
const PAUSE_MS = 30;
const WARM_UP = 20;

type Outbound = { total: number; before: number; bridge: number; answered: number; after: number };
type Inbound = { total: number; before: number; bridge: number; homeserver: number; receipt: number };

export async function measureLatency(options: BenchOptions): Promise<string> {
  const world = await BenchWorld.start(options, { tapped: true });
  try {
    const stage = await setStage(world);
    const outbound: Outbound[] = [];
    const inbound: Inbound[] = [];
    const synapse: number[] = [];
    const prosody: number[] = [];
    for (let turn = 0; turn < WARM_UP + options.messages; turn += 1) {
      const counts = turn >= WARM_UP;
      if (turn === WARM_UP) await stage.own.begin();
      const out = await stage.outbound(turn);
      const plain = await stage.synapse(turn);
      const back = await stage.inbound(turn);
      const phones = await stage.prosody(turn);
      if (!counts) continue;
      outbound.push(out);
      inbound.push(back);
      synapse.push(plain);
      prosody.push(phones);
    }
    return report(options, { outbound, inbound, synapse, prosody }, await stage.own.end());
  } finally {
    await world.stop();
  }
}

async function setStage(world: BenchWorld) {
  const { taps } = world;
  if (taps === undefined) throw new Error('the world has no taps');
  const alice = await world.addUser('alice');
  const dave = await world.addUser('dave');
  const conversation = await world.converse(alice, await world.optIn(alice), 1);
  const carol = await world.addPhone(2);
  const plainRoom = await alice.createRoom(dave.userId, false);
  return {
    outbound: async (turn: number) => await sendOut(conversation, taps, textOf('out', turn)),
    inbound: async (turn: number) => await sendIn(conversation, taps, textOf('in', turn)),
    synapse: async (turn: number) => await sendPlain(alice, plainRoom, dave, textOf('plain', turn)),
    prosody: async (turn: number) => await sendToPhone(conversation.phone, carol, textOf('phones', turn)),
    own: ownFigures(world),
  };
}

async function sendOut({ user, room, phone }: Conversation, taps: Taps, text: string): Promise<Outbound> {
  await pause();
  for (const tap of [taps.appservice, taps.stream]) tap.record();
  const seen = shownOn(phone, text);
  const sentMs = performance.now();
  await user.say(room, text);
  const seenMs = await seen;
  const arrived = taps.appservice.find((chunk) => chunk.from === 'client' && chunk.data.includes(text));
  const arrivedMs = at(arrived, 'transaction');
  const handedMs = at(
    taps.stream.find((chunk) => isStanza(chunk, 'client', ENVELOPE_BYTES) && chunk.atMs > arrivedMs),
    'stanza',
  );
  const answered = arrived && taps.appservice.answerTo(arrived);
  return {
    total: seenMs - sentMs,
    before: arrivedMs - sentMs,
    bridge: handedMs - arrivedMs,
    answered: at(answered, 'answer to the transaction') - arrivedMs,
    after: seenMs - handedMs,
  };
}

async function sendIn(conversation: Conversation, taps: Taps, text: string): Promise<Inbound> {
  const { user, room, phone, userJid } = conversation;
  await pause();
  for (const tap of [taps.homeserver, taps.stream]) tap.record();
  const receipts = phone.receipts.length;
  const sentMs = performance.now();
  await phone.send(userJid, { text });
  const { atMs: seenMs } = await user.see((message) => message.room === room && message.body === text);
  if (phone.receipts.length <= receipts)
    await phone.events.waitFor(() => phone.receipts.length > receipts, 60_000);
  const arrivedMs = at(
    taps.stream.find((chunk) => isStanza(chunk, 'server', ENVELOPE_BYTES)),
    'stanza',
  );
  const request = taps.homeserver.find((chunk) => chunk.from === 'client' && chunk.data.includes(text));
  const requestMs = at(request, 'request to the homeserver');
  const answeredMs = at(request && taps.homeserver.answerTo(request), 'answer of the homeserver');
  const receiptMs = at(
    taps.stream.find((chunk) => isStanza(chunk, 'client', RECEIPT_BYTES) && chunk.atMs > answeredMs),
    'receipt',
  );
  return {
    total: seenMs - sentMs,
    before: arrivedMs - sentMs,
    bridge: requestMs - arrivedMs,
    homeserver: answeredMs - requestMs,
    receipt: receiptMs - answeredMs,
  };
}

async function sendPlain(from: MatrixUser, room: string, to: MatrixUser, text: string): Promise<number> {
  await pause();
  const sentMs = performance.now();
  const seen = to.see((message) => message.room === room && message.body === text);
  await from.say(room, text);
  return (await seen).atMs - sentMs;
}

async function sendToPhone(from: Phone, to: Phone, text: string): Promise<number> {
  await pause();
  const seen = shownOn(to, text);
  const sentMs = performance.now();
  await from.send(to.jid, { text });
  return (await seen) - sentMs;
}

/** @returns when the phone shows it, by `performance.now()`. */
async function shownOn(phone: Phone, text: string): Promise<number> {
  let atMs = Number.NaN;
  await phone.events.waitFor((event) => {
    if (event.kind !== 'message' || event.message.content.text?.body !== text) return false;
    atMs = performance.now();
    return true;
  }, 60_000);
  return atMs;
}

/** The bridge's own histograms over the same messages, as a cross-check. */
function ownFigures(world: BenchWorld) {
  const names = ['matrix_request_seconds', 'remote_request_seconds'] as const;
  const outcomes = { matrix_request_seconds: 'queued', remote_request_seconds: 'delivered' };
  const read = async () =>
    await Promise.all(
      names.map(async (name) => {
        const labels = `{outcome="${outcomes[name]}"}`;
        return {
          sum: await world.metric(`${name}_sum${labels}`),
          count: await world.metric(`${name}_count${labels}`),
        };
      }),
    );
  let before: Awaited<ReturnType<typeof read>> = [];
  return {
    begin: async () => {
      before = await read();
    },
    /** @returns the mean of each, in milliseconds. */
    end: async () => {
      const after = await read();
      const means = after.map(({ sum, count }, index) => {
        const first = before[index] ?? { sum: 0, count: 0 };
        return ((sum - first.sum) / (count - first.count)) * 1_000;
      });
      return { matrixMs: means[0] ?? Number.NaN, remoteMs: means[1] ?? Number.NaN };
    },
  };
}

type Samples = Readonly<{ outbound: Outbound[]; inbound: Inbound[]; synapse: number[]; prosody: number[] }>;

function report(
  options: BenchOptions,
  { outbound, inbound, synapse, prosody }: Samples,
  own: Readonly<{ matrixMs: number; remoteMs: number }>,
): string {
  const ofSynapse = percentile(synapse, 0.5);
  const row = (what: string, samples: readonly number[]) => {
    const [p50, p99] = [percentile(samples, 0.5), percentile(samples, 0.99)];
    return [what, ms(p50), ms(p99), digits(p50 / ofSynapse)];
  };
  const out = (name: keyof Outbound) => outbound.map((sample) => sample[name]);
  const back = (name: keyof Inbound) => inbound.map((sample) => sample[name]);
  const rest = (total: readonly number[]) =>
    ms(percentile(total, 0.5) - percentile(synapse, 0.5) - percentile(prosody, 0.5));
  const steps = formatTable({
    title: `Latency, ${options.database}, ${options.messages} messages each way, one at a time`,
    head: ['step', 'p50', 'p99', 'p50 / Synapse alone'],
    rows: [
      row('Synapse alone: one user sends, another sees', synapse),
      row('Prosody alone: one phone sends, another shows', prosody),
      row('outbound, whole: user sends, phone shows', out('total')),
      row('  Synapse: send to transaction at the bridge', out('before')),
      row('  **bridge: transaction to stanza on the wire**', out('bridge')),
      row('  (bridge: transaction to its 200)', out('answered')),
      row('  Prosody and phone: stanza to shown', out('after')),
      row('inbound, whole: phone sends, user sees', back('total')),
      row('  phone and Prosody: send to stanza at the bridge', back('before')),
      row('  **bridge: stanza to request to Synapse**', back('bridge')),
      row('  Synapse: request to answer', back('homeserver')),
      row('  bridge: answer to receipt on the wire', back('receipt')),
    ],
  });
  const checks = formatTable({
    title: 'Cross-checks',
    head: ['figure', 'outbound', 'inbound'],
    rows: [
      ['whole − Synapse alone − Prosody alone, of the p50', rest(out('total')), rest(back('total'))],
      [
        'the bridge’s own histogram, mean (to the outbox; to the settled row)',
        ms(own.matrixMs),
        ms(own.remoteMs),
      ],
    ],
  });
  return steps + checks;
}

function isStanza(chunk: Chunk, from: Chunk['from'], bytes: number): boolean {
  return chunk.from === from && chunk.data.length >= bytes;
}

function at(chunk: Chunk | undefined, what: string): number {
  if (chunk === undefined) throw new Error(`no ${what} passed the relay`);
  return chunk.atMs;
}

/** As long as a short message is. */
function textOf(kind: string, turn: number): string {
  return `${kind} ${turn}: a line of ordinary length, as people write them.`;
}

async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
