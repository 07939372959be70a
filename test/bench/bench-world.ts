/** The sandbox's world for a measurement: real Synapse, Prosody and bridge, thin people, and taps where asked for. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { env } from 'node:process';
import { systemClock } from '../../src/ambient/clock.ts';
import { createLog } from '../../src/ambient/log.ts';
import { systemRandom } from '../../src/ambient/random.ts';
import type { Phone } from '../../src/sandbox/phone/phone.ts';
import { type Postgres, startPostgres } from '../../src/sandbox/postgres/postgres.ts';
import { openToolbox, type Toolbox, toolsFolder } from '../../src/sandbox/toolbox/toolbox.ts';
import { startWorld, type World } from '../../src/sandbox/world.ts';
import { MatrixUser } from './matrix-user.ts';
import type { BenchOptions } from './options.ts';
import { type ProcessFigures, readFigures } from './process-figures.ts';
import { Tap } from './tap.ts';

/** A chat between a Matrix user and a phone. */
export type Conversation = Readonly<{ user: MatrixUser; room: string; phone: Phone; userJid: string }>;

/** `appservice`: Synapse to bridge; `homeserver`: bridge to Synapse; `stream`: bridge to Prosody, under TLS. */
export type Taps = Readonly<{ appservice: Tap; homeserver: Tap; stream: Tap }>;

const LONG_MS = 120_000;

export class BenchWorld {
  readonly #world: World;
  readonly #postgres: Postgres | undefined;
  readonly #folder: string;
  readonly #relays: readonly Tap[];
  readonly #users: MatrixUser[] = [];
  readonly taps: Taps | undefined;

  private constructor(parts: {
    world: World;
    postgres: Postgres | undefined;
    folder: string;
    taps: Taps | undefined;
    relays: readonly Tap[];
  }) {
    this.#world = parts.world;
    this.#postgres = parts.postgres;
    this.#folder = parts.folder;
    this.#relays = parts.relays;
    this.taps = parts.taps;
  }

  static async start(options: BenchOptions, { tapped = false } = {}): Promise<BenchWorld> {
    const toolbox = benchToolbox(options.profileDir);
    const folder = await benchFolder(toolbox);
    const ends: (() => Promise<void>)[] = [async () => await rm(folder, { recursive: true, force: true })];
    try {
      const dir = join(folder, 'world');
      const postgres =
        options.database === 'postgres' ? await startPostgres({ toolbox, dir: folder }) : undefined;
      if (postgres !== undefined) ends.push(async () => await postgres.stop());
      const relays = tapped ? await openRelays(dir) : undefined;
      if (relays !== undefined) ends.push(async () => await relays.close());
      const world = await startWorld({
        toolbox,
        clock: systemClock,
        random: systemRandom,
        log: createLog({ level: 'error', format: 'pretty', contactIds: 'plain' }),
        dir,
        ...(postgres === undefined
          ? {}
          : { database: { postgres: await postgres.createDatabase('drawbridge') } }),
        extra: {
          // As in production: the sandbox's own level writes a line a step.
          logging: { level: 'info' },
          ...(relays === undefined
            ? {}
            : { appservice: { address: `http://127.0.0.1:${relays.taps.appservice.port}` } }),
        },
      });
      ends.push(async () => await world.stop());
      if (relays !== undefined) await relays.lead(world);
      const taps = relays?.taps;
      return new BenchWorld({ world, postgres, folder, taps, relays: relays?.all ?? [] });
    } catch (failure) {
      for (const end of ends.reverse()) await end();
      throw failure;
    }
  }

  get postgres(): Postgres | undefined {
    return this.#postgres;
  }

  async bridgeFigures(): Promise<ProcessFigures> {
    const { pid } = this.#world.bridge;
    if (pid === undefined) throw new Error('the bridge does not run');
    return await readFigures(pid);
  }

