/**
 * Files in Matrix events (Matrix specification, "m.image" and its like, "Sending encrypted attachments"; MSC3245, not merged,
 * for voice messages). What is read was written by strangers: nothing throws, and what is not sound counts as not told.
 */
import type { MediaFile, MediaKind } from '../model/chat-event.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type { MatrixAttachment, UploadedFile, UploadedThumbnail } from './matrix.ts';
import {
  fromMatrixText,
  type ReadingOptions,
  toMatrixText,
  type WritingOptions,
} from './text/matrix-text.ts';

const KINDS: Readonly<Record<string, MediaKind>> = {
  'm.image': 'image',
  'm.video': 'video',
  'm.audio': 'audio',
  'm.file': 'file',
};
const MSGTYPES: Readonly<Record<MediaKind, string>> = {
  image: 'm.image',
  video: 'm.video',
  audio: 'm.audio',
  voice: 'm.audio',
  file: 'm.file',
};
const VOICE = 'org.matrix.msc3245.voice';
const AUDIO = 'org.matrix.msc1767.audio';
const BLURHASH = 'xyz.amorgan.blurhash';
/** MSC3246: a sample of a waveform is 0 to 1,024; the neutral one is a byte. */
const WAVEFORM_TOP = 1_024;

const MOST_NAME = 255;
const MOST_MIME = 127;
const MOST_BLURHASH = 128;
const MOST_SAMPLES = 1_024;
const MOST_COUNT = 2 ** 31 - 1;

/**
 * The file of an `m.room.message` or `m.sticker`.
 * @returns `undefined` where there is none: neither an `mxc:` URI nor the description of an encrypted file.
 */
export function readAttachment(
  type: string,
  content: JsonObject,
  options: Pick<ReadingOptions, 'contactOf'>,
): MatrixAttachment | undefined {
  const { msgtype, body, filename, url, file } = content;
  const base = type === 'm.sticker' ? 'image' : ownKind(msgtype);
  if (base === undefined) return undefined;
  const source = isJsonObject(file)
    ? { encryptedFile: file }
    : typeof url === 'string' && url.length <= 1_024
      ? { mxc: url }
      : undefined;
  if (source === undefined) return undefined;
  const info = isJsonObject(content.info) ? content.info : {};
  const audio = isJsonObject(content[AUDIO]) ? content[AUDIO] : {};
  const isVoice = base === 'audio' && content[VOICE] !== undefined;
  const name = text(filename, MOST_NAME) || text(body, MOST_NAME);
  const hasCaption =
    typeof filename === 'string' && typeof body === 'string' && body !== filename && body !== '';
  return {
    kind: 'attachment',
    mediaKind: isVoice ? 'voice' : base,
    source,
    fileName: name,
    ...(hasCaption ? { caption: fromMatrixText(content, options) } : {}),
    mime: text(info.mimetype, MOST_MIME).toLowerCase(),
    sizeBytes: count(info.size),
    width: count(info.w),
    height: count(info.h),
    durationMs: count(info.duration) || count(audio.duration),
    blurhash: text(info[BLURHASH] ?? content[BLURHASH], MOST_BLURHASH),
    waveform: waveformOf(audio.waveform),
  };
}

/** The content of an `m.room.message` that shows an uploaded file. @param caption its words, if it has some. */
export function writeAttachment(
  file: MediaFile & Readonly<{ caption?: Parameters<typeof toMatrixText>[0] }>,
  uploaded: UploadedFile,
  options: WritingOptions & Readonly<{ thumbnail?: UploadedThumbnail }>,
): JsonObject {
  const { mediaKind } = file;
  const fileName = (
    file.fileName === '' ? `${mediaKind}${endingOf(file.mime)}` : file.fileName
  ).toWellFormed();
  const words = file.caption === undefined ? { body: fileName } : toMatrixText(file.caption, options);
  const isVoice = mediaKind === 'voice';
  return {
    msgtype: MSGTYPES[mediaKind],
    ...words,
    filename: fileName,
    info: {
      mimetype: file.mime === '' ? 'application/octet-stream' : file.mime,
      size: file.sizeBytes,
      ...(file.width > 0 && file.height > 0 ? { w: file.width, h: file.height } : {}),
      ...(file.durationMs > 0 ? { duration: file.durationMs } : {}),
      ...(file.blurhash === '' ? {} : { [BLURHASH]: file.blurhash }),
      ...(options.thumbnail === undefined ? {} : thumbnailInfo(options.thumbnail)),
    },
    ...('mxc' in uploaded ? { url: uploaded.mxc } : { file: uploaded.encryptedFile }),
    ...(isVoice
      ? {
          [VOICE]: {},
          [AUDIO]: {
            duration: file.durationMs,
            waveform: [...file.waveform].map((sample) => Math.round((sample / 255) * WAVEFORM_TOP)),
          },
        }
      : {}),
  };
}

function thumbnailInfo({ mxc, mime, width, height, sizeBytes }: UploadedThumbnail): JsonObject {
  return { thumbnail_url: mxc, thumbnail_info: { mimetype: mime, w: width, h: height, size: sizeBytes } };
}

function ownKind(msgtype: unknown): MediaKind | undefined {
  return typeof msgtype === 'string' && Object.hasOwn(KINDS, msgtype) ? KINDS[msgtype] : undefined;
}

function text(value: unknown, most: number): string {
  return typeof value === 'string' ? value.slice(0, most).toWellFormed() : '';
}

function count(value: unknown): number {
  return typeof value === 'number' && value > 0 && value <= MOST_COUNT ? Math.round(value) : 0;
}

function waveformOf(value: unknown): Uint8Array {
  if (!Array.isArray(value)) return new Uint8Array();
  return Uint8Array.from(value.slice(0, MOST_SAMPLES), (sample) =>
    typeof sample === 'number' ? Math.min(255, Math.max(0, Math.round((sample / WAVEFORM_TOP) * 255))) : 0,
  );
}

/** Clients choose a program by it. */
function endingOf(mime: string): string {
  const subtype = /^[a-z]+\/([a-z0-9]{1,8})$/.exec(mime)?.[1];
  return subtype === undefined ? '' : `.${subtype}`;
}
