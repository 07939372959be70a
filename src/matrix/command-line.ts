/** What a person typed to the bot, cut into words. Which commands there are is the core's knowledge. */
export interface CommandLine {
  /** In lower case; '' when only the prefix was typed. */
  readonly name: string;
  readonly args: readonly string[];
}

const CLOSING: Readonly<Record<string, string>> = { '"': '"', "'": "'", '“': '”', '„': '“', '«': '»' };

/**
 * Reads a command line: words between spaces; a word that begins with a quotation mark (also the curly ones that phones
 * put in) goes on to the closing one, or to the end where that is missing.
 * @param prefix such as `!bridge`; upper or lower case.
 * @param prefixNeeded false in the management room, where every message is a command, with prefix or without.
 * @returns `undefined` when it is not addressed to the bot.
 */
export function parseCommandLine(
  body: string,
  { prefix, prefixNeeded }: Readonly<{ prefix: string; prefixNeeded: boolean }>,
): CommandLine | undefined {
  const words = splitWords(body);
  if (words[0]?.toLowerCase() === prefix.toLowerCase()) words.shift();
  else if (prefixNeeded) return undefined;
  const [name = '', ...args] = words;
  return { name: name.toLowerCase(), args };
}

function splitWords(text: string): string[] {
  const words: string[] = [];
  let at = 0;
  while (at < text.length) {
    const start = text[at] ?? '';
    if (/\s/.test(start)) {
      at += 1;
      continue;
    }
    const closing = CLOSING[start];
    const end = closing === undefined ? nextSpace(text, at) : text.indexOf(closing, at + 1);
    const stop = end === -1 ? text.length : end;
    words.push(text.slice(closing === undefined ? at : at + 1, stop));
    at = closing === undefined ? stop : stop + 1;
  }
  return words;
}

function nextSpace(text: string, from: number): number {
  const space = /\s/g;
  space.lastIndex = from;
  return space.exec(text)?.index ?? -1;
}
