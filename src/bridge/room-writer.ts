/**
 * What a contact's message becomes in the room. Everything goes under ids that a repeat finds again; what has to be
 * remembered about it is written by the caller, in the transaction that settles the message.
 */
import type { MatrixSide } from '../matrix/matrix.ts';
import type { SmallPicture } from '../media/media.ts';
import type {
  ChatContent,
  ChatEvent,
  EditContent,
  MediaContent,
  ReactionContent,
  RevokeContent,
} from '../model/chat-event.ts';
import { BridgeError, codeOf, hasCode } from '../model/errors.ts';
import { quoting, withPrefix } from '../model/formatted-text.ts';
import type { EventId, MatrixUserId, MessageId } from '../model/ids.ts';
import type { Account, MessageRecord, Reaction, Tx } from '../storage/storage.ts';
import { matrixTxnId } from './derived-ids.ts';
import { knownOf, missingOf } from './file-facts.ts';
import { type BridgeParts, networkOf, reasonText } from './parts.ts';
import type { PortalRooms, ReadyPortal } from './portal-rooms.ts';

/** A message of a contact, on its way into a room. */
export type Arrival = Readonly<{
  account: Account;
  portal: ReadyPortal;
  chat: ChatEvent;
  /** Holds the message's place in the room since it could not be decrypted at first. */
  placeholder: EventId | undefined;
  /** How often it was tried before. */
  attempts: number;
}>;

/** `events`: what stands in the room for it, in order; none when there is nothing to show. */
export type Written = Readonly<{
  events: readonly EventId[];
  /** In the transaction that settles the message. */
  remember?: (tx: Tx) => Promise<void>;
}>;

/** After so many attempts, over some twenty minutes, a file that cannot be fetched is told instead. */
const MOST_FETCHES = 9;

type JsonObject = ReturnType<MatrixSide['toReaction']>;

export class RoomWriter {
  readonly #parts: BridgeParts;
  readonly #portals: PortalRooms;

  readonly #signal: AbortSignal;

  /** @param signal ends transfers of files: they are begun again. */
  constructor(parts: BridgeParts, portals: PortalRooms, signal: AbortSignal) {
    this.#signal = signal;
    this.#parts = parts;
    this.#portals = portals;
  }

  /** @throws BridgeError `matrix/…`: its `retry` says what the queue does. */
  async write(arrival: Arrival): Promise<Written> {
    const { content } = arrival.chat;
    switch (content.kind) {
      case 'reaction':
        return await this.#inPlaceOfNothing(arrival, await this.#react(arrival, content));
      case 'revoke':
        return await this.#inPlaceOfNothing(arrival, await this.#delete(arrival, content));
      case 'edit':
        return await this.#edit(arrival, content);
      default:
        return await this.#show(arrival, content);
    }
  }

