/**
 * What an event of the user becomes on the network: refused with a reason, degraded, or sent as one message or several.
 * References to earlier events are turned into the ids that the contact's app knows.
 */
import type { MatrixAttachment, MatrixMessage, MatrixReference, RoomEvent } from '../matrix/matrix.ts';
import type { SendableKind } from '../model/capabilities.ts';
import type { ChatContent, FormattedText, Reply, TextContent } from '../model/chat-event.ts';
import { hasCode } from '../model/errors.ts';
import { withPrefix } from '../model/formatted-text.ts';
import type { EventId } from '../model/ids.ts';
import { splitText } from '../model/split-text.ts';
import type { Account, Enlistment, FateArguments, MessageRecord, Portal, Tx } from '../storage/storage.ts';
import { matrixTxnId } from './derived-ids.ts';
import { bridgeErrors } from './errors.ts';
import { knownOf, missingOf } from './file-facts.ts';
import type { BridgeParts } from './parts.ts';
import { localpartOf } from './user-names.ts';

/** What the rules foresee: `reason` is the id of the text for the sender, `args` what it names. */
export type Refusal = Readonly<{ kind: 'refused'; reason: string; args: FateArguments }>;
type Nothing = Readonly<{ kind: 'nothing' }>;

/** Whether the rules let an event pass at all. */
export type Checked = Refusal | Nothing | Readonly<{ kind: 'message'; message: MatrixMessage }>;

/** One message to the contact. */
export type OutgoingPart = Readonly<{ content: ChatContent; reply?: Reply }>;

export type Outgoing = Readonly<{
  kind: 'send';
  /** At least one; they go in this order, all or none. */
  parts: readonly OutgoingPart[];
  /** In the transaction that queues them. */
  remember?: (tx: Tx) => Promise<void>;
}>;

/** UTF-8 bytes of one text: with its ranges and in base64 it fits a stanza (interop profile §4). */
const MAX_TEXT_BYTES = 96 * 1_024;
/** Code points of an answered message that go along, for apps that do not hold it. */
const EXCERPT_LENGTH = 100;

export class OutboundContent {
  readonly #parts: BridgeParts;

  readonly #signal: AbortSignal;

