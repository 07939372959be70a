/**
 * The door of the core: the only room that knows both sides. It works on what others hand in, and offers the daemon
 * start, stop, and the two entries from outside: a push of a gatekeeper, and new events of the homeserver.
 */

import type { TransactionSink } from '../matrix/matrix.ts';
import { BridgeError } from '../model/errors.ts';
import type { AccountId, NetworkId, RoomId } from '../model/ids.ts';
import type { LinkStatus } from '../network/network.ts';
import { BotChat } from './bot-chat.ts';
import { Consent } from './consent.ts';
import { interopIdHash } from './derived-ids.ts';
import { Enlistments } from './enlistments.ts';
import { GhostProfiles } from './ghost-profiles.ts';
import { Housekeeping } from './housekeeping.ts';
import { Inbound } from './inbound.ts';
import { InboundNotes } from './inbound-notes.ts';
import { createIntake } from './intake.ts';
import { Lanes } from './lanes.ts';
import { Links } from './links.ts';
import { MatrixLane } from './matrix-lane.ts';
import { NetworkLane } from './network-lane.ts';
import { Notices } from './notices.ts';
import { Outbound } from './outbound.ts';
import type { BridgeParts } from './parts.ts';
import { PortalRooms } from './portal-rooms.ts';
import { PrekeyKeeper } from './prekey-keeper.ts';
import { Texts } from './texts/texts.ts';

export type { Operator } from './boundary.ts';
export type { BridgeMetrics, BridgeParts, BridgeSettings, NetworkPart, Permission } from './parts.ts';

/** Rooms, and contacts, worked at the same time. The database and the homeserver are the limit, not this. */
const LANES_AT_ONCE = 64;

export interface Bridge {
  /** Takes up what a former run left, and opens the links. Resolves when all are started. */
  start(): Promise<void>;
  /** Ends what is under way and closes the links; nothing is lost by it. */
  stop(): Promise<void>;
  /** Where the Matrix side puts what the homeserver pushed; works before `start`, too. */
  readonly intake: TransactionSink;
  /** A gatekeeper's wake-up, with its token still to be checked. */
  push(token: string): Promise<PushOutcome>;
  /** How many links of a network are in each state. */
  countLinks(network: NetworkId): Readonly<Record<LinkStatus['kind'], number>>;
}

/** `unavailable`: a gatekeeper's keys cannot be fetched now; the push should be sent again. */
type PushOutcome = 'accepted' | 'unknown' | 'bad-token' | 'unavailable';

/** @throws BridgeError `bridge/badText` when a catalogue of texts is malformed. */
export function createBridge(parts: Omit<BridgeParts, 'texts'>): Bridge {
  return new Core({ ...parts, texts: new Texts() });
}

class Core implements Bridge {
  readonly intake: TransactionSink;
  readonly #parts: BridgeParts;
  readonly #links: Links;
  readonly #enlistments: Enlistments;
  readonly #prekeys: PrekeyKeeper;
  readonly #housekeeping: Housekeeping;
  readonly #rooms: Lanes;
  readonly #contacts: Lanes;

