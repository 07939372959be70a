/**
 * The door of the core: the only room that knows both sides. It works on what others hand in, and offers the daemon
 * start, stop, and the two entries from outside: a push of a gatekeeper, and new events of the homeserver.
 */

import type { TransactionSink } from '../matrix/matrix.ts';
import { BridgeError, codeOf } from '../model/errors.ts';
import type { NetworkId, RoomId } from '../model/ids.ts';
import type { LinkStatus } from '../network/network.ts';
import type { Account, RoomLane, UnsettledLane } from '../storage/storage.ts';
import { BotChat } from './bot-chat.ts';
import { BotNotices } from './bot-notices.ts';
import { CapabilityKeeper } from './capability-keeper.ts';
import { Consent } from './consent.ts';
import { interopIdHash } from './derived-ids.ts';
import { Disappearing } from './disappearing.ts';
import { Enlistments } from './enlistments.ts';
import { FateReports } from './fate-reports.ts';
import { GhostProfiles } from './ghost-profiles.ts';
import { Housekeeping } from './housekeeping.ts';
import { Inbound } from './inbound.ts';
import { InboundNotes } from './inbound-notes.ts';
import { InboxBacklog } from './inbox-backlog.ts';
import { createIntake } from './intake.ts';
import { LaneGroups } from './lane-groups.ts';
import { LateMessages } from './late-messages.ts';
import { Links } from './links.ts';
import { LoginRefusals } from './login-refusals.ts';
import { MatrixLane } from './matrix-lane.ts';
import { MissingMessages } from './missing-messages.ts';
import { NetworkLane } from './network-lane.ts';
import { Notices } from './notices.ts';
import { Outbound } from './outbound.ts';
import type { BridgeParts } from './parts.ts';
import { PortalRooms } from './portal-rooms.ts';
import { PrekeyKeeper } from './prekey-keeper.ts';
import { ReadMarks } from './read-marks.ts';
import { Requeue } from './requeue.ts';
import { RetryRequests } from './retry-requests.ts';
import { RoomWriter } from './room-writer.ts';
import { Texts } from './texts/texts.ts';
import { Typing } from './typing.ts';
import { UserChoices } from './user-choices.ts';

export type { Operator } from './boundary.ts';
export type { BridgeMetrics, BridgeParts, BridgeSettings, NetworkPart, Permission } from './parts.ts';

/** Rooms, and contacts, of one network worked at the same time. The database and the homeserver are the limit, not this. */
const LANES_AT_ONCE = 64;
/** Management chats and invitations, likewise: anybody can cause these. */
const CHATS_AT_ONCE = 8;
const NO_NETWORK = '';

export interface Bridge {
  /** Takes up what a former run left, and opens the links. Resolves when all are started, or the signal aborts. */
  start(signal: AbortSignal): Promise<void>;
  /** Ends what is under way and closes the links; nothing is lost by it. */
  stop(): Promise<void>;
  /** Where the Matrix side puts what the homeserver pushed; works before `start`, too. */
  readonly intake: TransactionSink;
  /** A gatekeeper's wake-up, with its token still to be checked. */
  push(token: string): Promise<PushOutcome>;
  /** How many links of a network are in each state. */
  countLinks(network: NetworkId): Readonly<Record<LinkStatus['kind'], number>>;
  /** How many accounts of a network have an inbox so full that their stream is not read. */
  countHeld(network: NetworkId): number;
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
  readonly #backlog: InboxBacklog;
  readonly #enlistments: Enlistments;
  readonly #prekeys: PrekeyKeeper;
  readonly #housekeeping: Housekeeping;
  readonly #fates: FateReports;
  readonly #botNotices: BotNotices;
  readonly #disappearing: Disappearing;
  readonly #capabilities: CapabilityKeeper;
  readonly #late: LateMessages;
  readonly #refusals: LoginRefusals;
  readonly #rooms: LaneGroups;
  readonly #contacts: LaneGroups;
  readonly #stopping = new AbortController();

