import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EXIT, EXIT_WORDS, exitCodeFor } from '../../../src/cli/exit-codes.ts';
import { failureLines } from '../../../src/cli/failure.ts';
import { defineErrors } from '../../../src/model/errors.ts';

const errors = defineErrors('test', { broken: { retry: 'never', arrived: 'no', notice: 'internal' } });

test('a failure is told with its code, its facts and its causes, and foreign messages stay out', () => {
  const cause = Object.assign(new Error('password=hunter2'), { code: 'ECONNREFUSED' });
  const lines = failureLines(errors.broken({ port: 5 }, cause)).join('\n');
  assert.match(lines, /^failed: test\/broken \(port=5\)$/m);
  assert.match(lines, /^because of: Error ECONNREFUSED$/m);
  assert.ok(!lines.includes('hunter2'));
});

test('a failure of no known kind shows where it happened', () => {
  assert.match(failureLines(new TypeError('x')).join('\n'), /^failed: TypeError\n\s+at /);
  assert.deepEqual(failureLines('text'), ['failed: [string]']);
});

test('a chain of causes that bites its tail ends', () => {
  const cause: Error & { cause?: unknown } = new Error('x');
  cause.cause = cause;
  assert.ok(failureLines(cause).length < 100);
});

test('every exit code is one of its own and explained', () => {
  const codes = Object.values(EXIT);
  assert.equal(new Set(codes).size, codes.length);
  assert.deepEqual(Object.keys(EXIT_WORDS), Object.keys(EXIT));
});

test('an error with an exit code of its own gives it, any other gives 1', () => {
  assert.equal(exitCodeFor('storage/unreachable'), 14);
  assert.equal(exitCodeFor('storage/wrongMasterKey'), 33);
  assert.equal(exitCodeFor('test/broken'), 1);
});
