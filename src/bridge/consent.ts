/**
 * Agreement as a conversation: the notice, an explicit yes, a line in the ledger with what was shown. Nothing is made or
 * sent to a network before the yes, and the yes counts only for the words that were shown.
 */
import type { RoomEvent } from '../matrix/matrix.ts';
import { type EventId, eventId, type NetworkId, networkId, type RoomId, serverOf } from '../model/ids.ts';
import { boundaryLines } from './boundary.ts';
import { networkFacts } from './boundary-facts.ts';
import type { CommandCall } from './commands/command.ts';
import type { Enlistments } from './enlistments.ts';
import type { BridgeParts, NetworkPart } from './parts.ts';
import type { VersionedText } from './texts/texts.ts';

/** What the bot asked last in a management room and what a yes would agree to. */
export type Dialogue = Readonly<{
  kind: 'opt-in' | 'opt-out';
  network: NetworkId;
  /** The bot's question: a reaction to it answers it. */
  question: EventId;
  textId: string;
  textVersion: number;
  textSha256: string;
  /** When it was asked, epoch milliseconds: what came in before is no answer. */
  askedAtMs: number;
}>;

/** A question that was forgotten is asked again. */
const QUESTION_LIFETIME_MS = 24 * 60 * 60_000;

export class Consent {
  readonly #parts: BridgeParts;
  readonly #enlistments: Enlistments;

  constructor(parts: BridgeParts, enlistments: Enlistments) {
    this.#parts = parts;
    this.#enlistments = enlistments;
  }

  async askOptIn(call: CommandCall, network: NetworkPart): Promise<void> {
    const { storage } = this.#parts;
    const { adapter } = network;
    const account = await storage.database.transaction(
      async (tx) => await storage.accounts.find(tx, adapter.id, call.user),
    );
    if (account !== undefined) {
      await call.reply(account.state === 'enlisting' ? 'opt-in-enlisting' : 'opt-in-already', {
        network: adapter.displayName,
      });
      return;
    }
    if (!network.homeservers.includes(serverOf(call.user))) {
      await call.reply('opt-in-homeserver', { network: adapter.displayName });
      return;
    }
    await this.#ask(call, 'opt-in', network, this.#optInText(network));
  }

  async askOptOut(call: CommandCall, network: NetworkPart): Promise<void> {
    const { storage, texts } = this.#parts;
    const { adapter } = network;
    const portals = await storage.database.transaction(async (tx) => {
      const account = await storage.accounts.find(tx, adapter.id, call.user);
      return account && (await storage.portals.listOfAccount(tx, account.id));
    });
    if (portals === undefined) {
      await call.reply('opt-out-not-in', { network: adapter.displayName });
      return;
    }
    const body = texts.say('opt-out-question', { network: adapter.displayName, portals: portals.length });
    await this.#ask(call, 'opt-out', network, texts.versioned('opt-out-question', body));
  }

  /**
   * The open question that an event could answer.
   * @returns `undefined` when there is none, when it is older than a day, or was asked after the event had come in.
   */
  async pending(event: RoomEvent, receivedAtMs: number): Promise<Dialogue | undefined> {
    const { storage } = this.#parts;
    const room = await storage.database.transaction(
      async (tx) => await storage.managementRooms.find(tx, event.room_id),
    );
    if (room?.dialogue === undefined) return undefined;
    const dialogue = parseDialogue(room.dialogue);
    const ageMs = receivedAtMs - dialogue.askedAtMs;
    return ageMs > 0 && ageMs < QUESTION_LIFETIME_MS ? dialogue : undefined;
  }

  /** The person said yes or no to the open question. */
  async answer(call: CommandCall, dialogue: Dialogue, yes: boolean): Promise<void> {
    const network = this.#parts.networks.get(dialogue.network);
    if (!yes || network === undefined) {
      await this.close(call.event.room_id);
      const name = network?.adapter.displayName ?? dialogue.network;
      await call.reply(dialogue.kind === 'opt-in' ? 'opt-in-declined' : 'opt-out-kept', { network: name });
      return;
    }
    if (dialogue.kind === 'opt-in') await this.#optIn(call, dialogue, network);
    else await this.#optOut(call, dialogue, network);
  }

