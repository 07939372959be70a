/**
 * The core over real storage on SQLite, the real Signal service, the real codec and stanzas; homeserver and gatekeeper are
 * doubles. Time stands still until a test moves it, and each call to the outside may be planned to fail.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { systemRandom } from '../../../../src/ambient/random.ts';
import type { BridgeSettings, NetworkPart, Permission } from '../../../../src/bridge/bridge.ts';
import { createIntake } from '../../../../src/bridge/intake.ts';
import type { StepResult } from '../../../../src/bridge/lanes.ts';
import type { BridgeParts } from '../../../../src/bridge/parts.ts';
import { ReadMarks } from '../../../../src/bridge/read-marks.ts';
import { Texts } from '../../../../src/bridge/texts/texts.ts';
import { UserChoices } from '../../../../src/bridge/user-choices.ts';
import type { JsonObject } from '../../../../src/matrix/json-object.ts';
import type { RoomEvent } from '../../../../src/matrix/matrix.ts';
import {
  type AccountId,
  type ContactId,
  contactId,
  eventId,
  type MatrixUserId,
  matrixUserId,
  type RoomId,
  roomId,
} from '../../../../src/model/ids.ts';
import { createSignalService } from '../../../../src/signal/signal.ts';
import {
  type Account,
  type Database,
  openStorage,
  type Storage,
  type Tx,
} from '../../../../src/storage/storage.ts';
import { heldClock } from '../../../doubles/held-clock.ts';
import { RecordingLog } from '../../../doubles/recording-log.ts';
import { Contact } from './contact.ts';
import { type FaultMode, FaultPoints, PlannedFault } from './fault-points.ts';
import { GatekeeperDouble, GK } from './gatekeeper-double.ts';
import { HomeserverDouble } from './homeserver-double.ts';

export const ADA = matrixUserId('@ada:example.org');
export const MANAGEMENT = roomId('!management');
export const OPERATOR = {
  name: 'Example Org',
  contact: 'mailto:admin@example.org',
  mode: 'provider',
} as const;
/** Polls before a condition that does not come is given up: far more than any needs. */
const MOST_TURNS = 5_000;
/** Steps of one lane that lead nowhere. */
const MOST_STEPS = 200;
const START_MS = Date.UTC(2026, 0, 1);
const HOUR_MS = 60 * 60_000;

export class BridgeWorld {
  readonly clock = heldClock(START_MS);
  readonly log = new RecordingLog();
  readonly faults = new FaultPoints();
  readonly homeserver = new HomeserverDouble(this);
  readonly gatekeeper = new GatekeeperDouble(this);
  /** What the core counted: outcomes and codes. */
  readonly counted: string[] = [];
  /** Who is not named may use the bridge. */
  readonly permissions = new Map<MatrixUserId, Permission>();
  /** The cores that run. */
  readonly cores = new Set<{ begin: () => Promise<void>; stop: () => Promise<void> }>();
  #storage: Storage | undefined;
  #parts: BridgeParts | undefined;
  #folder = '';
  #events = 0;

  /** An empty database; `close` it. */
  static async create(settings: Partial<BridgeSettings> = {}): Promise<BridgeWorld> {
    const world = new BridgeWorld();
    world.#folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-core-'));
    world.#storage = await openStorage({
      database: { type: 'sqlite', file: path.join(world.#folder, 'bridge.db') },
      masterKey: randomBytes(32),
      clock: world.clock,
      random: systemRandom,
    });
    world.#parts = world.#makeParts(settings);
    return world;
  }

