import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readAttachment, writeAttachment } from '../../../src/matrix/attachment.ts';
import type { MediaFile } from '../../../src/model/chat-event.ts';

const PHOTO: MediaFile = {
  mediaKind: 'image',
  url: 'https://host.example/1',
  key: new Uint8Array(64),
  digest: new Uint8Array(32),
  sizeBytes: 5_000,
  mime: 'image/jpeg',
  fileName: 'cat.jpg',
  width: 640,
  height: 480,
  durationMs: 0,
  blurhash: 'LEHV6nWB2yk8',
  waveform: new Uint8Array(),
};
const MXC = 'mxc://m.example/abc';

/** What an event tells of a file, without where and how it lies. */
function told({ url: _url, key: _key, digest: _digest, ...rest }: MediaFile) {
  return rest;
}

describe('files in Matrix events', () => {
  const voice: MediaFile = {
    ...PHOTO,
    mediaKind: 'voice',
    mime: 'audio/ogg',
    fileName: 'voice.ogg',
    width: 0,
    height: 0,
    durationMs: 1_500,
    blurhash: '',
    waveform: Uint8Array.of(0, 128, 255),
  };
  for (const file of [PHOTO, voice, { ...PHOTO, mediaKind: 'file' as const, mime: '' }]) {
    it(`a file of kind ${file.mediaKind} is read as it is written`, () => {
      const content = writeAttachment(file, { mxc: MXC }, {});
      assert.deepEqual(readAttachment('m.room.message', content, {}), {
        kind: 'attachment',
        source: { mxc: MXC },
        ...told(file),
        mime: file.mime === '' ? 'application/octet-stream' : file.mime,
      });
    });
  }

  it('a caption is the body, and the name stands beside it', () => {
    const caption = { body: 'my cat', ranges: [{ start: 3, length: 3, style: 'bold', value: '' }] } as const;
    const content = writeAttachment({ ...PHOTO, caption }, { mxc: MXC }, {});
    assert.equal(content.body, 'my cat');
    assert.equal(content.filename, 'cat.jpg');
    assert.deepEqual(readAttachment('m.room.message', content, {})?.caption, caption);
  });

  it('a body that is the name, as older clients have it, is no caption', () => {
    const read = readAttachment('m.room.message', { msgtype: 'm.image', body: 'cat.jpg', url: MXC }, {});
    assert.equal(read?.fileName, 'cat.jpg');
    assert.equal(read?.caption, undefined);
  });

  it('a file without a name gets one by which clients choose a program', () => {
    const content = writeAttachment({ ...PHOTO, fileName: '' }, { mxc: MXC }, {});
    assert.equal(content.filename, 'image.jpeg');
  });

  it('an encrypted file comes and goes with its description', () => {
    const file = { v: 'v2', url: MXC };
    const content = writeAttachment(PHOTO, { encryptedFile: file }, {});
    assert.equal(content.url, undefined);
    assert.deepEqual(readAttachment('m.room.message', content, {})?.source, { encryptedFile: file });
  });

  it('a sticker is an image', () => {
    const sticker = { body: 'wave', url: MXC, info: { w: 1, h: 2, mimetype: 'image/webp' } };
    const read = readAttachment('m.sticker', sticker, {});
    assert.equal(read?.mediaKind, 'image');
    assert.equal(read?.mime, 'image/webp');
  });

  it('sizes, lengths and names that make no sense count as not told', () => {
    const info = {
      size: -1,
      w: '7',
      h: 1e300,
      duration: Number.NaN,
      mimetype: {},
      [String('xyz.amorgan.blurhash')]: 7,
    };
    const read = readAttachment('m.room.message', { msgtype: 'm.video', body: 7, url: MXC, info }, {});
    assert.deepEqual(
      [
        read?.sizeBytes,
        read?.width,
        read?.height,
        read?.durationMs,
        read?.mime,
        read?.blurhash,
        read?.fileName,
      ],
      [0, 0, 0, 0, '', '', ''],
    );
  });

  it('whatever stands there, nothing is thrown', () => {
    const anything = fc.dictionary(
      fc.constantFrom('msgtype', 'url', 'file', 'info', 'body', 'filename', 'org.matrix.msc1767.audio'),
      fc.oneof(fc.jsonValue(), fc.constantFrom('m.image', 'm.audio', MXC)),
    );
    fc.assert(
      fc.property(anything, (content) => {
        readAttachment('m.room.message', content, {});
        readAttachment('m.sticker', content, {});
      }),
    );
  });
});
