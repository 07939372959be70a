/** JIDs as far as a stream compares them: RFC 6122 §2.1 shape, ASCII case folded in the bare part. */

/** RFC 7622 §3.1: 1023 bytes a part and two separators. */
const MAX_JID_BYTES = 3071;

/** The part before the resource. */
export function bareOf(jid: string): string {
  const slash = jid.indexOf('/');
  return slash === -1 ? jid : jid.slice(0, slash);
}

/** The part after `@`, without the resource. */
export function hostOf(jid: string): string {
  const bare = bareOf(jid);
  return bare.slice(bare.indexOf('@') + 1);
}

/** Whether both name one entity. The resource counts, in its case; a server may spell the bare part in another one. */
export function isSameJid(a: string, b: string): boolean {
  return foldBare(a) === foldBare(b);
}

/** Whether it has the shape of a JID: `[local@]domain[/resource]`, no empty part, no control characters, not too long. */
export function isJid(text: string): boolean {
  return (
    Buffer.byteLength(text) <= MAX_JID_BYTES &&
    /^([^\s@/\p{Cc}]+@)?[^\s@/\p{Cc}]+(\/[^\p{Cc}]+)?$/u.test(text)
  );
}

function foldBare(jid: string): string {
  const bare = bareOf(jid);
  return bare.toLowerCase() + jid.slice(bare.length);
}