  /** A file goes from the network's host to the homeserver; what cannot be had is told in its place. */
  async #file(arrival: Arrival, content: MediaContent): Promise<JsonObject> {
    const { media, matrix, texts } = this.#parts;
    const { account, portal, attempts } = arrival;
    try {
      const file = await media.fetch({ network: account.network, file: content, signal: this.#signal });
      try {
        const found = await media.inspect({
          open: async () => file.open(),
          kind: content.mediaKind,
          mime: content.mime,
          expectedBytes: file.sizeBytes,
          extras: [...missingOf(content), ...(content.mediaKind === 'image' ? ['thumbnail' as const] : [])],
          signal: this.#signal,
        });
        const shown = { ...content, ...knownOf(content, found), sizeBytes: file.sizeBytes };
        const { sizeBytes } = file;
        const uploaded = { mxc: await this.#upload(portal, file.open(), sizeBytes, shown.mime) };
        const thumbnail = found.thumbnail && (await this.#uploadThumbnail(portal, found.thumbnail));
        const userOf = (jid: string) => this.#userOf(account, portal, jid);
        return matrix.toFileContent(shown, uploaded, { userOf, ...(thumbnail && { thumbnail }) });
      } finally {
        await file.discard();
      }
    } catch (failure) {
      const isFinal = failure instanceof BridgeError && failure.retry !== 'later';
      // A host that stays away must not hold up what the contact writes for ever.
      const isOfMedia = codeOf(failure).startsWith('media/');
      if (!isFinal && !(isOfMedia && attempts >= MOST_FETCHES)) throw failure;
      const contact = portal.contact.slice(0, portal.contact.indexOf('@'));
      const network = networkOf(this.#parts, account).adapter.displayName;
      const reason = reasonText(texts, failure, network);
      const [notice = {}] = matrix.toNoticeContents(texts.say('file-not-shown', { contact, reason }));
      return notice;
    }
  }

  async #upload(
    { ghost }: ReadyPortal,
    source: AsyncIterable<Uint8Array>,
    sizeBytes: number,
    contentType: string,
  ): Promise<string> {
    const file = { source, sizeBytes, contentType };
    return await this.#parts.matrix.uploadMedia({ as: ghost, file, signal: this.#signal });
  }

  async #uploadThumbnail(portal: ReadyPortal, { bytes, mime, width, height }: SmallPicture<Uint8Array>) {
    async function* source() {
      yield bytes;
    }
    const mxc = await this.#upload(portal, source(), bytes.length, mime);
    return { mxc, mime, width, height, sizeBytes: bytes.length };
  }

  async #show(arrival: Arrival, content: ChatContent): Promise<Written> {
    const { matrix } = this.#parts;
    const { placeholder } = arrival;
    // What takes a placeholder's place cannot be made a reply any more (specification, "Applying m.new_content").
    const answered = placeholder === undefined ? await this.#findAnswered(arrival) : undefined;
    const shown = answered === undefined ? quotingAnswered(arrival.chat, content) : content;
    const events: EventId[] = [];
    const contents =
      shown.kind === 'media' ? [await this.#file(arrival, shown)] : this.#contentsOf(arrival, shown);
    for (const [index, written] of contents.entries()) {
      const isFirst = index === 0;
      const wish = isFirst && answered !== undefined ? matrix.asReply(answered, written) : written;
      const replaces = isFirst ? placeholder : undefined;
      const sent = await this.#send(
        arrival,
        String(index),
        'm.room.message',
        replaces === undefined ? wish : matrix.asReplacement(replaces, wish),
      );
      events.push(replaces ?? sent);
    }
    return { events };
  }

  /** The new words take the place of the first event; what the old ones had beyond it is taken away. */
  async #edit(arrival: Arrival, edit: EditContent): Promise<Written> {
    const { storage, matrix } = this.#parts;
    const { portal } = arrival;
    const parts = await this.#partsOf(portal, edit.target);
    const [first, ...more] = parts;
    const text: ChatContent = { kind: 'text', body: edit.body, ranges: edit.ranges };
    if (first === undefined) return await this.#show(arrival, this.#noted(text));
    if (first.deletedAtMs !== undefined) return await this.#inPlaceOfNothing(arrival, { events: [] });
    const [head = {}, ...rest] = this.#contentsOf(arrival, text);
    const changed = await this.#send(arrival, '0', 'm.room.message', matrix.asReplacement(first.event, head));
    const added: EventId[] = [];
    for (const [index, content] of rest.entries())
      added.push(await this.#send(arrival, String(index + 1), 'm.room.message', content));
    for (const old of more) await this.#redact(arrival, old.event);
    await this.#inPlaceOfNothing(arrival, { events: [] });
    const lastPart = parts.at(-1)?.part ?? 0;
    return {
      events: [changed],
      remember: async (tx) => {
        // They belong to the message that was edited: the next edit, or its deletion, takes them away.
        for (const [index, event] of added.entries())
          await storage.messages.insert(tx, { ...first, part: lastPart + 1 + index, event });
      },
    };
  }

  async #delete(arrival: Arrival, { target }: RevokeContent): Promise<Written> {
    const { storage } = this.#parts;
    const parts = await this.#partsOf(arrival.portal, target);
    const [first] = parts;
    if (first === undefined || first.isRemark || first.deletedAtMs !== undefined) return { events: [] };
    const events: EventId[] = [];
    for (const { event } of parts) events.push(await this.#redact(arrival, event));
    return {
      events: events.slice(0, 1),
      remember: async (tx) => {
        await storage.messages.saveDeleted(tx, first);
        await storage.reactions.deleteTo(tx, first.portal, 'inbound', target);
      },
    };
  }

  async #react(arrival: Arrival, reaction: ReactionContent): Promise<Written> {
    const { storage, matrix, texts } = this.#parts;
    const { account, portal } = arrival;
    const { emoji } = reaction;
    const to = {
      portal: portal.id,
      direction: 'inbound',
      targetDirection: reaction.targetIsOwn ? 'inbound' : 'outbound',
      target: reaction.target,
    } as const;
    const { record, standing } = await storage.database.transaction(async (tx) => ({
      record: await storage.messages.find(tx, portal.id, to.targetDirection, to.target),
      standing: await storage.reactions.listTo(tx, account, to),
    }));
    if (reaction.remove) {
      const meant = standing.filter((it) => emoji === '' || it.emoji === emoji);
      return await this.#withoutReactions(arrival, meant);
    }
    if (standing.some((it) => it.emoji === emoji) || record?.deletedAtMs !== undefined) return { events: [] };
    if (record === undefined) {
      const contact = portal.contact.slice(0, portal.contact.indexOf('@'));
      const [notice = {}] = matrix.toNoticeContents(texts.say('reaction-to-unknown', { contact, emoji }));
      return { events: [await this.#send(arrival, 'note', 'm.room.message', notice)] };
    }
    const isOneEach = account.enlistment?.limits.oneReactionEach === true;
    const replaced = isOneEach ? await this.#withoutReactions(arrival, standing) : undefined;
    const event = await this.#send(arrival, '0', 'm.reaction', matrix.toReaction(record.event, emoji));
    return {
      events: [event],
      remember: async (tx) => {
        await replaced?.remember?.(tx);
        await storage.reactions.insert(tx, account, { ...to, event, emoji });
      },
    };
  }

  async #withoutReactions(arrival: Arrival, reactions: readonly Reaction[]): Promise<Written> {
    const { storage } = this.#parts;
    const events: EventId[] = [];
    for (const { event } of reactions) events.push(await this.#redact(arrival, event));
    return {
      events: events.slice(0, 1),
      remember: async (tx) => {
        for (const { event } of reactions) await storage.reactions.delete(tx, event);
      },
    };
  }

  /** A placeholder that kept the place of a message turns out to have kept the place of none. */
  async #inPlaceOfNothing(arrival: Arrival, written: Written): Promise<Written> {
    if (arrival.placeholder !== undefined) await this.#redact(arrival, arrival.placeholder);
    return written;
  }

  #contentsOf({ account, portal }: Arrival, content: ChatContent): readonly JsonObject[] {
    const { matrix, texts } = this.#parts;
    const contact = portal.contact.slice(0, portal.contact.indexOf('@'));
    const what = content.kind === 'unsupported' ? content.what : content.kind;
    const note = texts.say('unsupported-inbound', { contact, what });
    const shown =
      content.kind === 'boundary-notice'
        ? { ...content, text: texts.say('contact-told-us', { contact, text: content.text }) }
        : content;
    return matrix.toEventContents(shown, note, {
      userOf: (jid) => this.#userOf(account, portal, jid),
    });
  }

