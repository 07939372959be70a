import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decideType, findMime } from '../../../../src/media/look/file-type.ts';
import type { MediaKind } from '../../../../src/model/chat-event.ts';

const KINDS: readonly MediaKind[] = ['image', 'video', 'audio', 'voice', 'file'];
const ANY = { kind: 'file', mime: 'application/octet-stream' };

/** Told kind and MIME, found MIME, what comes of it. */
const rules: Readonly<Record<string, [MediaKind, string, string | undefined, object]>> = {
  'a picture of another format stays a picture': [
    'image',
    'image/png',
    'image/jpeg',
    { kind: 'image', mime: 'image/jpeg' },
  ],
  'a picture that is a video is neither': ['image', 'image/png', 'video/mp4', ANY],
  'a picture that is an archive is no picture': ['image', 'image/png', 'application/zip', ANY],
  'a video that is a picture is neither': ['video', 'video/mp4', 'image/gif', ANY],
  'a picture whose bytes show no type is none': ['image', 'image/png', undefined, ANY],
  'a drawing that could run scripts is no picture': ['image', 'image/svg+xml', undefined, ANY],
  'sound whose told type can be known by its bytes, and is not, is none': [
    'audio',
    'audio/mpeg',
    undefined,
    ANY,
  ],
  'sound of a type that bytes do not show is what it was told to be': [
    'audio',
    'audio/opus-raw',
    undefined,
    { kind: 'audio', mime: 'audio/opus-raw' },
  ],
  'a told type of another family is not believed': ['audio', 'text/html', undefined, ANY],
  'a container may hold sound only': [
    'voice',
    'audio/mp4',
    'video/mp4',
    { kind: 'voice', mime: 'audio/mp4' },
  ],
  'sound is called as clients call it': [
    'voice',
    'audio/mp4',
    'audio/x-m4a',
    { kind: 'voice', mime: 'audio/mp4' },
  ],
  'a file stays a file, under the type that was found': [
    'file',
    'text/plain',
    'image/png',
    { kind: 'file', mime: 'image/png' },
  ],
  'a file whose bytes show no type is what it was told to be': [
    'file',
    'Text/Plain; charset=utf-8',
    undefined,
    { kind: 'file', mime: 'text/plain' },
  ],
  'a file that is no picture is not called one': ['file', 'image/png', undefined, ANY],
  'an archive may be what it was told to be': [
    'file',
    'application/vnd.oasis.opendocument.text',
    'application/zip',
    { kind: 'file', mime: 'application/vnd.oasis.opendocument.text' },
  ],
  'an archive is not called a picture': [
    'file',
    'image/png',
    'application/zip',
    { kind: 'file', mime: 'application/zip' },
  ],
  'what is no type is none': ['file', 'text/<script>', undefined, ANY],
};

describe('the type of a file', () => {
  for (const [rule, [kind, mime, found, decided]] of Object.entries(rules)) {
    it(rule, () => assert.deepEqual(decideType({ kind, mime }, found), decided));
  }

  it('is the told kind or a file, whatever is told and found', () => {
    fc.assert(
      fc.property(fc.constantFrom(...KINDS), fc.string(), fc.option(fc.string()), (kind, mime, found) => {
        const decided = decideType({ kind, mime }, found ?? undefined);
        assert.ok(decided.kind === kind || decided.kind === 'file');
      }),
    );
  });

  it('is found without its parameters', async () => {
    const head = Buffer.concat([
      Buffer.from('OggS\0\x02'),
      Buffer.alloc(20),
      Buffer.from('\x01\x13OpusHead'),
      Buffer.alloc(11),
    ]);
    assert.equal(await findMime(head), 'audio/ogg');
  });
});
