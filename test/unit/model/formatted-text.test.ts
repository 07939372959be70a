import assert from 'node:assert/strict';
import { it } from 'node:test';
import { withPrefix } from '../../../src/model/formatted-text.ts';

it('words before a text move its ranges along, by code points', () => {
  const text = { body: 'ab', ranges: [{ start: 1, length: 1, style: 'bold' as const, value: '' }] };
  assert.deepEqual(withPrefix('* 😀 ', text), {
    body: '* 😀 ab',
    ranges: [{ start: 5, length: 1, style: 'bold', value: '' }],
  });
});
