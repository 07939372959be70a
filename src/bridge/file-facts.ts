import type { Extra, FileFacts } from '../media/media.ts';
import type { MediaFile } from '../model/chat-event.ts';

/** What the sender tells of a file. */
type Told = Pick<
  MediaFile,
  'mediaKind' | 'mime' | 'width' | 'height' | 'durationMs' | 'blurhash' | 'waveform'
>;

/** What is missing in what the sender told, and can be made. */
export function missingOf(told: Told): Extra[] {
  const extras: Extra[] = [];
  if (told.mediaKind === 'image' && told.blurhash === '') extras.push('blurhash');
  if (told.mediaKind === 'voice' && told.waveform.length === 0) extras.push('waveform');
  return extras;
}

/** What is known of a file: its kind and type as its bytes show them, the rest as its sender told, or as it was found out. */
export function knownOf(told: Told, found: FileFacts): Told {
  const isSized = told.width > 0 && told.height > 0;
  return {
    mediaKind: found.kind,
    mime: found.mime,
    width: isSized ? told.width : (found.width ?? 0),
    height: isSized ? told.height : (found.height ?? 0),
    durationMs: told.durationMs > 0 ? told.durationMs : (found.durationMs ?? 0),
    blurhash: told.blurhash === '' ? (found.blurhash ?? '') : told.blurhash,
    waveform: told.waveform.length > 0 ? told.waveform : (found.waveform ?? new Uint8Array()),
  };
}
