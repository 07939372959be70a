import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { FormattedText } from '../../../src/model/chat-event.ts';
import { splitText } from '../../../src/model/split-text.ts';
import { texts } from '../matrix/text/texts.ts';

const plain = (body: string): FormattedText => ({ body, ranges: [] });
const bodies = (text: FormattedText, max: number) => splitText(text, max).map(({ body }) => body);

describe('splitText', () => {
  it('parts in a row are the text, none is longer than it may be, and none is empty', () => {
    fc.assert(
      fc.property(texts(), fc.integer({ min: 1, max: 40 }), (text, max) => {
        const parts = splitText(text, max);
        assert.equal(parts.map(({ body }) => body).join(''), text.body);
        for (const { body } of parts) assert.ok(Array.from(body).length <= max);
        if (text.body !== '') for (const { body } of parts) assert.notEqual(body, '');
      }),
    );
  });

  it('each character keeps its styles', () => {
    fc.assert(
      fc.property(texts(), fc.integer({ min: 1, max: 40 }), (text, max) => {
        assert.deepEqual(splitText(text, max).flatMap(stylesByPoint), stylesByPoint(text));
      }),
    );
  });

  it('cuts after white space in the last eighth, and between characters where there is none', () => {
    assert.deepEqual(bodies(plain('aaaa bbb ccc'), 10), ['aaaa bbb ', 'ccc']);
    assert.deepEqual(bodies(plain('a bbbbbbbbbbb'), 10), ['a bbbbbbbb', 'bbb']);
  });

  it('cuts no character as people see it: accents, flags, families, skin tones', () => {
    assert.deepEqual(bodies(plain('abe\u0301d'), 3), ['ab', 'e\u0301d']);
    assert.deepEqual(bodies(plain('a🇩🇪🇫🇷b'), 4), ['a🇩🇪', '🇫🇷b']);
    assert.deepEqual(bodies(plain('ab👩‍👩‍👧cd'), 6), ['ab', '👩‍👩‍👧c', 'd']);
    assert.deepEqual(bodies(plain('ab👍🏽'), 3), ['ab', '👍🏽']);
  });

  it('a character longer than a part is cut where it must be', () => {
    const zalgo = `z${'\u0301'.repeat(10)}`;
    assert.deepEqual(
      bodies(plain(zalgo), 4).map((part) => Array.from(part).length),
      [4, 4, 3],
    );
  });

  it('a text that is short enough is given back as it is', () => {
    const text = { body: 'a b', ranges: [{ start: 0, length: 3, style: 'bold' as const, value: '' }] };
    assert.deepEqual(splitText(text, 3), [text]);
    assert.deepEqual(splitText(plain(''), 3), [plain('')]);
  });
});

function stylesByPoint({ body, ranges }: FormattedText): string[][] {
  return Array.from(body).map((_, at) =>
    ranges
      .filter(({ start, length }) => start <= at && at < start + length)
      .map(({ style, value }) => `${style} ${value}`),
  );
}
