/** PNG files (ISO/IEC 15948) that no honest encoder makes: small, and huge when decoded. */
import { crc32, deflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
const PALETTE = Buffer.alloc(6);

/** One colour, a bit a pixel. An interlaced one has to be held as a whole to be decoded. */
export function blankPng(side: number, how: { isInterlaced: boolean }): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([1, 3, 0, 0, how.isInterlaced ? 1 : 0], 8);
  const bytes = how.isInterlaced ? interlacedBytes(side) : side * (1 + Math.ceil(side / 8));
  const data = deflateSync(Buffer.alloc(bytes), { level: 9 });
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('PLTE', PALETTE),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Of the seven passes of Adam7 together: a filter byte a row, eight pixels a byte. */
function interlacedBytes(side: number): number {
  const passes = [
    [0, 8, 0, 8],
    [4, 8, 0, 8],
    [0, 4, 4, 8],
    [2, 4, 0, 4],
    [0, 2, 2, 4],
    [1, 2, 0, 2],
    [0, 1, 1, 2],
  ] as const;
  return passes.reduce((sum, [left, acrossStep, top, downStep]) => {
    const across = Math.ceil((side - left) / acrossStep);
    const down = Math.ceil((side - top) / downStep);
    return sum + down * (1 + Math.ceil(across / 8));
  }, 0);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
