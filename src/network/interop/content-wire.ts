/**
 * The messages of `proto/interop.proto` as protobufjs gives and takes them, and the numbers of its enums. A decoded
 * message has every field: '', 0, empty bytes and `null` stand for what was not sent, as proto3 defines.
 */
import type { FormattingStyle, MediaKind } from '../../model/chat-event.ts';

export interface WireRange {
  readonly start: number;
  readonly length: number;
  readonly style: number;
  readonly value: string;
}

export interface WireText {
  readonly body: string;
  readonly ranges: readonly WireRange[];
}

export interface WireReply {
  readonly target: Uint8Array;
  readonly targetIsOwn: boolean;
  readonly excerpt: string;
}

export interface WireMedia {
  readonly kind: number;
  readonly url: string;
  readonly key: Uint8Array;
  readonly digest: Uint8Array;
  readonly size: number;
  readonly mime: string;
  readonly fileName: string;
  readonly caption: WireText | null;
  readonly width: number;
  readonly height: number;
  readonly durationMs: number;
  readonly blurhash: string;
  readonly waveform: Uint8Array;
  readonly thumbnail: WireMedia | null;
  readonly inlineThumbnail: Uint8Array;
}

/** Each possible body under its name in the schema. */
export interface WireBodies {
  readonly text: WireText;
  readonly media: WireMedia;
  readonly reaction: Readonly<{ target: Uint8Array; targetIsOwn: boolean; emoji: string; remove: boolean }>;
  readonly edit: Readonly<{ target: Uint8Array; text: WireText | null }>;
  readonly revoke: Readonly<{ target: Uint8Array }>;
  readonly location: Readonly<{ latitude: number; longitude: number; name: string }>;
  readonly contactCard: Readonly<{ displayName: string; vcard: string }>;
  readonly boundaryNotice: Readonly<{
    operatorName: string;
    operatorContact: string;
    mode: string;
    text: string;
  }>;
}

export interface WireHead {
  readonly id: Uint8Array;
  readonly sentAtMs: number;
  readonly reply: WireReply | null;
  readonly expiresInS: number;
}

/** A message with its one body. */
export type WireContent = WireHead & Partial<WireBodies>;

/** `body` is the name of the body that was set last, which counts (protobuf, "Oneof"); absent: none that we know. */
export type DecodedContent = WireContent & { readonly body?: keyof WireBodies };

/** By number in the schema; 0 is unspecified. */
export const wireStyles = [
  undefined,
  'bold',
  'italic',
  'strikethrough',
  'code',
  'code-block',
  'quote',
  'bullet-list',
  'numbered-list',
  'link',
  'mention',
] as const satisfies readonly (FormattingStyle | undefined)[];

/** By number in the schema; 0 is unspecified. */
export const wireMediaKinds = [
  undefined,
  'image',
  'video',
  'audio',
  'voice',
  'file',
] as const satisfies readonly (MediaKind | undefined)[];

/** The styles whose range has a value. */
export const stylesWithValue: ReadonlySet<FormattingStyle> = new Set(['link', 'mention', 'code-block']);
