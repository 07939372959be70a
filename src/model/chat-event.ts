/**
 * The neutral message: what crosses the bridge, in the words of neither side. `matrix/` and `network/` translate to and
 * from it; only `bridge/` sees both. It follows `proto/interop.proto`, with ids as text and numbers as numbers.
 */
import type { MessageId } from './ids.ts';

/** One message, to or from one contact. */
export interface ChatEvent {
  readonly id: MessageId;
  /** Epoch milliseconds by the sender's clock: 0 to 8.64e15, the range of `Date`. Not to be trusted for order. */
  readonly sentAtMs: number;
  /** Seconds after which both sides delete the message, 0 to 2^32 - 1; 0 means never. */
  readonly expiresInS: number;
  readonly reply?: Reply;
  readonly content: ChatContent;
}

/** The message that this one answers. */
export interface Reply {
  readonly target: MessageId;
  /** Whether the target was sent by the one who replies. */
  readonly targetIsOwn: boolean;
  /** The target's first characters, for clients that do not hold it; '' when not told. */
  readonly excerpt: string;
}

/** What a message says. A new kind does not compile until every place has decided about it. */
export type ChatContent =
  | TextContent
  | MediaContent
  | ReactionContent
  | EditContent
  | RevokeContent
  | LocationContent
  | ContactCardContent
  | BoundaryNoticeContent
  | UnsupportedContent;

export type ContentKind = ChatContent['kind'];

/** Words with styles over them. */
export interface FormattedText {
  /** Plain text, complete without the ranges. */
  readonly body: string;
  /** May overlap and nest, in no given order. Each lies within `body`; empty means plain. */
  readonly ranges: readonly FormattingRange[];
}

export type FormattingStyle =
  | 'bold'
  | 'italic'
  | 'strikethrough'
  | 'code'
  | 'code-block'
  | 'quote'
  | 'bullet-list'
  | 'numbered-list'
  | 'link'
  | 'mention';

/** A style over `body[start, start + length)`. */
export interface FormattingRange {
  /** Unicode code points from the beginning, from 0. Not UTF-16 units: an emoji counts once. */
  readonly start: number;
  /** Code points, from 1. */
  readonly length: number;
  readonly style: FormattingStyle;
  /** `link`: the URL. `mention`: the JID. `code-block`: the language, '' when not told. Others: ''. */
  readonly value: string;
}

export interface TextContent extends FormattedText {
  readonly kind: 'text';
}

export type MediaKind = 'image' | 'video' | 'audio' | 'voice' | 'file';

/** An encrypted file that is hosted somewhere. '' , 0 or no bytes: the sender did not tell. */
export interface MediaFile {
  readonly mediaKind: MediaKind;
  /** Where the ciphertext lies; as the sender gave it, not checked against the hosts that may be asked. */
  readonly url: string;
  /** 64 bytes: AES-256-CBC key, then HMAC-SHA256 key. */
  readonly key: Uint8Array;
  /** 32 bytes: SHA-256 over IV, ciphertext and MAC. */
  readonly digest: Uint8Array;
  /** Plaintext bytes before padding. */
  readonly sizeBytes: number;
  readonly mime: string;
  readonly fileName: string;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  readonly durationMs: number;
  readonly blurhash: string;
  /** A byte a sample, 0 to 255. */
  readonly waveform: Uint8Array;
}

export interface MediaContent extends MediaFile {
  readonly kind: 'media';
  readonly caption?: FormattedText;
  /** A hosted preview; excludes `inlineThumbnail`. */
  readonly thumbnail?: MediaFile;
  /** The preview itself: at most 4 KiB, none when empty. */
  readonly inlineThumbnail: Uint8Array;
}

export interface ReactionContent {
  readonly kind: 'reaction';
  readonly target: MessageId;
  /** Whether the target was sent by the one who reacts. */
  readonly targetIsOwn: boolean;
  readonly emoji: string;
  /** Takes an earlier reaction with this emoji away. */
  readonly remove: boolean;
}

/** Replaces the words of an earlier message of the same sender. */
export interface EditContent extends FormattedText {
  readonly kind: 'edit';
  readonly target: MessageId;
}

/** Asks to delete an earlier message of the same sender. */
export interface RevokeContent {
  readonly kind: 'revoke';
  readonly target: MessageId;
}

export interface LocationContent {
  readonly kind: 'location';
  /** Degrees, -90 to 90. */
  readonly latitude: number;
  /** Degrees, -180 to 180. */
  readonly longitude: number;
  /** '' when not told. */
  readonly name: string;
}

export interface ContactCardContent {
  readonly kind: 'contact-card';
  readonly displayName: string;
  /** RFC 6350, not parsed. */
  readonly vcard: string;
}

/** Sent once to a new contact: who operates the bridge, and that it decrypts there. */
export interface BoundaryNoticeContent {
  readonly kind: 'boundary-notice';
  readonly operatorName: string;
  readonly operatorContact: string;
  /** Whether the person runs the bridge, or a provider does for them. */
  readonly mode: 'own-endpoint' | 'provider';
  /** For people, in the language of the account. */
  readonly text: string;
}

/** Something was said that we cannot carry. Shown as a note, never dropped in silence. */
export interface UnsupportedContent {
  readonly kind: 'unsupported';
  /** A short word of ours for what it was (`edit`, `encrypted`, `unknown`): never the sender's words. */
  readonly what: string;
}

/** Whether it is about another message, and none itself. */
export function isRemark({ kind }: ChatContent): boolean {
  return kind === 'edit' || kind === 'reaction' || kind === 'revoke';
}
