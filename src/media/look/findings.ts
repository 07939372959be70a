/**
 * What is said between the daemon and the process that looks at a file. To it: a wish as a line of JSON, then the file.
 * From it: findings as lines of JSON, each as soon as it is known, so that what was found before it died is kept.
 */
import type { MediaKind } from '../../model/chat-event.ts';

/** What is made when it is missing. `thumbnail`: at most 800 × 600 pixels. `preview`: a JPEG of at most 4 KiB. */
export type Extra = 'thumbnail' | 'preview' | 'blurhash' | 'waveform';

export type LookWish = Readonly<{
  kind: MediaKind;
  mime: string;
  extras: readonly Extra[];
  /** One byte more than is looked at as a whole: a file that does not reach it has come to its end. */
  limitBytes: number;
}>;

export type SmallPicture<Bytes> = Readonly<{
  bytes: Bytes;
  mime: 'image/jpeg' | 'image/webp';
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
}>;

/** What could not be found out is not there. */
export type FindingsOf<Bytes> = Readonly<{
  kind?: MediaKind;
  mime?: string;
  /** Pixels, upright. Of pictures, and of videos that tell. */
  width?: number;
  height?: number;
  /** Of pictures. */
  isAnimated?: boolean;
  durationMs?: number;
  /** At most 100 samples, a byte each. */
  waveform?: Bytes;
  blurhash?: string;
  /** At most 800 × 600 pixels; none for a picture that is no larger itself, unless it moves. */
  thumbnail?: SmallPicture<Bytes>;
  /** A JPEG of at most 4 KiB. */
  preview?: SmallPicture<Bytes>;
}>;

/** As a line; bytes in Base64. */
export type Findings = FindingsOf<string>;

/** The type that promises nothing. */
export const ANY_MIME = 'application/octet-stream';
export const THUMBNAIL_MAX_BYTES = 256 * 1024;
export const PREVIEW_MAX_BYTES = 4_096;
export const WAVEFORM_SAMPLES = 100;
/** All findings of a file: the pictures in Base64, and room for the rest. */
export const FINDINGS_MAX_BYTES = 512 * 1024;