  /** Whom a message may mention: the two who are in the conversation. */
  #userOf(account: Account, portal: ReadyPortal, jid: string): MatrixUserId | undefined {
    if (jid === account.enlistment?.jid) return account.user;
    return jid === portal.contact ? portal.ghost : undefined;
  }

  /** The event that the message answers, if it is in the room. */
  async #findAnswered({ portal, chat: { reply } }: Arrival): Promise<EventId | undefined> {
    if (reply === undefined) return undefined;
    const direction = reply.targetIsOwn ? 'inbound' : 'outbound';
    const { storage } = this.#parts;
    const record = await storage.database.transaction(
      async (tx) => await storage.messages.find(tx, portal.id, direction, reply.target),
    );
    return record?.deletedAtMs === undefined ? record?.event : undefined;
  }

  async #partsOf(portal: ReadyPortal, message: MessageId): Promise<MessageRecord[]> {
    const { storage } = this.#parts;
    return await storage.database.transaction(
      async (tx) => await storage.messages.listParts(tx, portal.id, 'inbound', message),
    );
  }

  #noted(text: ChatContent & { kind: 'text' }): ChatContent {
    return { ...text, ...withPrefix(`${this.#parts.texts.say('edit-of-unknown')} `, text) };
  }

  async #send(arrival: Arrival, key: string, type: string, content: JsonObject): Promise<EventId> {
    const { portal } = arrival;
    const txnId = await this.#txnId(arrival, key);
    return await this.#orRepair(portal, async () =>
      this.#parts.matrix.send({ room: portal.room, as: portal.ghost, type, content, txnId }),
    );
  }

  async #redact(arrival: Arrival, event: EventId): Promise<EventId> {
    const { portal } = arrival;
    const txnId = await this.#txnId(arrival, `redact ${event}`);
    return await this.#orRepair(portal, async () =>
      this.#parts.matrix.redact({ room: portal.room, as: portal.ghost, eventId: event, txnId }),
    );
  }

  async #txnId({ account, portal, chat }: Arrival, key: string): Promise<string> {
    const { storage } = this.#parts;
    const secret = await storage.database.transaction(async (tx) => await storage.idSecret(tx));
    const network = networkOf(this.#parts, account).adapter.id;
    return matrixTxnId(secret, portal.ghost, 'inbound', network, account.id, chat.id, key);
  }

  async #orRepair<T>(portal: ReadyPortal, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (failure) {
      if (hasCode(failure, 'matrix/forbidden') || hasCode(failure, 'matrix/notFound')) {
        await this.#portals.repair(portal);
      }
      throw failure;
    }
  }
}

/** What is answered is not in the room: its first words stand before the answer, if the contact's app told them. */
function quotingAnswered({ reply }: ChatEvent, content: ChatContent): ChatContent {
  if (reply === undefined || content.kind !== 'text') return content;
  return { ...content, ...quoting(reply.excerpt, content) };
}