  async close(): Promise<void> {
    this.faults.revive();
    await this.stopCores();
    assert.deepEqual(await this.storage.checkConsistency(), []);
    await this.storage.close();
    await rm(this.#folder, { recursive: true });
  }

  /** Without faults: what a test itself asks for never fails. */
  get storage(): Storage {
    assert.ok(this.#storage !== undefined);
    return this.#storage;
  }

  get parts(): BridgeParts {
    assert.ok(this.#parts !== undefined);
    return this.#parts;
  }

  get network(): NetworkPart {
    const network = this.parts.networks.get(GK);
    assert.ok(network !== undefined);
    return network;
  }

  /** The same, as another configuration would make it. */
  withSettings(settings: Partial<BridgeSettings>): BridgeParts {
    return { ...this.parts, settings: { ...this.parts.settings, ...settings } };
  }

  async tx<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return await this.storage.database.transaction(work);
  }

  /** An account that has opted in, with its device and the gatekeeper's answer. */
  async enlisted(user = ADA): Promise<Account> {
    const account = await this.agreed(user);
    const device = await this.tx(async (tx) => await this.network.signal.publicDevice(tx, account));
    const answer = await this.gatekeeper.adapter.enlistment.enlist({ user, termsVersion: '1', device });
    const { capabilities, ...ids } = answer;
    return await this.tx(async (tx) => {
      const enlistment = { ...ids, capabilities: [...capabilities.kinds], limits: capabilities.limits };
      await this.storage.accounts.saveAsked(tx, account.id);
      await this.storage.accounts.saveEnlistment(tx, account, enlistment, `hash of ${answer.interopId}`);
      return await this.storage.accounts.get(tx, account.id);
    });
  }

  /** An account whose enlistment has not begun. */
  async agreed(user = ADA): Promise<Account> {
    return await this.tx(async (tx) => {
      const made = await this.storage.accounts.insert(tx, GK, user);
      await this.network.signal.createDevice(tx, made);
      return made;
    });
  }

  async account(id: Account['id']): Promise<Account | undefined> {
    return await this.tx(async (tx) => await this.storage.accounts.findById(tx, id));
  }

  /** A person on the network, known to its directory. */
  contact(name = 'bob'): Contact {
    const contact = new Contact(contactId(`${name}@gk.example`), {
      clock: this.clock,
      deviceOf: async (jid) => {
        const found = [...this.gatekeeper.registered.values()].find(({ ids }) => ids.jid === jid);
        assert.ok(found !== undefined);
        return found.device;
      },
    });
    this.gatekeeper.contacts.set(contact.jid, contact);
    return contact;
  }

  /** A portal whose room and notice stand. */
  async portal(account: Account, contact: ContactId, room = roomId(`!${contact}`)): Promise<RoomId> {
    await this.tx(async (tx) => {
      const { id } = await this.storage.portals.findOrInsert(tx, account.id, contact);
      await this.storage.portals.saveRoom(tx, id, room);
      await this.storage.portals.saveNotice(tx, id, eventId(`$notice-${contact}`), 'sha256 of the facts');
    });
    return room;
  }

  async managementRoom(user = ADA, room = MANAGEMENT): Promise<RoomId> {
    await this.tx(async (tx) => await this.storage.managementRooms.insert(tx, room, user));
    return room;
  }

  /** An event as the homeserver pushes it; a text unless told otherwise. */
  event(room: RoomId, said: string | Partial<RoomEvent>): RoomEvent {
    this.#events += 1;
    const text = typeof said === 'string' ? { content: { msgtype: 'm.text', body: said } } : said;
    return {
      event_id: eventId(`$event-${this.#events}`),
      room_id: room,
      sender: ADA,
      type: 'm.room.message',
      origin_server_ts: this.clock.nowMs(),
      content: {},
      ...text,
    };
  }

  /** The homeserver pushes these in one transaction. @returns the rooms that the core was told of. */
  async push(...events: readonly RoomEvent[]): Promise<readonly RoomId[]> {
    return (await this.pushAll(events, [])).rooms;
  }

  /** The same with typing and receipts. @returns the accounts, too, whose outbox has something new. */
  async pushAll(events: readonly RoomEvent[], ephemeral: readonly JsonObject[]) {
    // Nothing happens in no time: what comes in comes after what was said before.
    this.clock.advance(1);
    const rooms: RoomId[] = [];
    const accounts: AccountId[] = [];
    const typing: RoomId[] = [];
    const intake = createIntake({
      ...this.parts,
      readMarks: new ReadMarks(this.parts, new UserChoices(this.parts)),
      onStored: (lanes) => rooms.push(...lanes.map(({ room }) => room)),
      onQueued: (found) => accounts.push(...found),
      onTyping: ({ room }) => typing.push(room),
    });
    const txnId = `txn ${events.map(({ event_id }) => event_id).join()}`;
    await intake.store({ txnId, events, ephemeral, toDevice: [] });
    return { rooms, accounts, typing };
  }

  /**
   * Steps a lane until it has nothing to do, time passing where it waits; then until all that is to be told is said.
   * @param start makes the parts of a process: at first, and again after it has died.
   */
  async exhaust<Core extends { begin: () => Promise<void> }>(
    start: () => Core | Promise<Core>,
    step: (core: Core) => Promise<StepResult>,
  ): Promise<void> {
    let core: Core | undefined;
    let [hasBegun, isIdle] = [false, false];
    for (let steps = 0; steps < MOST_STEPS; steps += 1) {
      let result: StepResult | undefined;
      try {
        core ??= await start();
        if (!hasBegun) await core.begin();
        hasBegun = true;
        result = await step(core);
        isIdle = result === 'idle';
        if (isIdle) await this.allTold();
      } catch (failure) {
        // A step that throws is taken again by its lane; nothing but what was planned may throw.
        if (!(failure instanceof PlannedFault)) throw failure;
      }
      if (this.faults.isDead) {
        await this.stopCores();
        this.faults.revive();
        core = undefined;
        hasBegun = false;
      } else if (isIdle) return;
      if (typeof result === 'object')
        this.clock.advance(Math.max(0, result.notBeforeMs - this.clock.nowMs()));
    }
    assert.fail(`still at work after ${MOST_STEPS} steps: ${this.recent()}`);
  }

  /** Ends all cores, as the end of their process does. */
  async stopCores(): Promise<void> {
    const cores = [...this.cores];
    this.cores.clear();
    await Promise.all(cores.map(async (core) => await core.stop()));
  }

  /** Waits until everything that people are to be told is said, or the process has died. */
  async allTold(): Promise<void> {
    await this.until(async () => this.faults.isDead || !(await this.#isToBeTold()), 1_000);
  }

  async #isToBeTold(): Promise<boolean> {
    return await this.tx(async (tx) => {
      const rooms = await this.storage.fates.listUntoldRooms(tx);
      const users = await this.storage.botNotices.listUsers(tx);
      return rooms.length + users.length > 0;
    });
  }

  /**
   * Runs a case again and again, with a fault at its first point, its second, and so on through its last.
   * @param mode a call that fails, or the death of the process.
   * @param run plans nothing itself; called once more, without a fault, at the end.
   * @param prepare what comes before, without faults.
   * @returns how many faults there were.
   */
  async atEveryPoint(
    mode: FaultMode,
    run: (name: string) => Promise<void>,
    prepare: () => Promise<void> = async () => undefined,
  ): Promise<number> {
    for (let at = 0; ; at += 1) {
      await prepare();
      this.faults.plan(at, mode);
      try {
        await run(`${mode}-${at}`);
      } catch (cause) {
        throw new Error(`after a fault at point ${at} (${mode}: ${this.faults.firedAt ?? 'none'})`, {
          cause,
        });
      }
      const fired = this.faults.firedAt !== undefined;
      await this.stopCores();
      this.faults.revive();
      if (!fired) return at;
    }
  }

  /** Waits until `isSo`, time passing meanwhile, for what the core does on its own. */
  async until(isSo: () => boolean | Promise<boolean>, passMs = 0): Promise<void> {
    for (let turns = 0; turns < MOST_TURNS; turns += 1) {
      // What is asked for stands in the database most often: the core gets some turns in between.
      if (turns % 5 === 0 && (await isSo())) return;
      await turn();
      if (passMs > 0 && turns % 10 === 9) this.clock.advance(passMs);
    }
    assert.fail(`it did not come to pass: ${isSo.toString()}; ${this.recent()}`);
  }

  /** The last lines of the log, for whoever looks at a failed test. */
  recent(): string {
    return this.log.entries
      .slice(-5)
      .map(({ message, facts, cause }) => `${message} ${JSON.stringify(facts)} ${String(cause)}`)
      .join('; ');
  }

  #makeParts(settings: Partial<BridgeSettings>): BridgeParts {
    const storage = { ...this.storage, database: this.#faultyDatabase() };
    const signal = createSignalService({
      database: storage.database,
      records: storage.signalRecords,
      clock: this.clock,
      random: systemRandom,
      log: this.log,
      settings: { initialPrekeys: 4, maxPrekeys: 20, refillBelow: 0.25, rotationDays: 7, keepDays: 30 },
    });
    const { adapter } = this.gatekeeper;
    const network = {
      adapter,
      signal,
      homeservers: ['example.org'],
      sendReceipts: true,
      termsVersion: '1',
      keepSentMs: HOUR_MS,
      inboxLimits: { accountRows: 100, accountBytes: 1_000_000, contactRows: 50, contactBytes: 500_000 },
    };
    return {
      storage,
      matrix: this.homeserver.side,
      media: noMedia,
      networks: new Map([[GK, network]]),
      texts: new Texts(),
      settings: {
        operator: OPERATOR,
        commandPrefix: '!bridge',
        aliasPrefix: '_interop_portal_',
        permissionOf: (user) => this.permissions.get(user) ?? 'user',
        tooOldMs: 24 * HOUR_MS,
        shareByDefault: { 'read-receipts': true, typing: true },
        keepFailedMs: 12 * HOUR_MS,
        keepFilesMs: 30 * 24 * HOUR_MS,
        statusEvents: false,
        version: '0.0.1',
        sourceUrl: 'https://source.example.org',
        ...settings,
      },
      metrics: {
        message: ({ leg, outcome }) => this.counted.push(`${leg} ${outcome}`),
        error: (code) => this.counted.push(code),
      },
      clock: this.clock,
      random: systemRandom,
      log: this.log,
    };
  }

  /** The database, with a point before each transaction, one before its commit (which undoes it), and one after it. */
  #faultyDatabase(): Database {
    const { database } = this.storage;
    const transaction = async <T>(work: (tx: Tx) => Promise<T>): Promise<T> =>
      await this.faults.around(
        'transaction',
        async () =>
          await database.transaction(async (tx) => {
            const result = await work(tx);
            this.faults.cross('transaction, rolled back');
            return result;
          }),
      );
    // A class with private fields has no other shape; the core uses these two members.
    return { type: database.type, transaction } as Pick<Database, 'type' | 'transaction'> as Database;
  }
}

/** Files are carried in test/integration/kinds.test.ts only. */
const noMedia: BridgeParts['media'] = {
  host: async () => assert.fail('no file is hosted'),
  fetch: async () => assert.fail('no file is fetched'),
  inspect: async () => assert.fail('no file is looked at'),
  parseEncryptedFile: () => assert.fail('no file is described'),
  decryptMatrixFile: () => assert.fail('no file is opened'),
};
