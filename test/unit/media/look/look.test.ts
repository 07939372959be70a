import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { look } from '../../../../src/media/look/look.ts';

/** Beginnings that lead into one reader or another. */
const BEGINNINGS = [
  '',
  '89504e470d0a1a0a',
  'ffd8ffe0',
  '474946383961',
  '4f67675300',
  '1a45dfa3',
  '0000001866747970',
];

describe('looking at a file', () => {
  it('says what kind it is, and never throws, whatever the bytes', async () => {
    const bytes = fc
      .tuple(fc.constantFrom(...BEGINNINGS), fc.uint8Array({ maxLength: 600 }))
      .map(([beginning, rest]) => Buffer.concat([Buffer.from(beginning, 'hex'), rest]));
    const kinds = fc.constantFrom('image', 'video', 'audio', 'voice', 'file');
    await fc.assert(
      fc.asyncProperty(bytes, kinds, async (file, kind) => {
        const extras = ['thumbnail', 'preview', 'blurhash', 'waveform'] as const;
        const findings = [];
        for await (const finding of look(file, { kind, mime: '', extras, limitBytes: 1_000 }))
          findings.push(finding);
        assert.ok(findings[0]?.kind === kind || findings[0]?.kind === 'file');
      }),
      { numRuns: 300 },
    );
  });
});
