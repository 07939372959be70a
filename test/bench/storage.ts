/**
 * The two steps that decide what a database must bear: encrypting with the stanza put into the outbox, and decrypting with
 * the plaintext journalled, each one transaction, durable (fsync) when it ends. They are run as the core runs them, without
 * anything around them.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import {
  contactId,
  eventId,
  messageId,
  type PortalId,
  portalId,
  roomId,
  stanzaId,
} from '../../src/model/ids.ts';
import type { SignalMessage } from '../../src/model/prekeys.ts';
import { startPostgres } from '../../src/sandbox/postgres/postgres.ts';
import type { SignalService } from '../../src/signal/signal.ts';
import type { DatabaseSettings, Tx } from '../../src/storage/storage.ts';
import type { SignalPeer } from '../suites/signal-peer.ts';
import { SignalWorld } from '../suites/signal-world.ts';
import { benchFolder, benchToolbox } from './bench-world.ts';
import { readWalBytes } from './database-figures.ts';
import type { BenchOptions } from './options.ts';
import { readFigures } from './process-figures.ts';
import { formatTable, kib, ms, percentile, perSecond } from './statistics.ts';

/** A short text, padded (interop profile §6). */
const PLAINTEXT = 'x'.repeat(160);
const AT_ONCE = 8;

type Row = readonly string[];