  async synapseFigures(): Promise<ProcessFigures> {
    return await readFigures(this.#world.synapse.pid);
  }

  async metricsPage(): Promise<string> {
    return await (await fetch(`${this.#world.bridge.healthUrl}/metrics`)).text();
  }

  /** One sample line of the bridge's own metrics. @returns 0 for a line that is not there. */
  async metric(sample: string): Promise<number> {
    const page = await this.metricsPage();
    const line = page.split('\n').find((text) => text.startsWith(`${sample} `));
    return Number(line?.slice(sample.length + 1) ?? 0);
  }

  async addUser(localpart: string): Promise<MatrixUser> {
    const user = await MatrixUser.arrive(this.#world.synapse, localpart, systemClock);
    this.#users.push(user);
    return user;
  }

  /** The way every user goes: the bot's notice, the yes, the answer. @returns the room with the bot, and the user's JID. */
  async optIn(user: MatrixUser): Promise<{ management: string; jid: string }> {
    const bot = this.#world.botUserId;
    const from = (start: string) => (message: { sender: string; body: string }) =>
      message.sender === bot && message.body.startsWith(start);
    const management = await user.createRoom(bot, true);
    await user.see(from('Hello.'), LONG_MS);
    await user.say(management, 'opt-in');
    const notice = await user.see(from('Before you connect'), LONG_MS);
    await user.react(management, notice.eventId, '👍');
    const { body } = await user.see(from('You are connected'), LONG_MS);
    const interopId = /Your id there is (\S+)\. /.exec(body)?.[1] ?? '';
    return { management, jid: `${interopId}@${this.#world.gatekeeper.domain}` };
  }

  /** A contact with its app. @param number 0 to 9999; distinct. */
  async addPhone(number: number): Promise<Phone> {
    const digits = String(number).padStart(4, '0');
    return await this.#world.gatekeeper.addPhone({ name: `Phone${digits}`, phone: `+4930901${digits}` });
  }

  /** Opens the portal and lets a message cross each way, so that the session is confirmed and the notices are out. */
  async converse(
    user: MatrixUser,
    { management, jid }: { management: string; jid: string },
    number: number,
  ): Promise<Conversation> {
    const phone = await this.addPhone(number);
    const digits = String(number).padStart(4, '0');
    await user.say(management, `start-chat +4930901${digits}`);
    const { room } = await user.see(
      ({ body }) => body.startsWith(`This room is a chat with ${phone.name}`),
      LONG_MS,
    );
    await user.say(room, 'warm-up out');
    await phone.events.waitFor(
      (event) => event.kind === 'message' && event.message.content.text?.body === 'warm-up out',
      LONG_MS,
    );
    await phone.send(jid, { text: 'warm-up in' });
    await user.see((message) => message.room === room && message.body === 'warm-up in', LONG_MS);
    await user.say(room, 'warm-up again');
    await phone.events.waitFor(
      (event) => event.kind === 'message' && event.message.content.text?.body === 'warm-up again',
      LONG_MS,
    );
    return { user, room, phone, userJid: jid };
  }

  /** Stops and starts the bridge; resolves when this many links are online again. */
  async restartBridge(links: number): Promise<void> {
    await this.#world.bridge.stop();
    await this.#world.bridge.start();
    const deadlineMs = systemClock.nowMs() + LONG_MS;
    const online = async () => await this.metric('drawbridge_links{network="gk",status="online"}');
    while ((await online()) < links) {
      if (systemClock.nowMs() > deadlineMs)
        throw new Error(`${await online()} of ${links} links came online`);
      await systemClock.sleep(200);
    }
  }

  /** Hands events to the bridge as one transaction of the homeserver's, which knows nothing of it. */
  async pushTransaction(txn: string, events: readonly unknown[]): Promise<void> {
    const response = await fetch(`${this.#world.appserviceUrl}/_matrix/app/v1/transactions/${txn}`, {
      method: 'PUT',
      headers: {
        authorization: `Bearer ${this.#world.secrets.hsToken}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ events }),
    });
    if (!response.ok) throw new Error(`the bridge answered ${response.status} to a transaction`);
  }

  async stop(): Promise<void> {
    for (const user of this.#users) await user.leave();
    await this.#world.stop();
    for (const relay of this.#relays) await relay.close();
    await this.#postgres?.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export function benchToolbox(profileDir?: string): Toolbox {
  const options = profileDir === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileDir}` };
  return openToolbox({
    folder: toolsFolder(env),
    env: { ...env, ...options },
    progress: (line) => process.stderr.write(`  ${line}\n`),
  });
}

/** Beside the tools and not in the temporary folder, which may be memory: fsync would cost nothing there. */
export async function benchFolder(toolbox: Toolbox): Promise<string> {
  await mkdir(toolbox.folder, { recursive: true });
  return await mkdtemp(join(toolbox.folder, 'bench-'));
}

/** The relays, and what has to be written into the bridge's configuration so that it goes through them. */
async function openRelays(dir: string) {
  const keptPort = async (name: 'homeserver' | 'appservice') => {
    const kept = JSON.parse(await readFile(join(dir, 'world.json'), 'utf8')) as {
      ports: Record<string, number>;
    };
    return kept.ports[name] ?? 0;
  };
  let world: World | undefined;
  const started = () => {
    if (world === undefined) throw new Error('the world has not started');
    return world;
  };
  const appservice = await Tap.open({ target: async () => await keptPort('appservice') });
  const homeserver = await Tap.open({ target: async () => await keptPort('homeserver') });
  const stream = await Tap.open({ target: async () => started().gatekeeper.prosody.c2sDirectTlsPort });
  // The enlistment tells the bridge where the stream is: this one tells it our relay instead.
  const api = await Tap.open({
    target: async () => Number(new URL(started().gatekeeper.apiUrl).port),
    rewrite: (data) => otherPort(data, started().gatekeeper.prosody.c2sDirectTlsPort, stream.port),
  });
  const all = [appservice, homeserver, stream, api];
  return {
    taps: { appservice, homeserver, stream },
    all,
    close: async () => {
      for (const relay of all) await relay.close();
    },
    lead: async (running: World) => {
      world = running;
      const { configFile } = running.bridge;
      const config = await readFile(configFile, 'utf8');
      const led = config
        .replace(`api_url: ${running.gatekeeper.apiUrl}`, `api_url: http://127.0.0.1:${api.port}`)
        .replace(`address: ${running.synapse.baseUrl}`, `address: http://127.0.0.1:${homeserver.port}`);
      await writeFile(configFile, led);
      await running.bridge.stop();
      await running.bridge.start();
    },
  };
}

function otherPort(data: Buffer, from: number, to: number): Buffer {
  if (String(from).length !== String(to).length) throw new Error('the two ports differ in length');
  return Buffer.from(data.toString('latin1').replace(`"port":${from}`, `"port":${to}`), 'latin1');
}
