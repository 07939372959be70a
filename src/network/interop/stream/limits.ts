/** The limits of the stream reader. */

export interface ReaderLimits {
  /** Bytes of one stanza as it came. RFC 6120 §13.12 wants at least 10,000. */
  readonly stanzaBytes: number;
  /** Elements inside one another, the stanza itself being the first. */
  readonly depth: number;
  /** Elements in one stanza. */
  readonly elements: number;
  /** Attributes of one element, namespace declarations included. */
  readonly attributes: number;
  /** UTF-16 units of a name or a prefix with its name. */
  readonly nameLength: number;
  /**
   * Bytes up to which a stanza that broke one of the limits above is read to its end, discarded and reported, rather
   * than the stream closed. 0: never. A server expands what a contact wrote (`"` becomes `&quot;`), and repeats what
   * was not acknowledged: were the stream closed over it, any contact could keep an account offline for good.
   */
  readonly discardBytes: number;
}

/** Before login nothing but the server speaks, and it has no reason to be lengthy. */
export const limitsBeforeLogin: ReaderLimits = {
  stanzaBytes: 10_000,
  depth: 32,
  elements: 1000,
  attributes: 32,
  nameLength: 256,
  discardBytes: 0,
};

/** Interop profile §4. Six times 256 KiB is what escaping can make of a stanza that the server took. */
export const limitsAfterLogin: ReaderLimits = {
  stanzaBytes: 256 * 1024,
  depth: 32,
  elements: 20_000,
  attributes: 32,
  nameLength: 256,
  discardBytes: 2 * 1024 * 1024,
};

/** Depth and attributes while discarding: what the parser itself keeps for them stays within a few megabytes. */
export const discardCount = 50_000;

/** What an archive wraps around a message; in depth a message is far from its limit. */
const forwardBytes = 8 * 1024;

/** The limits with room for a message that fits and comes out of the archive. */
export function withRoomToForward(limits: ReaderLimits): ReaderLimits {
  return { ...limits, stanzaBytes: limits.stanzaBytes + forwardBytes };
}
