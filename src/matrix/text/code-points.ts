/** Characters as both sides count them: Unicode code points, one an element. */

/** Those that a browser takes as room between words, outside code. */
export function isSpace(point: string | undefined): boolean {
  return point === ' ' || point === '\n' || point === '\u00a0';
}

/** A homeserver refuses an unpaired surrogate, and no UTF-8 can hold one: it becomes U+FFFD. */
export function wellFormed(text: string): string {
  return text.toWellFormed();
}

/** How many code points a text has. */
export function countPoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
