/** Files of each kind for tests and the demo: a true beginning, by which programs know the type, and then noise. */
import { randomBytes } from 'node:crypto';

export type SampleKind = 'IMAGE' | 'VIDEO' | 'AUDIO' | 'VOICE' | 'FILE';

/** As they go into events. */
export const SAMPLES = [
  { name: 'image', kind: 'IMAGE', msgtype: 'm.image', mime: 'image/png' },
  { name: 'video', kind: 'VIDEO', msgtype: 'm.video', mime: 'video/mp4' },
  { name: 'audio', kind: 'AUDIO', msgtype: 'm.audio', mime: 'audio/mpeg' },
  { name: 'voice message', kind: 'VOICE', msgtype: 'm.audio', mime: 'audio/ogg' },
  { name: 'file', kind: 'FILE', msgtype: 'm.file', mime: 'application/pdf' },
] as const satisfies readonly { name: string; kind: SampleKind; msgtype: string; mime: string }[];

const HEADS: Readonly<Record<SampleKind, Buffer>> = {
  // PNG signature, an IHDR of 20 by 10 pixels, and the beginning of an IDAT.
  IMAGE: Buffer.from(
    '89504e470d0a1a0a0000000d49484452000000140000000a080200000000000000' + '0001000049444154',
    'hex',
  ),
  // An MP4 `ftyp` box.
  VIDEO: Buffer.from('000000186674797069736f6d0000020069736f6d6d703432', 'hex'),
  // An empty ID3v2 tag, then an MPEG frame header.
  AUDIO: Buffer.from('49443304000000000000fffb9064', 'hex'),
  // An Ogg page that begins an Opus stream (RFC 7845 §5.1).
  VOICE: Buffer.from(
    `4f676753${'0002'}${'00'.repeat(8)}0100000000000000000000000113${'4f70757348656164'}0101380180bb0000000000`,
    'hex',
  ),
  FILE: Buffer.from('%PDF-1.7\n'),
};

export function sampleFile(kind: SampleKind, bytes: number): Buffer {
  return Buffer.concat([HEADS[kind], randomBytes(bytes - HEADS[kind].length)]);
}
