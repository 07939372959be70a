/** Links that name a person on Matrix (specification, "matrix.to navigation" and "Matrix URI scheme"). */

/** The link that makes a mention of a user. */
export function toUserLink(user: string): string {
  return `https://matrix.to/#/${encodeURIComponent(user)}`;
}

/** @returns the user id as it is spelt there, not checked; `undefined` for a link to anything else. */
export function parseUserLink(address: string): string | undefined {
  const found =
    /^https?:\/\/matrix\.to\/#\/(@|%40)([^/?]+)(?:\?|$)/i.exec(address) ??
    /^(matrix):u\/([^/?]+)(?:\?|$)/i.exec(address);
  if (found?.[2] === undefined) return undefined;
  try {
    return `@${decodeURIComponent(found[2])}`;
  } catch {
    // Not a well-formed escape, so it names nobody.
    return undefined;
  }
}
