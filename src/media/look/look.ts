/** Looks at the bytes of one file. Everything here may meet input that was made to break it. */
import { decideType, findMime } from './file-type.ts';
import type { Findings, LookWish } from './findings.ts';
import { lookAtPicture } from './picture.ts';
import { lookAtSound, lookAtVoice } from './sound.ts';

/**
 * Says first what the file is, then what is in it, each thing as soon as it is known. What cannot be found out is left out:
 * it does not throw.
 * @param bytes of the file, from its beginning: all of it where they are fewer than `wish.limitBytes`.
 */
export async function* look(bytes: Uint8Array, wish: LookWish): AsyncGenerator<Findings> {
  const found = await orNothing(async () => await findMime(bytes));
  const { kind, mime } = decideType(wish, found);
  yield { kind, mime };
  if (found === undefined) return;
  const isWhole = bytes.length < wish.limitBytes;
  if (kind === 'image') yield* leftOut(lookAtPicture(bytes, found, { extras: wish.extras, isWhole }));
  if (!isWhole || kind === 'file' || kind === 'image') return;
  yield* leftOut(lookAtSound(bytes, mime));
  const wantsWaveform = kind === 'voice' && wish.extras.includes('waveform');
  if (wantsWaveform && mime === 'audio/ogg') yield* leftOut(lookAtVoice(bytes));
}

async function* leftOut(findings: AsyncGenerator<Findings>): AsyncGenerator<Findings> {
  try {
    yield* findings;
  } catch {
    /* damaged, made up, or of a form that the library does not know: what was found so far stays */
  }
}

async function orNothing<T>(find: () => Promise<T>): Promise<T | undefined> {
  try {
    return await find();
  } catch {
    return undefined; // as for one that it does not know
  }
}
