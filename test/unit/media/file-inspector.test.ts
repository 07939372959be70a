import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { decode, isBlurhashValid } from 'blurhash';
import sharp from 'sharp';
import { systemClock } from '../../../src/ambient/clock.ts';
import { FileInspector, type InspectWish } from '../../../src/media/file-inspector.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { inPieces } from './pieces.ts';
import { blankPng } from './png.ts';

const MIB = 1_048_576;
const EXTRAS = ['thumbnail', 'preview', 'blurhash', 'waveform'] as const;
const FILE = { kind: 'file', mime: 'application/octet-stream' };
const fixture = async (name: string) =>
  await readFile(path.join(import.meta.dirname, '../../fixtures/media', name));
const BLUE = { r: 20, g: 40, b: 200, alpha: 0.5 };
/** Something that doesn't compress to nothing. */
const drawing = (width: number, height: number) =>
  sharp({
    create: {
      width,
      height,
      channels: 3,
      background: BLUE,
      noise: { type: 'gaussian', sigma: 60, mean: 128 },
    },
  });
const seeThrough = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 4, background: BLUE } });
/** Two pictures after one another. */
const twoFrames = async (width: number, height: number) =>
  sharp([await drawing(width, height).png().toBuffer(), await seeThrough(width, height).png().toBuffer()], {
    join: { animated: true },
  });

const log = new RecordingLog();
const settings = { maxBytes: 4 * MIB, thumbnails: true };
const inspector = new FileInspector({ settings, clock: systemClock, log });

const wishFor = (bytes: Uint8Array, wish: Partial<InspectWish> = {}): InspectWish => ({
  open: async () => inPieces(bytes, [1, 5_000, 70_000]),
  kind: 'image',
  mime: 'image/png',
  extras: EXTRAS,
  signal: new AbortController().signal,
  ...wish,
});
const inspect = async (bytes: Uint8Array, wish: Partial<InspectWish> = {}) =>
  await inspector.inspect(wishFor(bytes, wish));

