/**
 * A whole bridge for a test file: Synapse, the reference gatekeeper, the daemon, Alice with a Matrix client, contacts with
 * phones. When it stops, the database must be consistent.
 */
import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { systemClock } from '../../src/ambient/clock.ts';
import { systemRandom } from '../../src/ambient/random.ts';
import type { PhoneEnrolment } from '../../src/sandbox/gatekeeper/registry.ts';
import { MatrixPerson, type PersonMessage } from '../../src/sandbox/matrix-person.ts';
import type { Phone } from '../../src/sandbox/phone/phone.ts';
import { type Postgres, startPostgres } from '../../src/sandbox/postgres/postgres.ts';
import { openToolbox, type Toolbox, toolsFolder } from '../../src/sandbox/toolbox/toolbox.ts';
import { startWorld, type World, type WorldOptions } from '../../src/sandbox/world.ts';
import { openStorage, type Storage } from '../../src/storage/storage.ts';
import { RecordingLog } from '../doubles/recording-log.ts';

export type BridgeWorldOptions = Readonly<{
  database?: 'sqlite' | 'postgres';
  /** Who has a phone on the network. Default Bob with a number. */
  contacts?: readonly PhoneEnrolment[];
  /** Alice agrees at once. Default true. */
  optIn?: boolean;
  /** Added to the bridge's configuration, section by section. */
  extra?: WorldOptions['extra'];
  terms?: WorldOptions['terms'];
}>;

/** One line of the bridge's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** How long anything may take here: far longer than it does, so that only a fault is late. */
export const LONG_MS = 30_000;
export const BOB: PhoneEnrolment = { name: 'Bob', phone: '+4930901820' };

export function newToolbox(): Toolbox {
  return openToolbox({ folder: toolsFolder(env), env, progress: () => undefined });
}

export class BridgeWorld {
  readonly world: World;
  readonly dir: string;
  readonly alice: MatrixPerson;
  readonly postgres: Postgres | undefined;
  /** Alice's direct chat with the bot. */
  readonly management: string;
  readonly #phones: ReadonlyMap<string, Phone>;
  readonly #forgetTimers: () => void;

  private constructor(parts: {
    world: World;
    dir: string;
    alice: MatrixPerson;
    postgres: Postgres | undefined;
    management: string;
    phones: ReadonlyMap<string, Phone>;
    forgetTimers: () => void;
  }) {
    this.world = parts.world;
    this.dir = parts.dir;
    this.alice = parts.alice;
    this.postgres = parts.postgres;
    this.management = parts.management;
    this.#phones = parts.phones;
    this.#forgetTimers = parts.forgetTimers;
  }

  static async start(options: BridgeWorldOptions = {}): Promise<BridgeWorld> {
    const forgetTimers = watchTimers();
    const dir = await mkdtemp(join(tmpdir(), 'drawbridge-world-'));
    const toolbox = newToolbox();
    const running: (() => Promise<void>)[] = [];
    try {
      const postgres = options.database === 'postgres' ? await startPostgres({ toolbox, dir }) : undefined;
      if (postgres !== undefined) running.push(async () => await postgres.stop());
      const database =
        postgres === undefined ? 'sqlite' : { postgres: await postgres.createDatabase('bridge') };
      const common = { clock: systemClock, random: systemRandom, log: new RecordingLog() };
      const { extra, terms } = options;
      const wishes = { ...(extra === undefined ? {} : { extra }), ...(terms === undefined ? {} : { terms }) };
      const world = await startWorld({ toolbox, dir, database, ...common, ...wishes });
      running.push(async () => await world.stop());
      const phones = new Map<string, Phone>();
      for (const contact of options.contacts ?? [BOB]) {
        phones.set(contact.name, await world.gatekeeper.addPhone(contact));
      }
      const alice = await MatrixPerson.arrive(world.synapse, 'alice', 'wonderland', systemClock);
      running.push(async () => await alice.leave());
      const management = await alice.startDirectChat(world.botUserId);
      await alice.seeMessage(({ body }) => body.startsWith('Hello.'), LONG_MS);
      const made = new BridgeWorld({ world, dir, alice, postgres, management, phones, forgetTimers });
      if (options.optIn ?? true) await made.optIn();
      return made;
    } catch (failure) {
      for (const end of running.reverse()) await end();
      await rm(dir, { recursive: true, force: true });
      forgetTimers();
      throw failure;
    }
  }

  phone(name: string): Phone {
    const phone = this.#phones.get(name);
    assert.ok(phone !== undefined, `no phone ${name}`);
    return phone;
  }

  get bob(): Phone {
    return this.phone('Bob');
  }

