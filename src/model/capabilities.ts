/** What the other side accepts, told at enlistment and at each login. The bridge obeys it: what is not named is degraded or refused. */
import type { ContentKind, MediaKind } from './chat-event.ts';

/** What is said about messages or about being there, besides messages. */
export type SignKind = 'read-marker' | 'typing';

/** What may be sent. */
export type SendableKind = ContentKind | SignKind;

export interface Capabilities {
  readonly kinds: ReadonlySet<SendableKind>;
  readonly limits: CapabilityLimits;
  /** Narrower rules for a kind of media; a kind that is not named is bound by `mediaBytes` only. */
  readonly media: Readonly<Partial<Record<MediaKind, MediaRule>>>;
}

export type CapabilityLimits = Readonly<{
  /** Unicode code points in the body of one text. */
  textCharacters: number;
  /** Bytes of one serialised stanza, encryption and base64 included. */
  stanzaBytes: number;
  /** Plaintext bytes of one file. */
  mediaBytes: number;
  /** For so long after it was sent a message may be edited; absent: always. */
  editS?: number;
  /** For so long after it was sent a message may be deleted for both; absent: always. */
  deleteS?: number;
  /** Whether a person's new reaction to a message takes the place of their earlier one. */
  oneReactionEach?: boolean;
}>;

export type MediaRule = Readonly<{
  /** Plaintext bytes. */
  bytes?: number;
  /** MIME types in lower case, such as `image/jpeg`; absent: all. */
  types?: readonly string[];
}>;
