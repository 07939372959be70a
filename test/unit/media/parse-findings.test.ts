import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseFindings } from '../../../src/media/parse-findings.ts';

const line = (finding: object) => `${JSON.stringify(finding)}\n`;
const base64 = (bytes: number) => Buffer.alloc(bytes).toString('base64');

describe('what the process says that looked at a file', () => {
  it('is put together from its lines', () => {
    const said =
      line({ kind: 'image', mime: 'image/png' }) + line({ width: 3, height: 2, isAnimated: false });
    assert.deepEqual(parseFindings(said), {
      kind: 'image',
      mime: 'image/png',
      width: 3,
      height: 2,
      isAnimated: false,
    });
  });

  it('is believed up to where it is cut off', () => {
    assert.deepEqual(parseFindings(`${line({ durationMs: 7 })}{"width":3,"hei`), { durationMs: 7 });
  });

  it('is not believed after a line that is no finding', () => {
    assert.deepEqual(parseFindings(line({ durationMs: 7 }) + line({ path: '/etc' }) + line({ width: 3 })), {
      durationMs: 7,
    });
  });

  const beyond: Readonly<Record<string, object>> = {
    'a preview over 4 KiB': { preview: { bytes: base64(4_101), mime: 'image/jpeg', width: 1, height: 1 } },
    'a thumbnail of a type that clients run': {
      thumbnail: { bytes: base64(9), mime: 'image/svg+xml', width: 1, height: 1 },
    },
    'a waveform of more than 100 samples': { waveform: base64(103) },
    'a width of nothing': { width: 0 },
    'a duration that is no number of milliseconds': { durationMs: -1 },
    'a blurhash of other characters': { blurhash: '<script>' },
    'a type that is none': { mime: 'text/html\r\nX: y' },
  };
  for (const [what, finding] of Object.entries(beyond)) {
    it(`is not believed: ${what}`, () => assert.deepEqual(parseFindings(line(finding)), {}));
  }

  it('may be anything', () => {
    fc.assert(fc.property(fc.string(), (said) => void parseFindings(said)));
  });
});