export async function measureStorage(options: BenchOptions): Promise<string> {
  const toolbox = benchToolbox();
  const folder = await benchFolder(toolbox);
  const disk = await probeDisk(folder, options.steps);
  const rows: Row[] = [];
  try {
    const postgres =
      options.database === 'postgres' ? await startPostgres({ toolbox, dir: folder }) : undefined;
    try {
      const settings: DatabaseSettings =
        postgres === undefined
          ? { type: 'sqlite', file: join(folder, 'bench.db') }
          : { type: 'postgres', url: await postgres.createDatabase('drawbridge'), maxConnections: 10 };
      const url = postgres?.url('drawbridge');
      rows.push(...(await measureSteps(options, settings, async () => await readWritten(url))));
    } finally {
      await postgres?.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return formatTable({
    title: `Storage steps, ${options.database}; one small write with fdatasync takes ${ms(percentile(disk, 0.5))} here (p99 ${ms(percentile(disk, 0.99))})`,
    head: ['step', 'a second', 'transactions', 'p50', 'p99', 'statements of the ratchet’s', 'written'],
    rows,
  });
}

async function measureSteps(
  options: BenchOptions,
  settings: DatabaseSettings,
  readBytes: () => Promise<number>,
): Promise<Row[]> {
  const world = await SignalWorld.create(async () => ({ settings, drop: async () => undefined }));
  try {
    const rows: Row[] = [await ratchetAlone(world, options.steps)];
    for (const width of [1, AT_ONCE]) {
      const peers: SignalPeer[] = [];
      for (let index = 0; index < width; index += 1) {
        const peer = world.peer(contactId(`peer${width}-${index}@gk.example`));
        await world.talk(peer);
        peers.push(peer);
      }
      const steps = [
        { name: 'encrypt', transactions: 2, prepare: prepareOut },
        { name: 'decrypt', transactions: 3, prepare: prepareIn },
      ];
      for (const { name, transactions, prepare } of steps) {
        // More than what is measured: the first runs compile.
        const lanes = await Promise.all(
          peers.map(async (peer) => await prepare(world, peer, Math.ceil(options.steps / width) + WARM_UP)),
        );
        const [rate = '', ...figures] = await measureLanes(world, lanes, readBytes);
        rows.push([`${name}, ${width} at once`, rate, String(transactions), ...figures]);
      }
    }
    return rows;
  } finally {
    await world.storage.close();
  }
}

const WARM_UP = 10;

/** One step of a lane, through this service. */
type Step = (signal: SignalService) => Promise<void>;

async function measureLanes(
  world: SignalWorld,
  lanes: readonly (readonly Step[])[],
  readBytes: () => Promise<number>,
): Promise<Row> {
  for (const lane of lanes) for (const step of lane.slice(0, WARM_UP - 1)) await step(world.signal);
  const statements = await countStatements(world, lanes[0]?.[WARM_UP - 1]);
  for (const lane of lanes.slice(1)) await lane[WARM_UP - 1]?.(world.signal);
  const durations: number[] = [];
  const bytesBefore = await readBytes();
  const startedMs = performance.now();
  await Promise.all(
    lanes.map(async (lane) => {
      for (const step of lane.slice(WARM_UP)) {
        const beganMs = performance.now();
        await step(world.signal);
        durations.push(performance.now() - beganMs);
      }
    }),
  );
  const tookMs = performance.now() - startedMs;
  const written = ((await readBytes()) - bytesBefore) / durations.length;
  return [
    perSecond(durations.length, tookMs),
    ms(percentile(durations, 0.5)),
    ms(percentile(durations, 0.99)),
    String(statements),
    kib(written),
  ];
}

/** Statements of one step: BEGIN, COMMIT and savepoints too. */
async function countStatements(world: SignalWorld, step: Step | undefined): Promise<number> {
  const { database } = world.storage;
  // BEGIN is over when the transaction is handed to us.
  let count = 1;
  const counting = world.anotherService({
    database: {
      type: database.type,
      transaction: async <T>(work: (tx: Tx) => Promise<T>) =>
        await database.transaction(async (tx) => {
          tx.on('query', () => {
            count += 1;
          });
          return await work(tx);
        }),
    },
  });
  await step?.(counting);
  return count;
}

/** Events that wait in the inbox, and what encrypts them into the outbox: `bridge/outbound.ts`. */
async function prepareOut(world: SignalWorld, peer: SignalPeer, count: number): Promise<Step[]> {
  const { storage, account } = world;
  const portal = await portalOf(world, peer);
  const room = roomId(`!${portal}:example.org`);
  const events = Array.from({ length: count }, () => eventId(`$${randomBytes(16).toString('hex')}`));
  await world.tx(async (tx) => {
    const sender = '@ada:example.org' as never;
    const arrived = events.map((event) => ({ event, room, sender, type: 'm.room.message', json: PLAINTEXT }));
    await storage.matrixInbox.insert(tx, arrived);
  });
  return events.map((event) => async (signal) => {
    const row = await world.tx(async (tx) => await storage.matrixInbox.findNext(tx, room));
    const seq = row?.seq ?? 0;
    await signal.inSession(account, peer.address, async (session) => {
      const id = messageId(randomBytes(16).toString('hex'));
      const { body } = await session.encrypt(Buffer.from(PLAINTEXT));
      const xml = `<message><envelope>${Buffer.from(body).toString('base64')}</envelope></message>`;
      const stanza = stanzaId(id);
      await storage.outbox.insert(session.tx, account, { stanza, xml, event, room });
      const record = {
        portal,
        direction: 'outbound',
        message: id,
        part: 0,
        stanza,
        event,
        sentAtMs: 1,
        isRemark: false,
      } as const;
      await storage.messages.insert(session.tx, record);
      await storage.matrixInbox.settle(session.tx, seq);
    });
  });
}

/** Stanzas that wait in the inbox, and what decrypts them: `bridge/inbound.ts`. */
async function prepareIn(world: SignalWorld, peer: SignalPeer, count: number): Promise<Step[]> {
  const { storage, account } = world;
  const lane = peer.address.contact;
  const messages: SignalMessage[] = [];
  for (let index = 0; index < count; index += 1) messages.push(await peer.encrypt(account, PLAINTEXT));
  await world.tx(async (tx) => {
    const arrived = messages.map(({ body }, index) => ({
      lane,
      id: `in-${index}`,
      digest: `${index}`,
      isError: false,
      stanza: { from: `${lane}/phone`, xml: Buffer.from(body).toString('base64'), delayedAtMs: undefined },
    }));
    await storage.networkInbox.insert(tx, account, arrived);
  });
  return messages.map((message) => async (signal) => {
    const row = await world.tx(async (tx) => await storage.networkInbox.findNext(tx, account, lane));
    if (row === undefined) throw new Error('the inbox is empty');
    await signal.inSession(account, peer.address, async (session) => {
      const plaintext = await session.decrypt(message);
      await storage.networkInbox.journal(session.tx, account, row, plaintext);
    });
    await world.tx(async (tx) => await storage.networkInbox.settle(tx, row.seq));
  });
}

async function portalOf(world: SignalWorld, peer: SignalPeer): Promise<PortalId> {
  const { storage, account } = world;
  const portal = await world.tx(
    async (tx) => await storage.portals.findOrInsert(tx, account.id, peer.address.contact),
  );
  return portalId(portal.id);
}

/** libsignal over stores in memory: what the ratchet itself costs. */
async function ratchetAlone(world: SignalWorld, steps: number): Promise<Row> {
  const [one, other] = [world.peer(), world.peer(contactId('carol@gk.example'))];
  const own = { jid: one.address.contact, device: one.address.device };
  const to = { jid: other.address.contact, device: other.address.device };
  const { prekey, kyberPrekey, ...rest } = other.bundle();
  const prekeys = prekey === undefined ? [] : [prekey];
  await one.start(to, { ...rest, prekeys, kyberPrekeys: [], kyberLastResort: kyberPrekey }, { prekey: 0 });
  await other.decrypt(own, await one.encrypt(to, 'hello'));
  await one.decrypt(to, await other.encrypt(own, 'hello to you'));
  const durations: number[] = [];
  const startedMs = performance.now();
  for (let index = 0; index < steps; index += 1) {
    const beganMs = performance.now();
    await one.encrypt(to, PLAINTEXT);
    durations.push(performance.now() - beganMs);
  }
  const rate = perSecond(steps, performance.now() - startedMs);
  const [p50, p99] = [percentile(durations, 0.5), percentile(durations, 0.99)];
  return ['the ratchet alone, in memory', rate, '0', ms(p50), ms(p99), '0', '–'];
}

/** How long the disk takes to make one small write durable. @returns milliseconds. */
async function probeDisk(folder: string, count: number): Promise<number[]> {
  await mkdir(folder, { recursive: true });
  const file = await open(join(folder, 'probe'), 'w');
  const durations: number[] = [];
  const page = randomBytes(4_096);
  try {
    for (let index = 0; index < count; index += 1) {
      const beganMs = performance.now();
      await file.write(page);
      await file.datasync();
      durations.push(performance.now() - beganMs);
    }
  } finally {
    await file.close();
  }
  return durations;
}

/** Bytes that the database has had written: by this process, which holds SQLite, or to PostgreSQL's log. */
async function readWritten(postgresUrl: string | undefined): Promise<number> {
  if (postgresUrl !== undefined) return await readWalBytes(postgresUrl);
  return (await readFigures(process.pid)).writtenBytes;
}