  /** @param signal ends transfers of files: they are begun again. */
  constructor(parts: BridgeParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  /** @throws BridgeError `bridge/accountNotActive`: not yet. */
  check(account: Account, event: RoomEvent): Checked {
    const message = this.#parts.matrix.fromRoomEvent(event, {
      contactOf: (user) => this.#contactOf(account, user),
    });
    if (message === undefined) return { kind: 'nothing' };
    const { content } = message;
    if (event.sender !== account.user) {
      // What a moderator or an administrator takes away is taken away here; the contact has it from the user.
      if (content.kind === 'redaction') return { kind: 'nothing' };
      return refused('reason-not-your-chat', { owner: account.user });
    }
    if (account.state === 'leaving') return refused('reason-not-connected');
    if (account.state === 'suspended') return refused('reason-network-suspended');
    if (account.state !== 'active' || account.enlistment === undefined) {
      throw bridgeErrors.accountNotActive({ account: account.id });
    }
    if (content.kind === 'unsupported') {
      return content.what === 'encrypted'
        ? refused('reason-encrypted')
        : refused('reason-unsupported', { what: content.what });
    }
    return { kind: 'message', message };
  }

  /** @throws BridgeError `matrix/…` when what is answered cannot be asked for now. */
  async resolve(
    account: Account,
    portal: Portal,
    event: RoomEvent,
    message: MatrixMessage,
  ): Promise<Outgoing | Refusal | Nothing> {
    const { enlistment } = account;
    if (enlistment === undefined) throw bridgeErrors.accountNotActive({ account: account.id });
    const step: Step = { account, enlistment, portal, event, message };
    const { content } = message;
    switch (content.kind) {
      case 'text':
        return await this.#text(step, content);
      case 'location':
        return await this.#withReply(step, takes(step, 'location') ? content : asText(content));
      case 'replacement':
        return await this.#edit(step, content);
      case 'annotation':
        return await this.#react(step, content);
      case 'redaction':
        return await this.#delete(step, content.target);
      case 'attachment':
        return await this.#file(step, content);
      default:
        return refused('reason-unsupported', { what: content.kind });
    }
  }

  async #text(step: Step, content: TextContent): Promise<Outgoing | Refusal> {
    if (!takes(step, 'text')) return refuses('text');
    const parts = cut(step, toned(step, content));
    const [first, ...rest] = parts;
    if (first === undefined) return refused('reason-unsupported', { what: 'malformed' });
    const head = await this.#withReply(step, { kind: 'text', ...first });
    return {
      ...head,
      parts: [...head.parts, ...rest.map((text): OutgoingPart => ({ content: { kind: 'text', ...text } }))],
    };
  }

  /** Encrypts the file for the contact and hosts it; a repeat finds it hosted. */
  async #file(step: Step, file: MatrixAttachment): Promise<Outgoing | Refusal> {
    const { storage, media } = this.#parts;
    const { account, event, enlistment } = step;
    if (!takes(step, 'media')) return refuses(file.mediaKind);
    const rule = enlistment.media?.[file.mediaKind];
    if (rule?.types !== undefined && file.mime !== '' && !rule.types.includes(file.mime)) {
      return refused('reason-file-type', { type: file.mime });
    }
    const maxBytes = Math.min(enlistment.limits.mediaBytes, rule?.bytes ?? Number.POSITIVE_INFINITY);
    if (file.sizeBytes > maxBytes) return tooLargeFile(maxBytes);
    const reference = `event ${event.event_id}`;
    const { fileName, caption } = file;
    try {
      const hosted = await media.host({
        account,
        reference,
        open: async () => await this.#open(file, maxBytes),
        ...(file.sizeBytes > 0 ? { expectedBytes: file.sizeBytes } : {}),
        maxBytes,
        signal: this.#signal,
      });
      const found = await media.inspect({
        open: async () => await this.#open(file, maxBytes),
        kind: file.mediaKind,
        mime: file.mime,
        expectedBytes: hosted.sizeBytes,
        extras: [...missingOf(file), ...(file.mediaKind === 'image' ? ['preview' as const] : [])],
        signal: this.#signal,
      });
      const outgoing = await this.#withReply(step, {
        kind: 'media',
        ...knownOf(file, found),
        fileName,
        url: hosted.url,
        key: hosted.key,
        digest: hosted.digest,
        sizeBytes: hosted.sizeBytes,
        inlineThumbnail: found.preview?.bytes ?? new Uint8Array(),
        ...(caption === undefined ? {} : { caption }),
      });
      return {
        ...outgoing,
        remember: async (tx) => await storage.hostedMedia.forgetFacts(tx, account.id, reference),
      };
    } catch (failure) {
      if (hasCode(failure, 'matrix/fileTooLarge') || hasCode(failure, 'media/tooLarge')) {
        return tooLargeFile(maxBytes);
      }
      throw failure;
    }
  }

  async #open({ source }: MatrixAttachment, maxBytes: number): Promise<AsyncIterable<Uint8Array>> {
    const { matrix, media } = this.#parts;
    const key = 'mxc' in source ? undefined : media.parseEncryptedFile(source.encryptedFile);
    const mxc = 'mxc' in source ? source.mxc : (key?.url ?? '');
    const { body } = await matrix.downloadMedia({ mxc, maxBytes, signal: this.#signal });
    return key === undefined ? body : media.decryptMatrixFile(body, key);
  }

  async #edit(
    step: Step,
    edit: Extract<MatrixReference, { kind: 'replacement' }>,
  ): Promise<Outgoing | Refusal> {
    const { portal, enlistment } = step;
    const text = toned(step, edit);
    const records = await this.#recordsOf(portal, edit.target);
    const [first, ...more] = records;
    if (first?.direction !== 'outbound' || first.deletedAtMs !== undefined) {
      return refused('reason-target-unknown');
    }
    // An app that knows no edits gets the new words as a message of their own, as clients show them to one another.
    if (!takes(step, 'edit')) {
      const parts = cut(step, withPrefix('* ', text));
      return { kind: 'send', parts: parts.map((part) => ({ content: { kind: 'text', ...part } })) };
    }
    const { editS, textCharacters } = enlistment.limits;
    if (editS !== undefined && this.#ageS(first) > editS) {
      return refused('reason-edit-too-late', { minutes: Math.floor(editS / 60) });
    }
    if (cut(step, text).length > 1) {
      return refused('reason-too-long', { length: [...text.body].length, limit: textCharacters });
    }
    // What the old words had beyond one message is taken away: the new ones fit.
    const obsolete = takes(step, 'revoke') ? more.filter(({ deletedAtMs }) => deletedAtMs === undefined) : [];
    return {
      kind: 'send',
      parts: [
        { content: { kind: 'edit', target: first.message, ...text } },
        ...obsolete.map(({ message }): OutgoingPart => ({ content: { kind: 'revoke', target: message } })),
      ],
      remember: async (tx) => {
        for (const record of obsolete) await this.#parts.storage.messages.saveDeleted(tx, record);
      },
    };
  }

  async #react(
    step: Step,
    { target, emoji }: Extract<MatrixReference, { kind: 'annotation' }>,
  ): Promise<Outgoing | Refusal> {
    const { storage } = this.#parts;
    const { account, portal, event } = step;
    if (!takes(step, 'reaction')) return refuses('reaction');
    const [record] = await this.#recordsOf(portal, target);
    if (record === undefined || record.deletedAtMs !== undefined) return refused('reason-target-unknown');
    const to = {
      portal: portal.id,
      direction: 'outbound',
      targetDirection: record.direction,
      target: record.message,
    } as const;
    const replaced = step.enlistment.limits.oneReactionEach
      ? await storage.database.transaction(async (tx) => await storage.reactions.listTo(tx, account, to))
      : [];
    for (const { event: old } of replaced) await this.#takeAway(portal, old);
    const targetIsOwn = record.direction === 'outbound';
    return {
      kind: 'send',
      parts: [{ content: { kind: 'reaction', target: record.message, targetIsOwn, emoji, remove: false } }],
      remember: async (tx) => {
        for (const { event: old } of replaced) await storage.reactions.delete(tx, old);
        await storage.reactions.insert(tx, account, { ...to, event: event.event_id, emoji });
      },
    };
  }

  async #delete(step: Step, target: EventId): Promise<Outgoing | Refusal | Nothing> {
    const { storage } = this.#parts;
    const { account, portal, enlistment } = step;
    const reaction = await storage.database.transaction(
      async (tx) => await storage.reactions.findByEvent(tx, account, portal.id, target),
    );
    if (reaction?.direction === 'outbound') {
      const targetIsOwn = reaction.targetDirection === 'outbound';
      const { target: of, emoji } = reaction;
      return {
        kind: 'send',
        parts: [{ content: { kind: 'reaction', target: of, targetIsOwn, emoji, remove: true } }],
        remember: async (tx) => await storage.reactions.delete(tx, target),
      };
    }
    const records = (await this.#recordsOf(portal, target)).filter((it) => it.deletedAtMs === undefined);
    const [first] = records;
    // A message of the contact's is taken away on this side only; what never crossed is gone already.
    if (first?.direction !== 'outbound') return { kind: 'nothing' };
    if (!takes(step, 'revoke')) return refused('reason-delete-unknown');
    const { deleteS } = enlistment.limits;
    if (deleteS !== undefined && this.#ageS(first) > deleteS) {
      return refused('reason-delete-too-late', { hours: Math.floor(deleteS / 3_600) });
    }
    return {
      kind: 'send',
      parts: records.map(({ message }) => ({ content: { kind: 'revoke', target: message } })),
      remember: async (tx) => {
        for (const record of records) {
          await storage.messages.saveDeleted(tx, record);
          // Nobody gets again what was taken back.
          await storage.sentMessages.delete(tx, account.id, record.message);
          await storage.reactions.deleteTo(tx, portal.id, 'outbound', record.message);
        }
      },
    };
  }

  async #withReply(step: Step, content: ChatContent): Promise<Outgoing> {
    const reply = await this.#replyOf(step);
    return { kind: 'send', parts: [{ content, ...(reply === undefined ? {} : { reply }) }] };
  }

  /** What the message answers, if the contact has it. */
  async #replyOf({ portal, event, message }: Step): Promise<Reply | undefined> {
    if (message.replyTo === undefined) return undefined;
    const { matrix } = this.#parts;
    const [record] = await this.#recordsOf(portal, message.replyTo);
    if (record === undefined || record.deletedAtMs !== undefined) return undefined;
    const answered = await matrix.findEvent({ room: event.room_id, eventId: message.replyTo });
    const content = answered && matrix.fromRoomEvent(answered)?.content;
    const words = content !== undefined && 'body' in content ? content.body : '';
    return {
      target: record.message,
      targetIsOwn: record.direction === 'outbound',
      excerpt: [...words.slice(0, EXCERPT_LENGTH * 2)].slice(0, EXCERPT_LENGTH).join(''),
    };
  }

  /** The messages that an event became, in order; none where it is about another one. */
  async #recordsOf(portal: Portal, event: EventId): Promise<MessageRecord[]> {
    const { storage } = this.#parts;
    const records = await storage.database.transaction(
      async (tx) => await storage.messages.listOfEvent(tx, portal.id, event),
    );
    return records.filter((record) => !record.isRemark);
  }

  async #takeAway(portal: Portal, event: EventId): Promise<void> {
    const { storage, matrix } = this.#parts;
    if (portal.room === undefined) return;
    const secret = await storage.database.transaction(async (tx) => await storage.idSecret(tx));
    const txnId = matrixTxnId(secret, matrix.botUserId, 'reaction-replaced', portal.room, event);
    await matrix.redact({ room: portal.room, as: matrix.botUserId, eventId: event, txnId });
  }

  #ageS({ sentAtMs }: MessageRecord): number {
    return (this.#parts.clock.nowMs() - sentAtMs) / 1_000;
  }

  /** Whom a message may mention: the two who are in the conversation, as the network names them. */
  #contactOf(account: Account, user: string): string | undefined {
    if (user === account.user) return account.enlistment?.jid;
    const ghost = this.#parts.matrix.parseGhost(user);
    return ghost?.network === account.network ? ghost.contact : undefined;
  }
}

