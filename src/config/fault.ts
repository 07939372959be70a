/** What is wrong with a configuration, in a form that a person can act on. */

/** Where a value stands: keys and list positions from the top. */
export type SettingPath = readonly (string | number)[];

export interface Fault {
  /** Empty for the file as a whole. */
  readonly path: SettingPath;
  /** Continues the sentence that the path begins: "must be …", "is missing". Never holds a secret. */
  readonly reason: string;
  /** Where the value comes from: `file:line:column`, the name of an environment variable, or the file alone. */
  readonly origin: string;
  /** The value as it may be shown; `undefined` where there is none or where it says nothing. */
  readonly value?: string | undefined;
  /** The known name that was probably meant. */
  readonly nearest?: string | undefined;
}

/** `listeners[1].port`; keys with other than word characters are quoted. */
export function pathText(path: SettingPath): string {
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      const quoted = /^[\w-]+$/.test(key) ? key : JSON.stringify(key);
      return index === 0 ? quoted : `.${quoted}`;
    })
    .join('');
}

/** One line: `config.yaml:12:5: listeners[1].port: must be at most 65535 (is 99999)`. */
export function faultLine(fault: Fault): string {
  const subject = fault.path.length === 0 ? '' : `${pathText(fault.path)}: `;
  const value = fault.value === undefined ? '' : ` (is ${fault.value})`;
  const hint = fault.nearest === undefined ? '' : `; did you mean ${fault.nearest}?`;
  return `${fault.origin}: ${subject}${fault.reason}${value}${hint}`;
}

/** Characters of a value that are told: room for a path, which is of no use when its end is cut off. */
const SHOWN_VALUE_LENGTH = 400;

/** A single value for a person: text in quotes, what is long cut; secrets are `[set]` or `[empty]`; lists and maps nothing. */
export function shownValue(value: unknown, secret: boolean): string | undefined {
  if (value === undefined) return undefined;
  if (secret) return value === '' ? '[empty]' : '[set]';
  if (typeof value === 'object' && value !== null) return undefined;
  // A URI in the wrong place may hold a password.
  const text = (JSON.stringify(value) ?? String(value)).replace(/\/\/[^\s/@]*@/g, '//…@');
  return text.length > SHOWN_VALUE_LENGTH ? `${text.slice(0, SHOWN_VALUE_LENGTH - 2)}…"` : text;
}
