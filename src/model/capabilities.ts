/** What the other side accepts, told at enlistment. The bridge obeys it: what is not named is degraded or refused. */
import type { ContentKind } from './chat-event.ts';

export interface Capabilities {
  /** The kinds of content that may be sent. */
  readonly kinds: ReadonlySet<ContentKind>;
  readonly limits: Readonly<{
    /** Unicode code points in the body of one text. */
    textCharacters: number;
    /** Bytes of one serialised stanza, encryption and base64 included. */
    stanzaBytes: number;
    /** Plaintext bytes of one file. */
    mediaBytes: number;
  }>;
}
