/** How long sound and video last, and the shape of a voice message. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseBuffer } from 'music-metadata';
import { OggOpusDecoder } from 'ogg-opus-decoder';
import { type Findings, WAVEFORM_SAMPLES } from './findings.ts';

/** Decoded at once: packets of a few bytes may hold 120 ms of sound each. */
const STEP_BYTES = 4_096;
/** 20 ms at 48 kHz, which is what Opus decodes to (RFC 7845 §5.1). */
const WINDOW_SAMPLES = 960;
const LOUDEST = 255;

/** Leaves out what cannot be read; `bytes` is a whole file. */
export async function* lookAtSound(bytes: Uint8Array, mime: string): AsyncGenerator<Findings> {
  const { format } = await parseBuffer(
    bytes,
    { mimeType: mime, size: bytes.length },
    { duration: true, skipCovers: true, skipPostHeaders: true },
  );
  const durationMs = Math.round((format.duration ?? 0) * 1_000);
  if (durationMs > 0) yield { durationMs };
  if (!mime.startsWith('video/')) return;
  const { pixelWidth: width, pixelHeight: height } =
    format.trackInfo.find(({ video }) => video !== undefined)?.video ?? {};
  if (width !== undefined && height !== undefined) yield { width, height };
}

/** The waveform of Opus in Ogg (RFC 7845): the loudest moment is 255, silence all 0. Nothing when there is no sound in it. */
export async function* lookAtVoice(bytes: Uint8Array): AsyncGenerator<Findings> {
  const decoder = new OggOpusDecoder();
  await decoder.ready;
  try {
    const loudness = new Loudness();
    for (let at = 0; at < bytes.length; at += STEP_BYTES) {
      // Its types do not say that it answers later.
      const { channelData } = await decoder.decode(bytes.subarray(at, at + STEP_BYTES));
      loudness.add(channelData);
      await nextTurn();
    }
    loudness.add((await decoder.flush()).channelData);
    const waveform = loudness.toWaveform();
    if (waveform.length > 0) yield { waveform: Buffer.from(waveform).toString('base64') };
  } finally {
    decoder.free();
  }
}

/** The mean power of each window, whatever pieces the sound comes in. */
class Loudness {
  readonly #windows: number[] = [];
  #power = 0;
  #samples = 0;

  add([first = new Float32Array(), ...others]: readonly Float32Array[]): void {
    for (const [at, one] of first.entries()) {
      let sample = one;
      for (const channel of others) sample += channel[at] ?? 0;
      this.#power += (sample / (1 + others.length)) ** 2;
      this.#samples += 1;
      if (this.#samples === WINDOW_SAMPLES) this.#finishWindow();
    }
  }

  toWaveform(): Uint8Array {
    if (this.#samples > 0) this.#finishWindow();
    const count = Math.min(WAVEFORM_SAMPLES, this.#windows.length);
    const levels = Array.from({ length: count }, (_, index) => {
      const start = Math.floor((index * this.#windows.length) / count);
      const end = Math.floor(((index + 1) * this.#windows.length) / count);
      const powers = this.#windows.slice(start, end);
      return Math.sqrt(powers.reduce((sum, power) => sum + power, 0) / powers.length);
    });
    const loudest = Math.max(...levels);
    return Uint8Array.from(levels, (level) => (loudest > 0 ? Math.round((level / loudest) * LOUDEST) : 0));
  }

  #finishWindow(): void {
    this.#windows.push(this.#power / this.#samples);
    this.#power = 0;
    this.#samples = 0;
  }
}
