import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf, defineErrors, hasCode } from '../../../src/model/errors.ts';

const errors = defineErrors('post', {
  lost: { retry: 'later', arrived: 'unknown', notice: 'letter-lost' },
});

test('an error has a code of its folder and name, its traits, facts and cause', () => {
  const cause = new Error('rain');
  const error = errors.lost({ letter: 7, stamp: undefined }, cause);
  assert.deepEqual(
    [error.code, error.retry, error.arrived, error.notice, error.facts, error.cause],
    ['post/lost', 'later', 'unknown', 'letter-lost', { letter: 7, stamp: undefined }, cause],
  );
  assert.equal(error.message, 'post/lost (letter=7)');
  assert.equal(errors.lost().message, 'post/lost');
});

test('an error without a cause has none', () => {
  assert.equal('cause' in errors.lost(), false);
});

test('codes are told of ours only', () => {
  assert.equal(codeOf(errors.lost()), 'post/lost');
  assert.equal(codeOf(new Error('x')), 'internal/unexpected');
  assert.equal(hasCode(errors.lost(), 'post/lost'), true);
  assert.equal(hasCode(errors.lost(), 'post/found'), false);
  assert.equal(hasCode({ code: 'post/lost' }, 'post/lost'), false);
});
