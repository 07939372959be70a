/** What a file is, by its first bytes. A type that lies is made harmless here: nobody is told to show what is none. */
import { fileTypeFromBuffer, supportedMimeTypes } from 'file-type';
import type { MediaKind } from '../../model/chat-event.ts';
import { ANY_MIME } from './findings.ts';

export type FileType = Readonly<{ kind: MediaKind; mime: string }>;

const MIME = /^[a-z]+\/[a-z0-9][a-z0-9!#$&^_.+-]{0,99}$/;
const TEXT_OR_PROGRAM = /^(?:application|text)\//;
/** Found in files of many types: the sender knows better which of them it is. */
const WRAPPINGS: ReadonlySet<string> = new Set([
  'application/zip',
  'application/gzip',
  'application/xml',
  'application/x-cfb',
]);
/** May hold sound only, whatever they are called by. */
const CONTAINERS: Readonly<Record<string, string>> = {
  'video/mp4': 'mp4',
  'video/webm': 'webm',
  'video/ogg': 'ogg',
  'application/ogg': 'ogg',
  'video/matroska': 'matroska',
  'video/quicktime': 'quicktime',
  'video/3gpp': '3gpp',
  'video/3gpp2': '3gpp2',
  'video/x-ms-asf': 'x-ms-asf',
  'application/vnd.ms-asf': 'x-ms-asf',
};
/** The library's names, and the ones that clients know. */
const USUAL_NAMES: Readonly<Record<string, string>> = {
  'audio/x-m4a': 'audio/mp4',
  'video/x-m4v': 'video/mp4',
  'video/vnd.avi': 'video/x-msvideo',
};

/** @returns the type that the first bytes of a file show, without parameters; `undefined` when they show none. */
export async function findMime(head: Uint8Array): Promise<string | undefined> {
  const found = await fileTypeFromBuffer(head);
  return found === undefined ? undefined : toBareMime(found.mime);
}

/**
 * @param told by the sender; the MIME type may be anything.
 * @param found as `findMime` says.
 * @returns the kind that was told where the bytes bear it out, or cannot be known; else a file of no particular type.
 */
export function decideType(told: FileType, found: string | undefined): FileType {
  const toldMime = toBareMime(told.mime);
  if (told.kind === 'file') return { kind: 'file', mime: plainFileMime(toldMime, found) };
  const family = told.kind === 'voice' ? 'audio' : told.kind;
  if (found !== undefined) {
    if (found.startsWith(`${family}/`)) return { kind: told.kind, mime: USUAL_NAMES[found] ?? found };
    const container = family === 'image' ? undefined : CONTAINERS[found];
    if (container !== undefined) return { kind: told.kind, mime: `${family}/${container}` };
    return { kind: 'file', mime: ANY_MIME };
  }
  // Every picture that clients show can be known by its bytes; of sound and video some cannot.
  const mayBe = family !== 'image' && toldMime.startsWith(`${family}/`) && !supportedMimeTypes.has(toldMime);
  return mayBe ? { kind: told.kind, mime: toldMime } : { kind: 'file', mime: ANY_MIME };
}

function plainFileMime(toldMime: string, found: string | undefined): string {
  if (found === undefined) return toldMime === '' || supportedMimeTypes.has(toldMime) ? ANY_MIME : toldMime;
  return WRAPPINGS.has(found) && TEXT_OR_PROGRAM.test(toldMime) ? toldMime : found;
}

/** Without parameters, in lower case; '' when it is no MIME type. */
export function toBareMime(mime: string): string {
  const bare = (mime.split(';', 1)[0] ?? '').trim().toLowerCase();
  return MIME.test(bare) ? bare : '';
}