type Step = Readonly<{
  account: Account;
  enlistment: Enlistment;
  portal: Portal;
  event: RoomEvent;
  message: MatrixMessage;
}>;

function takes({ enlistment }: Step, kind: SendableKind): boolean {
  return enlistment.capabilities.includes(kind);
}

function refused(reason: string, args: FateArguments = {}): Refusal {
  return { kind: 'refused', reason, args };
}

function tooLargeFile(maxBytes: number): Refusal {
  return refused('reason-file-too-large', { megabytes: Math.floor(maxBytes / 1_000_000) });
}

function refuses(what: string): Refusal {
  return refused('reason-network-refuses', { what });
}

/** An emote names its author, as clients show it. */
function toned({ message, event }: Step, text: FormattedText): FormattedText {
  const { body, ranges } = text;
  return message.tone === 'emote'
    ? withPrefix(`* ${localpartOf(event.sender)} `, { body, ranges })
    : { body, ranges };
}

/** As many texts as the network's limit, and a stanza's, make of it. */
function cut({ enlistment }: Step, text: FormattedText): readonly FormattedText[] {
  return splitText(text, enlistment.limits.textCharacters).flatMap((part) =>
    splitText(part, MAX_TEXT_BYTES, (point) => Buffer.byteLength(point)),
  );
}

function asText({ latitude, longitude, name }: Extract<ChatContent, { kind: 'location' }>): TextContent {
  const link = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}`;
  return { kind: 'text', body: `📍 ${name === '' ? '' : `${name}\n`}${link}`, ranges: [] };
}