  /** Alice's bare JID on the network. */
  async aliceJid(): Promise<string> {
    const all = await Promise.all([...this.#phones.values()].slice(0, 1).map((phone) => phone.contacts()));
    const found = all.flat().find(({ identifier }) => identifier === this.alice.userId);
    assert.ok(found !== undefined, 'Alice is not enlisted');
    return found.jid;
  }

  /** Who of third parties is enlisted at the gatekeeper. */
  enlistees() {
    return this.world.gatekeeper.listAccounts().filter(({ kind }) => kind === 'enlistee');
  }

  /** Says a line to the bot, and gives its answer. */
  async command(line: string, room = this.management): Promise<PersonMessage> {
    const asked = await this.alice.say(room, line);
    return await this.alice.seeMessage(
      (message) => message.replyTo === asked && message.sender === this.world.botUserId,
      LONG_MS,
    );
  }

  async optIn(): Promise<void> {
    const notice = await this.command('opt-in');
    assert.match(notice.body, /^Before you connect/);
    const before = this.#countConnected();
    await this.alice.react(this.management, notice.eventId, '👍');
    await this.until(() => this.#countConnected() > before, 'Alice is connected');
  }

  /** @returns the portal's room, with its notice in Alice's timeline. */
  async startChat(identifier: string): Promise<string> {
    const answer = await this.command(`start-chat ${identifier}`);
    const room = /#\/([^?]+)\?via=/.exec(answer.body)?.[1];
    assert.ok(room !== undefined, answer.body);
    const found = decodeURIComponent(room);
    await this.alice.seeMessage((message) => message.room === found, LONG_MS);
    return found;
  }

  /** Texts of others in a room, in order. */
  seenTexts(room: string): string[] {
    return this.alice
      .messagesIn(room)
      .filter(({ sender, msgtype }) => sender !== this.alice.userId && msgtype === 'm.text')
      .map(({ body }) => body);
  }

  /** What the bot said in a room, in order. */
  botSaid(room: string): string[] {
    return this.alice
      .messagesIn(room)
      .filter(({ sender }) => sender === this.world.botUserId)
      .map(({ body }) => body);
  }

  /** Waits for a bot's answer to this event of Alice's. */
  async answerTo(eventId: string, timeoutMs = LONG_MS): Promise<PersonMessage> {
    return await this.alice.seeMessage(({ replyTo }) => replyTo === eventId, timeoutMs);
  }

  /** Waits until the room shows as many texts of others, and compares: these, in this order, and no more. */
  async roomShows(room: string, bodies: readonly string[]): Promise<void> {
    await this.until(
      () => this.seenTexts(room).length >= bodies.length,
      `${bodies.length} texts in the room`,
    );
    assert.deepEqual(this.seenTexts(room), bodies);
  }

  /** Waits until the phone has as many texts, and compares: these, in this order, and no more. */
  async phoneShows(phone: Phone, bodies: readonly string[]): Promise<void> {
    await this.until(() => textsOf(phone).length >= bodies.length, `${bodies.length} texts on the phone`);
    assert.deepEqual(textsOf(phone), bodies);
  }

  /** Waits for a condition, asked again and again. */
  async until(condition: () => boolean | Promise<boolean>, what: string, timeoutMs = LONG_MS): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await condition())) {
      assert.ok(performance.now() < deadline, `in vain for ${timeoutMs} ms: ${what}`);
      await systemClock.sleep(20);
    }
  }

  /** The bridge's log so far, all runs of it. */
  async bridgeLog(): Promise<LogLine[]> {
    const text = await readFile(this.world.bridge.logFile, 'utf8');
    return text
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** Waits for a line of the log. @param since how many lines to pass over. */
  async logShows(
    wanted: (line: LogLine) => boolean,
    what: string,
    since = 0,
    timeoutMs = LONG_MS,
  ): Promise<LogLine> {
    let found: LogLine | undefined;
    await this.until(
      async () => {
        found = (await this.bridgeLog()).slice(since).find(wanted);
        return found !== undefined;
      },
      what,
      timeoutMs,
    );
    return found as LogLine;
  }

  /** Reads the database with the bridge stopped (it locks an SQLite file), and starts it again. */
  async readDatabase<T>(work: (storage: Storage) => Promise<T>): Promise<T> {
    await this.world.bridge.stop();
    try {
      return await this.#withStorage(work);
    } finally {
      await this.world.bridge.start();
    }
  }

  /** Ends everything. @throws AssertionError when the database breaks a rule of its own. */
  async stop(): Promise<void> {
    await this.world.bridge.stop();
    try {
      assert.deepEqual(await this.#withStorage(async (storage) => await storage.checkConsistency()), []);
    } finally {
      await this.alice.leave();
      await this.world.stop();
      await this.postgres?.stop();
      await rm(this.dir, { recursive: true, force: true });
      this.#forgetTimers();
    }
  }

  async #withStorage<T>(work: (storage: Storage) => Promise<T>): Promise<T> {
    const storage = await openStorage({
      database:
        this.postgres === undefined
          ? { type: 'sqlite', file: join(this.world.bridgeDir, 'bridge.db') }
          : { type: 'postgres', url: this.postgres.url('bridge'), maxConnections: 5 },
      masterKey: Buffer.from(this.world.secrets.masterKey, 'base64'),
      clock: systemClock,
      random: systemRandom,
    });
    try {
      return await work(storage);
    } finally {
      await storage.close();
    }
  }

  #countConnected(): number {
    return this.botSaid(this.management).filter((body) => body.startsWith('You are connected')).length;
  }
}

/** Texts that the phone showed, in order. */
export function textsOf(phone: Phone): string[] {
  return phone.received.flatMap(({ content }) => (content.text === undefined ? [] : [content.text.body]));
}

/** `name 1` to `name count`. */
export function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name} ${index + 1}`);
}

/**
 * matrix-js-sdk leaves timers of up to two minutes behind (`timeoutSignal` is never cleared), which keep a test process
 * from ending. @returns lets go of the timers made since.
 */
function watchTimers(): () => void {
  const timers: WeakRef<NodeJS.Timeout>[] = [];
  const hook = createHook({
    init: (_id, type, _trigger, resource) => {
      if (type === 'Timeout') timers.push(new WeakRef(resource as NodeJS.Timeout));
    },
  }).enable();
  return () => {
    hook.disable();
    for (const timer of timers) timer.deref()?.unref();
  };
}