  constructor(parts: BridgeParts) {
    this.#parts = parts;
    const notices = new Notices(parts);
    const links = new Links(parts);
    const portals = new PortalRooms(parts, new GhostProfiles(parts));
    const enlistments = new Enlistments(parts, links, notices);
    const prekeys = new PrekeyKeeper(parts, links);
    const outbound = new Outbound(parts, links);
    const notes = new InboundNotes(parts, portals, notices);
    const inbound = new Inbound({ parts, links, portals, notes, prekeys });
    const consent = new Consent(parts, enlistments);
    const wakeInbound = (account: AccountId, sender: string) =>
      this.#contacts.wake(NetworkLane.nameOf(account, sender));
    const chat = new BotChat({ parts, consent, links, notices, portals, wakeInbound });
    const matrixLane = new MatrixLane({ parts, outbound, chat, notices });
    const networkLane = new NetworkLane({ parts, inbound, notices });
    const common = { concurrency: LANES_AT_ONCE, clock: parts.clock, log: parts.log };
    this.intake = createIntake({ ...parts, onStored: (rooms) => this.#wakeRooms(rooms) });
    this.#links = links;
    this.#enlistments = enlistments;
    this.#prekeys = prekeys;
    this.#housekeeping = new Housekeeping(parts);
    this.#rooms = new Lanes({ ...common, step: async (lane) => await matrixLane.step(lane) });
    this.#contacts = new Lanes({ ...common, step: async (lane) => await networkLane.step(lane) });
    links.listen({
      stored: (account) => void this.#wakeContacts(account),
      online: (account) => prekeys.wake(account),
      rejected: async (account, rowId, reason) => await notes.rejected(account, rowId, reason),
    });
  }

  async start(): Promise<void> {
    const { storage, networks } = this.#parts;
    const found = await storage.database.transaction(async (tx) => ({
      accounts: await storage.accounts.list(tx),
      rooms: await storage.matrixInbox.listLanes(tx),
      contacts: await storage.networkInbox.listLanes(tx),
    }));
    const ours = found.accounts.filter((account) => networks.has(account.network));
    for (const { account, lane } of found.contacts) this.#contacts.wake(NetworkLane.nameOf(account, lane));
    this.#wakeRooms(found.rooms);
    for (const account of ours) this.#enlistments.wake(account.id);
    this.#housekeeping.start();
    await this.#links.openAll(ours.filter((account) => account.state === 'active'));
  }

  async stop(): Promise<void> {
    await Promise.all([this.#rooms.stop(), this.#enlistments.stop(), this.#prekeys.stop()]);
    // The links store what has arrived; what they wake is taken up at the next start.
    await this.#links.stop();
    await this.#contacts.stop();
    await this.#housekeeping.stop();
  }

  async push(token: string): Promise<PushOutcome> {
    let outcome: PushOutcome = 'bad-token';
    for (const [id, { adapter }] of this.#parts.networks) {
      try {
        const { interopId, event } = await adapter.verifyPush(token);
        return await this.#pushed(id, interopId, event);
      } catch (failure) {
        if (!(failure instanceof BridgeError)) throw failure;
        // Another network's token is a bad one for this adapter; keys that cannot be fetched say nothing about it.
        if (failure.code !== 'network/badPush') {
          this.#parts.log.warn('push not checked', { network: id }, failure);
          outcome = 'unavailable';
        }
      }
    }
    return outcome;
  }

  countLinks(network: NetworkId): Readonly<Record<LinkStatus['kind'], number>> {
    return this.#links.count(network);
  }

  #wakeRooms(rooms: readonly RoomId[]): void {
    for (const room of rooms) this.#rooms.wake(room);
  }

  async #pushed(network: NetworkId, interopId: string, event: string): Promise<'accepted' | 'unknown'> {
    const { storage, log } = this.#parts;
    const account = await storage.database.transaction(async (tx) => {
      const hash = interopIdHash(await storage.idSecret(tx), network, interopId);
      const found = await storage.accounts.findByInteropIdHash(tx, network, hash);
      if (found?.state === 'active' && event === 'suspended') {
        await storage.accounts.saveState(tx, found.id, 'suspended');
      }
      return found;
    });
    if (account === undefined) return 'unknown';
    log.info('push received', { account: account.id, event });
    if (event === 'suspended') await this.#links.close(account.id);
    else if (account.state === 'active') await this.#links.open(account);
    return 'accepted';
  }

  async #wakeContacts(account: AccountId): Promise<void> {
    const { storage, log } = this.#parts;
    try {
      const lanes = await storage.database.transaction(
        async (tx) => await storage.networkInbox.listLanesOf(tx, account),
      );
      for (const lane of lanes) this.#contacts.wake(NetworkLane.nameOf(account, lane));
    } catch (failure) {
      // The rows are safe; the next stanza, or the next start, wakes their lanes.
      log.error('lanes not woken', { account }, failure);
    }
  }
}
