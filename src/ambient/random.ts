/** The machine's source of chance. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Random } from '../model/ambient.ts';

const FRACTION_BYTES = 6;

/** Node's cryptographically secure generator, for all three. */
export const systemRandom: Random = {
  bytes: (length) => randomBytes(length),
  uuid: () => randomUUID(),
  fraction: () => randomBytes(FRACTION_BYTES).readUIntBE(0, FRACTION_BYTES) / 2 ** (8 * FRACTION_BYTES),
};
