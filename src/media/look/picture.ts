/** Sizes of a picture, and small copies of it: without the metadata (place, camera, owner) that it came with. */
import { encode } from 'blurhash';
import sharp, { type Sharp, type SharpOptions } from 'sharp';
import { type Extra, type Findings, PREVIEW_MAX_BYTES, THUMBNAIL_MAX_BYTES } from './findings.ts';

type Pixels = Readonly<{ data: Buffer; info: { width: number; height: number; channels: 1 | 2 | 3 | 4 } }>;

/** What is decoded, by the type that was found in the bytes. */
const DECODED: ReadonlySet<string> = new Set([
  'image/jpeg',
  'image/png',
  'image/apng',
  'image/gif',
  'image/webp',
  'image/avif',
]);
/** And by what: libvips would try each decoder it has, of which many are seldom looked at by anyone. */
const DECODERS = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Heif'].map((name) => `VipsForeignLoad${name}`);

/** The size that Matrix clients ask for at most (Matrix specification, "Thumbnails"). */
const THUMBNAIL_BOX = { width: 800, height: 600 };
const THUMBNAIL_QUALITIES = [80, 60, 40];
/** The largest and best first; the last fits whatever the picture. */
const PREVIEW_TRIES = [
  { side: 128, quality: 60 },
  { side: 96, quality: 50 },
  { side: 64, quality: 40 },
  { side: 32, quality: 40 },
];
const BLURHASH_SIDE = 32;

const OPTIONS: SharpOptions = {
  // Photographs of the largest phones are below it; 30,000 pixels square are not.
  limitInputPixels: 268_402_689,
  failOn: 'error',
  // The upright width and height, as the camera was held (Exif orientation).
  autoOrient: true,
};

/** Leaves out what cannot be read. */
export async function* lookAtPicture(
  bytes: Uint8Array,
  mime: string,
  wish: { extras: readonly Extra[]; isWhole: boolean },
): AsyncGenerator<Findings> {
  if (!DECODED.has(mime)) return;
  keepToOurDecoders();
  const { pages = 1, autoOrient } = await sharp(bytes, OPTIONS).metadata();
  const { width, height } = autoOrient;
  const isAnimated = mime === 'image/apng' || (mime !== 'image/avif' && pages > 1);
  yield { width, height, isAnimated };
  const wants = (extra: Extra) => wish.extras.includes(extra);
  if (!wish.isWhole || !(wants('thumbnail') || wants('preview') || wants('blurhash'))) return;
  const pixels = await sharp(bytes, OPTIONS)
    .resize({ ...THUMBNAIL_BOX, fit: 'inside', withoutEnlargement: true })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (wants('blurhash')) yield { blurhash: await toBlurhash(pixels) };
  if (wants('preview')) yield* toPreview(pixels);
  // A small picture that stands still is its own thumbnail.
  const isSmall = width <= THUMBNAIL_BOX.width && height <= THUMBNAIL_BOX.height;
  if (wants('thumbnail') && (isAnimated || !isSmall)) yield* toThumbnail(pixels);
}

function keepToOurDecoders(): void {
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: DECODERS });
  sharp.cache(false);
  sharp.concurrency(1);
}

async function* toThumbnail(pixels: Pixels): AsyncGenerator<Findings> {
  const { width, height } = pixels.info;
  for (const quality of THUMBNAIL_QUALITIES) {
    const picture = fromPixels(pixels);
    const made = hasAlpha(pixels) ? picture.webp({ quality }) : picture.jpeg({ quality });
    const bytes = await made.toBuffer();
    if (bytes.length > THUMBNAIL_MAX_BYTES) continue;
    const mime = hasAlpha(pixels) ? 'image/webp' : 'image/jpeg';
    yield { thumbnail: { bytes: bytes.toString('base64'), mime, width, height } };
    return;
  }
}

async function* toPreview(pixels: Pixels): AsyncGenerator<Findings> {
  for (const { side, quality } of PREVIEW_TRIES) {
    const { data, info } = await fromPixels(pixels)
      .resize({ width: side, height: side, fit: 'inside', withoutEnlargement: true })
      .flatten({ background: '#ffffff' })
      .jpeg({ quality, mozjpeg: true })
      .toBuffer({ resolveWithObject: true });
    if (data.length > PREVIEW_MAX_BYTES) continue;
    const { width, height } = info;
    yield { preview: { bytes: data.toString('base64'), mime: 'image/jpeg', width, height } };
    return;
  }
}

async function toBlurhash(pixels: Pixels): Promise<string> {
  const { data, info } = await fromPixels(pixels)
    .resize({ width: BLURHASH_SIDE, height: BLURHASH_SIDE, fit: 'inside', withoutEnlargement: true })
    .flatten({ background: '#ffffff' })
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const isWide = info.width >= info.height;
  return encode(new Uint8ClampedArray(data), info.width, info.height, isWide ? 4 : 3, isWide ? 3 : 4);
}

function fromPixels({ data, info: { width, height, channels } }: Pixels): Sharp {
  return sharp(data, { raw: { width, height, channels } });
}

function hasAlpha({ info: { channels } }: Pixels): boolean {
  return channels === 2 || channels === 4;
}