describe('a file that is looked at', () => {
  after(async () => await inspector.stop());

  it('a large picture gets a thumbnail, a preview within 4 KiB, and a blurhash', async () => {
    const facts = await inspect(await drawing(1_600, 900).jpeg().toBuffer(), { mime: 'image/jpeg' });
    assert.deepEqual(
      [facts.kind, facts.mime, facts.width, facts.height, facts.isAnimated],
      ['image', 'image/jpeg', 1_600, 900, false],
    );
    assert.deepEqual(
      [facts.thumbnail?.mime, facts.thumbnail?.width, facts.thumbnail?.height],
      ['image/jpeg', 800, 450],
    );
    const thumbnail = await sharp(facts.thumbnail?.bytes).metadata();
    assert.deepEqual([thumbnail.format, thumbnail.width, thumbnail.height], ['jpeg', 800, 450]);
    const preview = await sharp(facts.preview?.bytes).metadata();
    assert.deepEqual([preview.format, preview.width], ['jpeg', facts.preview?.width]);
    assert.ok((facts.preview?.bytes.length ?? Number.NaN) <= 4_096);
    assert.ok(isBlurhashValid(facts.blurhash ?? '').result);
    const [red = 255, , blue = 0] = decode(facts.blurhash ?? '', 1, 1);
    assert.ok(Math.abs(red - blue) < 60, 'grey noise is grey');
  });

  it('a picture with nothing behind it gets a thumbnail that keeps it so', async () => {
    const { mime, thumbnail } = await inspect(await seeThrough(1_000, 500).png().toBuffer());
    assert.deepEqual([mime, thumbnail?.mime], ['image/png', 'image/webp']);
    assert.equal((await sharp(thumbnail?.bytes).metadata()).hasAlpha, true);
  });

  it('a small picture that stands still is its own thumbnail', async () => {
    const facts = await inspect(await drawing(80, 60).webp().toBuffer());
    assert.deepEqual([facts.mime, facts.width, facts.thumbnail], ['image/webp', 80, undefined]);
    assert.notEqual(facts.preview, undefined);
  });

  it('a picture is as wide as it is looked at (Exif orientation), and where it was taken is not passed on', async () => {
    const exif = { IFD0: { Artist: 'Ada' }, IFD3: { GPSLatitude: '51/1 30/1 0/1' } };
    const photo = await drawing(1_200, 900).withExif(exif).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    assert.ok((await sharp(photo).metadata()).exif?.includes('Ada'));
    const { width, height, thumbnail, preview } = await inspect(photo);
    assert.deepEqual([width, height, thumbnail?.width, thumbnail?.height], [900, 1_200, 450, 600]);
    for (const small of [thumbnail, preview]) {
      const { exif: left, icc, xmp, orientation } = await sharp(small?.bytes).metadata();
      assert.deepEqual([left, icc, xmp, orientation], [undefined, undefined, undefined, undefined]);
    }
  });

  it('GIF and WebP that move are known to, and get a thumbnail that does not', async () => {
    for (const format of ['gif', 'webp'] as const) {
      const moving = await (await twoFrames(60, 40)).toFormat(format).toBuffer();
      const { mime, width, height, isAnimated, thumbnail } = await inspect(moving);
      assert.deepEqual([mime, width, height, isAnimated], [`image/${format}`, 60, 40, true]);
      const { pages, height: thumbnailHeight } = await sharp(thumbnail?.bytes, { animated: true }).metadata();
      assert.deepEqual([pages ?? 1, thumbnailHeight], [1, 40]);
    }
  });

  it('a voice message tells its duration and its shape', async () => {
    // Half a second loud, half a second at a tenth of it, a second of silence.
    const { kind, mime, durationMs, waveform } = await inspect(await fixture('voice.ogg'), {
      kind: 'voice',
      mime: 'audio/ogg; codecs=opus',
    });
    assert.deepEqual([kind, mime, durationMs, waveform?.length], ['voice', 'audio/ogg', 2_000, 100]);
    assert.equal(Math.max(...(waveform ?? [])), 255);
    assert.ok(waveform?.subarray(2, 23).every((sample) => sample > 200));
    assert.ok(waveform?.subarray(30, 48).every((sample) => sample > 10 && sample < 60));
    assert.ok(waveform?.subarray(55).every((sample) => sample === 0));
  });

  it('sound and video tell their duration, and a video that can its size', async () => {
    const sound = await inspect(await fixture('tone.m4a'), { kind: 'audio', mime: 'audio/mp4' });
    assert.deepEqual(sound, { kind: 'audio', mime: 'audio/mp4', durationMs: 1_523 });
    const video = await inspect(await fixture('clip.webm'), { kind: 'video', mime: 'video/webm' });
    assert.deepEqual(video, { kind: 'video', mime: 'video/webm', durationMs: 1_000, width: 160, height: 90 });
  });

  it('a text that is called a picture is a file', async () => {
    assert.deepEqual(await inspect(Buffer.from('only words')), FILE);
    assert.deepEqual(await inspect(Buffer.alloc(0)), FILE);
  });

  it('a video that is called a picture is a file', async () => {
    assert.deepEqual(await inspect(await fixture('clip.webm')), FILE);
  });

  it('a picture that is sent as a file is not decoded', async () => {
    const facts = await inspect(await drawing(900, 900).png().toBuffer(), {
      kind: 'file',
      mime: 'text/plain',
    });
    assert.deepEqual(facts, { kind: 'file', mime: 'image/png' });
  });

  it('what has seldom used decoders is not decoded', async () => {
    const facts = await inspect(await drawing(20, 20).tiff().toBuffer());
    assert.deepEqual(facts, { kind: 'image', mime: 'image/tiff' });
  });

  it('a truncated picture has its sizes and nothing that would need its end', async () => {
    const whole = await drawing(1_000, 1_000).jpeg().toBuffer();
    const facts = await inspect(whole.subarray(0, whole.length / 2));
    assert.deepEqual(facts, {
      kind: 'image',
      mime: 'image/jpeg',
      width: 1_000,
      height: 1_000,
      isAnimated: false,
    });
  });

  it('a truncated voice message has the shape of what is there', async () => {
    const whole = await fixture('voice.ogg');
    const facts = await inspect(whole.subarray(0, 2_500), { kind: 'voice', mime: 'audio/ogg' });
    assert.equal(facts.kind, 'voice');
  });

  it('a picture of 900 million pixels in some kilobytes is not decoded', async () => {
    const bomb = blankPng(30_000, { isInterlaced: false });
    assert.ok(bomb.length < MIB / 4);
    assert.deepEqual(await inspect(bomb), { kind: 'image', mime: 'image/png' });
  });

  it('a picture that needs too much memory when decoded costs its thumbnail, not what was found before', async () => {
    const { kind, mime, width, height, isAnimated, thumbnail } = await inspect(
      blankPng(16_000, { isInterlaced: true }),
    );
    assert.deepEqual([kind, mime, width, height, isAnimated], ['image', 'image/png', 16_000, 16_000, false]);
    assert.equal(thumbnail, undefined);
    assert.ok(log.entries.some(({ message }) => message === 'a file could not be looked at to the end'));
  });

  it('a file over the limit is looked at by its beginning only, whatever size was told', async () => {
    const large = await drawing(2_400, 2_400).png({ compressionLevel: 0 }).toBuffer();
    assert.ok(large.length > settings.maxBytes);
    for (const expectedBytes of [large.length, 10]) {
      const { kind, width, thumbnail } = await inspect(large, { expectedBytes });
      assert.deepEqual([kind, width, thumbnail], ['image', 2_400, undefined]);
    }
  });

  it('a picture is not decoded where thumbnails are not wanted', async () => {
    const modest = new FileInspector({
      settings: { ...settings, thumbnails: false },
      clock: systemClock,
      log,
    });
    const picture = await drawing(1_000, 700).png().toBuffer();
    const { width, thumbnail, preview, blurhash } = await modest.inspect(wishFor(picture));
    assert.deepEqual([width, thumbnail, preview, blurhash], [1_000, undefined, undefined, undefined]);
  });

  it('the daemon does not hold it', async () => {
    const piece = Buffer.alloc(MIB / 4);
    const roomy = new FileInspector({
      settings: { ...settings, maxBytes: 200 * MIB },
      clock: systemClock,
      log,
    });
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    async function* zeros() {
      for (let i = 0; i < 400; i += 1) {
        yield Buffer.from(piece);
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      }
    }
    const facts = await roomy.inspect(wishFor(piece, { open: async () => zeros(), kind: 'video' }));
    assert.deepEqual(facts, FILE);
    // Of 100 MiB; with what the garbage collector has not got round to.
    assert.ok(most < 48 * MIB, `${Math.round(most / MIB)} MiB`);
  });
});
