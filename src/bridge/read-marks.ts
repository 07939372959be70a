/**
 * How far each side has read. Outbound: a public read receipt of the user becomes a marker (XEP-0333) in the outbox, in the
 * transaction that takes the receipt in. Inbound: the contact's marker becomes a receipt of the ghost.
 */
import type { MatrixSign } from '../matrix/matrix.ts';
import type { AccountId } from '../model/ids.ts';
import type { InboundSignal } from '../network/network.ts';
import type { Account, Portal, Tx } from '../storage/storage.ts';
import { markerStanzaId } from './derived-ids.ts';
import type { BridgeParts } from './parts.ts';
import { firstStanzaOf } from './retry-ids.ts';
import type { UserChoices } from './user-choices.ts';

type Read = Extract<MatrixSign, { kind: 'read' }>;

export class ReadMarks {
  readonly #parts: BridgeParts;
  readonly #choices: UserChoices;

  constructor(parts: BridgeParts, choices: UserChoices) {
    this.#parts = parts;
    this.#choices = choices;
  }

  /** Queues a marker, unless the contact knows already, or must not. @returns whose outbox has something new. */
  async queue(tx: Tx, read: Read): Promise<AccountId | undefined> {
    const { storage, networks } = this.#parts;
    const portal = await storage.portals.findByRoom(tx, read.room);
    const account = portal && (await storage.accounts.findById(tx, portal.account));
    if (portal === undefined || account === undefined || !this.#mayTell(account, read)) return undefined;
    if (!(await this.#choices.shares(tx, account.user, 'read-receipts'))) return undefined;
    const found = await storage.messages.findReadUpTo(tx, portal.id, read.event, read.atMs);
    if (found === undefined || !(await storage.portals.saveRead(tx, portal.id, found.seq))) return undefined;
    const { stanza } = found.record;
    const id = markerStanzaId(await storage.idSecret(tx, account.dataKey), portal.contact, stanza);
    const xml = networks
      .get(account.network)
      ?.adapter.stanzas.writeMarker({ id, to: portal.contact, stanzaId: stanza });
    if (xml === undefined) return undefined;
    await storage.outbox.insert(tx, account, { stanza: id, xml });
    return account.id;
  }

  /** The contact has read up to a message of ours. One that we never sent them changes nothing. */
  async show(account: Account, marker: Extract<InboundSignal, { kind: 'marker' }>): Promise<void> {
    const { storage, matrix } = this.#parts;
    const found = await storage.database.transaction(async (tx) => {
      const portal = await storage.portals.find(tx, account.id, marker.sender);
      return portal && (await this.#findRead(tx, portal, marker.stanzaId));
    });
    if (found === undefined) return;
    const as = matrix.ghostUserId(account.network, marker.sender);
    await matrix.sendReadReceipt({ room: found.room, as, eventId: found.event });
  }

  async #findRead(tx: Tx, portal: Portal, stanza: string) {
    const { messages } = this.#parts.storage;
    const record = await messages.findByStanza(tx, portal.id, 'outbound', firstStanzaOf(stanza));
    if (record === undefined || portal.room === undefined) return undefined;
    return { room: portal.room, event: record.event };
  }

  #mayTell(account: Account, read: Read): boolean {
    if (account.user !== read.user || account.state !== 'active') return false;
    return account.enlistment?.capabilities.includes('read-marker') === true;
  }
}