  constructor(parts: BridgeParts) {
    this.#parts = parts;
    const notices = new Notices(parts);
    const botNotices = new BotNotices(parts, notices);
    const fates = new FateReports(parts, notices);
    const backlog = new InboxBacklog({
      limitsOf: (network) => parts.networks.get(network)?.inboxLimits,
      log: parts.log,
    });
    const links = new Links(parts, backlog);
    const portals = new PortalRooms(parts, new GhostProfiles(parts));
    const enlistments = new Enlistments(parts, links, botNotices);
    const prekeys = new PrekeyKeeper(parts, links);
    const notes = new InboundNotes(parts, portals, notices, fates);
    const missing = new MissingMessages(parts, links, portals);
    const retryRequests = new RetryRequests(parts, links);
    const transfers = this.#stopping.signal;
    const capabilities = new CapabilityKeeper(parts);
    this.#capabilities = capabilities;
    const choices = new UserChoices(parts);
    const disappearing = new Disappearing(parts, notices);
    const readMarks = new ReadMarks(parts, choices);
    const typing = new Typing(parts, links, choices);
    const inbound = new Inbound({
      parts,
      links,
      portals,
      notes,
      prekeys,
      missing,
      retryRequests,
      readMarks,
      writer: new RoomWriter(parts, portals, transfers),
      disappearing,
    });
    const consent = new Consent(parts, enlistments);
    const wakeInbound = (account: Account, sender: string) => this.#wakeContact(account, sender);
    const late = new LateMessages(parts, links, fates);
    const outbound = new Outbound({ parts, links, late, disappearing, signal: transfers });
    const wakeRoom = (account: Account, room: RoomId) =>
      this.#wakeRooms([{ room, network: account.network }]);
    const requeue = new Requeue({ parts, links, outbound, fates, wakeRoom });
    const chat = new BotChat({
      parts,
      consent,
      links,
      notices,
      portals,
      choices,
      requeue,
      wakeInbound,
    });
    const matrixLane = new MatrixLane({ parts, outbound, chat, notices, fates });
    const networkLane = new NetworkLane({ parts, backlog, inbound, notices, botNotices });
    this.intake = createIntake({
      ...parts,
      readMarks,
      onStored: (rooms) => this.#wakeRooms(rooms),
      onQueued: (accounts) => {
        for (const account of accounts) links.wake(account);
      },
      onTyping: (sign) => void this.#tellTyping(typing, sign),
    });
    this.#links = links;
    this.#backlog = backlog;
    this.#enlistments = enlistments;
    this.#prekeys = prekeys;
    this.#fates = fates;
    this.#botNotices = botNotices;
    this.#disappearing = disappearing;
    this.#late = late;
    const refusals = new LoginRefusals(parts, links, enlistments, botNotices);
    this.#refusals = refusals;
    const { clock, log } = parts;
    this.#rooms = new LaneGroups({
      step: async (lane) => await matrixLane.step(lane),
      concurrency: (group) => (group === NO_NETWORK ? CHATS_AT_ONCE : LANES_AT_ONCE),
      clock,
      log,
    });
    this.#contacts = new LaneGroups({
      step: async (lane) => await networkLane.step(lane),
      concurrency: () => LANES_AT_ONCE,
      clock,
      log,
    });
    this.#housekeeping = new Housekeeping(parts, {
      all: async () => void (await this.#wakeAll()),
      room: (room) => fates.wake(room),
    });
    links.listen({
      stored: (account, senders) => {
        for (const sender of senders) this.#wakeContact(account, sender);
      },
      typing: (account, contact, state) => void typing.toMatrix(account, contact, state),
      refused: (account, sender, episode) => void this.#tellRefused(account, sender, episode),
      online: (account) => {
        prekeys.wake(account);
        capabilities.wake(account);
      },
      offline: (account) => late.wake(account),
      status: (account, status) => refusals.note(account, status),
      rejected: async (account, rowId, reason) => await notes.rejected(account, rowId, reason),
      sent: (rooms) => {
        for (const room of rooms) fates.wake(room);
      },
      givenUp: (account, reason) => void this.#tellGivenUp(account, reason),
    });
  }

  async start(signal: AbortSignal): Promise<void> {
    const { storage, networks } = this.#parts;
    const accounts = await storage.database.transaction(async (tx) => await storage.accounts.list(tx));
    const ours = accounts.filter((account) => networks.has(account.network));
    this.#backlog.load(await this.#wakeAll());
    await this.#fates.start();
    await this.#botNotices.start();
    this.#rooms.start();
    this.#contacts.start();
    this.#prekeys.start();
    this.#enlistments.start();
    this.#disappearing.start();
    this.#capabilities.start();
    this.#late.start();
    this.#refusals.start();
    this.#housekeeping.start();
    const active = ours.filter((account) => account.state === 'active').map(({ id }) => id);
    for (const id of active) this.#late.wake(id);
    await this.#links.openAll(active, signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#rooms.stop(), this.#enlistments.stop(), this.#prekeys.stop()]);
    // The links store what has arrived; what they wake is taken up at the next start.
    await this.#links.stop();
    await this.#contacts.stop();
    await Promise.all([
      this.#late.stop(),
      this.#refusals.stop(),
      this.#fates.stop(),
      this.#botNotices.stop(),
      this.#disappearing.stop(),
      this.#capabilities.stop(),
      this.#housekeeping.stop(),
    ]);
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

  countHeld(network: NetworkId): number {
    return this.#links.countHeld(network);
  }

  countLinks(network: NetworkId): Readonly<Record<LinkStatus['kind'], number>> {
    return this.#links.count(network);
  }

  async #pushed(network: NetworkId, interopId: string, event: string): Promise<'accepted' | 'unknown'> {
    const { storage, log } = this.#parts;
    const account = await storage.database.transaction(async (tx) => {
      const hash = interopIdHash(await storage.idSecret(tx), network, interopId);
      const found = await storage.accounts.findByInteropIdHash(tx, network, hash);
      if (found?.state === 'active' && event === 'suspended') await this.#enlistments.suspend(tx, found);
      return found;
    });
    if (account === undefined) return 'unknown';
    log.info('push received', { account: account.id, event });
    this.#botNotices.wake(account.user);
    // Suspended, lifted, or just awake: each is looked at where the account's state is carried through.
    this.#enlistments.wake(account.id);
    return 'accepted';
  }

  #wakeRooms(rooms: readonly RoomLane[]): void {
    for (const { room, network } of rooms) this.#rooms.wake(network ?? NO_NETWORK, room);
  }

  #wakeContact(account: Account, sender: string): void {
    this.#contacts.wake(account.network, NetworkLane.nameOf(account.id, sender));
  }

  /** @returns what waits of contacts. */
  async #wakeAll(): Promise<readonly UnsettledLane[]> {
    const { storage } = this.#parts;
    const found = await storage.database.transaction(async (tx) => ({
      rooms: await storage.matrixInbox.listLanes(tx),
      contacts: await storage.networkInbox.listLanes(tx),
      accounts: await storage.accounts.listUnsettled(tx),
    }));
    this.#wakeRooms(found.rooms);
    for (const { account, network, lane } of found.contacts) {
      this.#contacts.wake(network, NetworkLane.nameOf(account, lane));
    }
    for (const account of found.accounts) this.#enlistments.wake(account);
    return found.contacts;
  }

  async #tellRefused(account: Account, sender: string, episode: string): Promise<void> {
    const { log, settings } = this.#parts;
    try {
      await this.#botNotices.tell(account.user, `refused ${account.id} ${episode}`, 'contact-refused', {
        contact: sender.slice(0, sender.indexOf('@')),
        prefix: settings.commandPrefix,
      });
    } catch (failure) {
      log.error('refusal not told', { account: account.id }, failure);
    }
  }

  async #tellTyping(typing: Typing, sign: Parameters<Typing['toNetwork']>[0]): Promise<void> {
    try {
      await typing.toNetwork(sign);
    } catch (failure) {
      // It is worth nothing later.
      this.#parts.log.debug('typing not told', { room: sign.room, code: codeOf(failure) });
    }
  }

  async #tellGivenUp(account: Account, reason: BridgeError): Promise<void> {
    const { log, networks, settings, clock } = this.#parts;
    if (reason.code !== 'stream/conflict') return;
    try {
      await this.#botNotices.tell(account.user, `conflict ${account.id} ${clock.nowMs()}`, 'link-conflict', {
        network: networks.get(account.network)?.adapter.displayName ?? account.network,
        contact: settings.operator.contact,
      });
    } catch (failure) {
      log.error('conflict not told', { account: account.id }, failure);
    }
  }
}
