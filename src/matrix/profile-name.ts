// Synapse's MAX_DISPLAYNAME_LEN; the specification names no limit.
const MAX_CHARACTERS = 256;

/**
 * Makes a name that someone else chose fit for a profile or a room: no control characters, no marks that turn the
 * direction of writing for the text around it (a name could read as another one), spaces joined, 256 characters at most.
 * @returns '' when nothing is left.
 */
export function toProfileName(name: string): string {
  const cleaned = name
    .replace(/\p{Surrogate}/gu, '\ufffd')
    .replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim();
  return Array.from(cleaned.slice(0, 4 * MAX_CHARACTERS))
    .slice(0, MAX_CHARACTERS)
    .join('')
    .trim();
}
