/**
 * `sandbox.json`, in the folder of a running sandbox: what `drawbridge phone` needs to speak as a contact. Written by the
 * sandbox when it is up, readable by its owner only, since the secrets in it are logins.
 *
 * ```json
 * { "version": 1,
 *   "gatekeeper": { "door_url": "http://127.0.0.1:40001", "host": "127.0.0.1", "port": 40002, "ca_file": "/…/ca.pem" },
 *   "phones": [ { "name": "Bob", "jid": "bob@gk.example", "secret": "…", "keys_file": "/…/phones/bob.json" } ] }
 * ```
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

import { phoneErrors } from './phone-errors.ts';

const phoneSchema = z.object({
  name: z.string(),
  /** Bare. */
  jid: z.string(),
  secret: z.string(),
  /** Where the app keeps its Signal keys; absolute. */
  keys_file: z.string(),
});

const descriptionSchema = z.object({
  version: z.literal(1),
  gatekeeper: z.object({ door_url: z.url(), host: z.string(), port: z.number(), ca_file: z.string() }),
  phones: z.array(phoneSchema),
});

/** A contact whose app is not running in the sandbox itself. */
export type SandboxPhone = z.infer<typeof phoneSchema>;
export type SandboxDescription = z.infer<typeof descriptionSchema>;

const fileName = 'sandbox.json';

/** Written whole, so that a reader never sees half of it. Other members, for others, may stand beside. */
export async function writeSandboxDescription(dir: string, description: SandboxDescription): Promise<void> {
  const next = join(dir, `${fileName}.next`);
  await writeFile(next, `${JSON.stringify(description, null, 2)}\n`, { mode: 0o600 });
  await rename(next, join(dir, fileName));
}

/** @throws BridgeError `sandbox-phone/noSandbox`. */
export async function readSandboxDescription(dir: string): Promise<SandboxDescription> {
  const file = join(dir, fileName);
  try {
    return descriptionSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (failure) {
    throw phoneErrors.noSandbox({ file }, failure);
  }
}
