import type { Log } from '../model/ambient.ts';
import { hasCode } from '../model/errors.ts';
import { type ContactId, domainOf, type EventId, type MatrixUserId, type RoomId } from '../model/ids.ts';
import type { Account, Portal } from '../storage/storage.ts';
import { type BoundaryFacts, boundarySha256, boundaryState, portalNotice, portalTopic } from './boundary.ts';
import { boundaryFactsOf } from './boundary-facts.ts';
import { roomFeatures } from './capability-table.ts';
import { matrixTxnId, portalAliasSuffix } from './derived-ids.ts';
import type { GhostProfiles } from './ghost-profiles.ts';
import { type BridgeParts, networkOf } from './parts.ts';

/** A portal whose room stands, with the boundary notice as its first event. */
export type ReadyPortal = Portal & Readonly<{ room: RoomId; notice: EventId; ghost: MatrixUserId }>;

/**
 * Makes portal rooms. Every step finds what an earlier attempt left: the room by its alias, the notice by its transaction
 * id; so a crash in between, or two callers at once, make one room with one notice.
 */
export class PortalRooms {
  readonly #parts: BridgeParts;
  readonly #profiles: GhostProfiles;
  readonly #log: Log;

  constructor(parts: BridgeParts, profiles: GhostProfiles) {
    this.#parts = parts;
    this.#profiles = profiles;
    this.#log = parts.log.child({ part: 'portal-rooms' });
  }

  /**
   * The portal of this conversation, ready to be written to.
   * @param displayName what the network calls the contact, when the caller has just learnt it.
   */
  async ensure(account: Account, contact: ContactId, displayName?: string): Promise<ReadyPortal> {
    const { storage, matrix } = this.#parts;
    const portal = await storage.database.transaction(
      async (tx) =>
        (await storage.portals.find(tx, account.id, contact)) ??
        (await storage.portals.findOrInsert(tx, account.id, contact)),
    );
    const ghost = matrix.ghostUserId(account.network, contact);
    if (portal.room !== undefined && portal.notice !== undefined) {
      if (portal.userLeftAtMs !== undefined) await this.#inviteAgain(account, portal, portal.room, ghost);
      return { ...portal, room: portal.room, notice: portal.notice, ghost };
    }
    const name = await this.#profiles.ensure(account, contact, displayName);
    const facts = await boundaryFactsOf(this.#parts, account);
    const room = portal.room ?? (await this.#createRoom(account, portal, ghost, facts));
    const notice = await this.#tellBoundary(portal, room, facts, name);
    // crash point: portal-told
    // Only now: the notice comes before everything that the user sees, and the room is known before they can write in it.
    await matrix.invite({ room, as: ghost, user: account.user, isDirect: true });
    // crash point: portal-invited
    await storage.database.transaction(
      async (tx) => await storage.portals.saveNotice(tx, portal.id, notice, boundarySha256(facts)),
    );
    return { ...portal, room, notice, ghost };
  }

  /**
   * After a send was refused: the ghost joins again if it can; a room that does not let it in, or is gone, is forgotten, so
   * that the next attempt makes another one.
   */
  async repair(portal: ReadyPortal): Promise<void> {
    const { storage, matrix } = this.#parts;
    try {
      await matrix.join({ room: portal.room, as: portal.ghost });
    } catch (failure) {
      if (!hasCode(failure, 'matrix/forbidden') && !hasCode(failure, 'matrix/notFound')) throw failure;
      this.#log.warn('portal room is lost; another one is made', { portal: portal.id }, failure);
      await storage.database.transaction(async (tx) => await storage.portals.forgetRoom(tx, portal.id));
    }
  }

  async #inviteAgain(account: Account, portal: Portal, room: RoomId, ghost: MatrixUserId): Promise<void> {
    const { storage, matrix } = this.#parts;
    await matrix.invite({ room, as: ghost, user: account.user, isDirect: true });
    await storage.database.transaction(
      async (tx) => await storage.portals.saveUserLeft(tx, portal.id, false),
    );
  }

  async #createRoom(
    account: Account,
    portal: Portal,
    ghost: MatrixUserId,
    facts: BoundaryFacts,
  ): Promise<RoomId> {
    const { storage, matrix, texts, settings } = this.#parts;
    const secret = await storage.database.transaction(async (tx) => await storage.idSecret(tx));
    const { adapter } = networkOf(this.#parts, account);
    const room = await matrix.createPortalRoom({
      aliasLocalpart: `${settings.aliasPrefix}${portalAliasSuffix(secret, account.id, portal.contact)}`,
      bridgeInfo: {
        protocol: { id: adapter.id, displayname: adapter.displayName },
        network: { id: domainOf(portal.contact), displayname: adapter.displayName },
        channel: { id: portal.contact },
        creator: account.user,
      },
      ghost,
      topic: portalTopic(facts, texts),
      extraState: [
        { type: 'org.drawbridge.e2ee_boundary', stateKey: '', content: boundaryState(facts) },
        ...(account.enlistment === undefined
          ? []
          : [
              {
                type: 'com.beeper.room_features',
                stateKey: '',
                content: roomFeatures(account.enlistment),
              },
            ]),
      ],
    });
    // crash point: portal-room-made
    await storage.database.transaction(async (tx) => await storage.portals.saveRoom(tx, portal.id, room));
    this.#log.info('portal room made', { portal: portal.id, room });
    return room;
  }

  async #tellBoundary(portal: Portal, room: RoomId, facts: BoundaryFacts, name: string): Promise<EventId> {
    const { storage, matrix, texts } = this.#parts;
    const sha256 = boundarySha256(facts);
    const secret = await storage.database.transaction(async (tx) => await storage.idSecret(tx));
    const notice = await matrix.send({
      room,
      as: matrix.botUserId,
      type: 'm.room.message',
      content: { msgtype: 'm.notice', body: portalNotice(facts, name, texts) },
      txnId: matrixTxnId(secret, matrix.botUserId, 'boundary', portal.id, sha256),
    });
    await matrix.pin({ room, eventId: notice, as: matrix.botUserId });
    return notice;
  }
}
