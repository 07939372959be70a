/** Reads what the process says that looked at a file: it may have been taken over by the file. */
import { z } from 'zod';
import {
  type FindingsOf,
  PREVIEW_MAX_BYTES,
  THUMBNAIL_MAX_BYTES,
  WAVEFORM_SAMPLES,
} from './look/findings.ts';

const pixels = z.int().min(1).max(1_000_000);
const bytes = (maxBytes: number) =>
  z
    .base64()
    .min(4)
    .max(Math.ceil(maxBytes / 3) * 4)
    .transform((text): Uint8Array => Buffer.from(text, 'base64'));
const picture = (maxBytes: number) =>
  z.strictObject({
    bytes: bytes(maxBytes),
    mime: z.enum(['image/jpeg', 'image/webp']),
    width: pixels,
    height: pixels,
  });

const findings = z.strictObject({
  kind: z.enum(['image', 'video', 'audio', 'voice', 'file']).exactOptional(),
  mime: z
    .string()
    .max(128)
    .regex(/^[a-z]+\/[\w!#$&^.+-]+$/)
    .exactOptional(),
  width: pixels.exactOptional(),
  height: pixels.exactOptional(),
  isAnimated: z.boolean().exactOptional(),
  durationMs: z.int().min(1).max(0xffff_ffff).exactOptional(),
  waveform: bytes(WAVEFORM_SAMPLES).exactOptional(),
  // Its Base83 alphabet; two characters a component, of which we make twelve.
  blurhash: z
    .string()
    .regex(/^[0-9A-Za-z#$%*+,\-.:;=?@[\]^_{|}~]{6,64}$/)
    .exactOptional(),
  thumbnail: picture(THUMBNAIL_MAX_BYTES).exactOptional(),
  preview: picture(PREVIEW_MAX_BYTES).exactOptional(),
});

/** @param said lines. @returns what they say together, up to the first that is no finding: nothing after it is believed. */
export function parseFindings(said: string): FindingsOf<Uint8Array> {
  const all = {};
  for (const line of said.split('\n')) {
    const finding = parseLine(line);
    if (finding === undefined) break;
    Object.assign(all, finding);
  }
  return all;
}

function parseLine(line: string): FindingsOf<Uint8Array> | undefined {
  try {
    return findings.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined; // cut off where the process ended
  }
}
