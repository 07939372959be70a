/** Looks for what must not be readable, in whole files, in the forms in which a database, a dump or a log would hold it. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A name to tell it by, and the bytes. */
export type Hidden = Readonly<{ name: string; bytes: Buffer }>;

/** A JSON Web Token: two parts that begin as JSON objects do in base64url. */
const TOKEN = /eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/;

export function hidden(words: Readonly<Record<string, string | Uint8Array>>): Hidden[] {
  return Object.entries(words).map(([name, word]) => ({ name, bytes: Buffer.from(word) }));
}

/** `file: what was found there, and in which form`, for each find; also any token. */
export async function findHidden(files: readonly string[], wanted: readonly Hidden[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of files) {
    const held = await readFile(file);
    for (const { name, bytes } of wanted) {
      for (const [form, text] of Object.entries(formsOf(bytes))) {
        if (held.includes(text)) found.push(`${file}: ${name} (${form})`);
      }
    }
    if (TOKEN.test(held.toString('latin1'))) found.push(`${file}: a token`);
  }
  return found;
}

/** All files below a folder, absolute. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

/** As it is, as JSON escapes it, in hexadecimal, and in base64 wherever in a group of three it begins. */
function formsOf(bytes: Buffer): Record<string, Buffer | string> {
  const base64 = [0, 1, 2].map((shift) => {
    const whole = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    // The first and last characters mix with what stands beside.
    return whole.slice(shift === 0 ? 0 : shift + 1, -1);
  });
  return {
    plain: bytes,
    json: JSON.stringify(bytes.toString('utf8')).slice(1, -1),
    hex: bytes.toString('hex'),
    ...Object.fromEntries(base64.map((text, shift) => [`base64+${shift}`, text])),
  };
}