  async #optIn(call: CommandCall, dialogue: Dialogue, network: NetworkPart): Promise<void> {
    const { storage } = this.#parts;
    const now = this.#optInText(network);
    if (now.sha256 !== dialogue.textSha256) {
      await call.reply('opt-in-changed');
      await this.#ask(call, 'opt-in', network, now);
      return;
    }
    const account = await storage.database.transaction(async (tx) => {
      await this.#writeLedger(tx, call, dialogue);
      const made = await storage.accounts.insert(tx, network.adapter.id, call.user);
      await network.signal.createDevice(tx, made);
      await storage.managementRooms.saveDialogue(tx, call.event.room_id, undefined);
      await call.settle(tx);
      return made;
    });
    this.#enlistments.wake(account.id);
    await call.reply('opt-in-enlisting', { network: network.adapter.displayName });
  }

  async #optOut(call: CommandCall, dialogue: Dialogue, network: NetworkPart): Promise<void> {
    const { storage } = this.#parts;
    const account = await storage.database.transaction(async (tx) => {
      const found = await storage.accounts.find(tx, network.adapter.id, call.user);
      await this.#writeLedger(tx, call, dialogue);
      if (found !== undefined) await storage.accounts.saveState(tx, found.id, 'leaving');
      await storage.managementRooms.saveDialogue(tx, call.event.room_id, undefined);
      await call.settle(tx);
      return found;
    });
    if (account !== undefined) this.#enlistments.wake(account.id);
    await call.reply('opt-out-begun', { network: network.adapter.displayName });
  }

  #optInText(network: NetworkPart): VersionedText {
    const { texts } = this.#parts;
    const name = { network: network.adapter.displayName };
    const lines = boundaryLines(networkFacts(this.#parts, network), texts);
    const body = [texts.say('opt-in-notice', name), ...lines, texts.say('opt-in-question', name)].join('\n');
    return texts.versioned('opt-in-notice', body);
  }

  async #ask(
    call: CommandCall,
    kind: Dialogue['kind'],
    network: NetworkPart,
    text: VersionedText,
  ): Promise<void> {
    const askedAtMs = this.#parts.clock.nowMs();
    const question = await call.replyWith(text.body, text.sha256);
    const dialogue: Dialogue = {
      kind,
      network: network.adapter.id,
      question,
      textId: text.id,
      textVersion: text.version,
      textSha256: text.sha256,
      askedAtMs,
    };
    const { storage } = this.#parts;
    await storage.database.transaction(
      async (tx) =>
        await storage.managementRooms.saveDialogue(tx, call.event.room_id, JSON.stringify(dialogue)),
    );
  }

  /** Forgets the open question of a room; harmless when there is none. */
  async close(room: RoomId): Promise<void> {
    const { storage } = this.#parts;
    await storage.database.transaction(
      async (tx) => await storage.managementRooms.saveDialogue(tx, room, undefined),
    );
  }

  async #writeLedger(
    tx: Parameters<CommandCall['settle']>[0],
    call: CommandCall,
    dialogue: Dialogue,
  ): Promise<void> {
    await this.#parts.storage.consents.insert(tx, {
      user: call.user,
      network: dialogue.network,
      action: dialogue.kind,
      textId: dialogue.textId,
      textVersion: dialogue.textVersion,
      textSha256: dialogue.textSha256,
      language: 'en',
      event: call.event.event_id,
    });
  }
}

function parseDialogue(json: string): Dialogue {
  const stored = JSON.parse(json) as Dialogue;
  return { ...stored, network: networkId(stored.network), question: eventId(stored.question) };
}
