import assert from 'node:assert/strict';
import { env } from 'node:process';
import { test } from 'node:test';
import { hasCode } from '../../../../src/model/errors.ts';
import { noLifeline } from '../../../../src/sandbox/toolbox/lifeline.ts';
import { lastLines, runCommand } from '../../../../src/sandbox/toolbox/run-command.ts';
import type { RunOptions } from '../../../../src/sandbox/toolbox/toolbox.ts';

const run = (script: string, options: RunOptions = {}) =>
  runCommand(process.execPath, ['-e', script], { env, lifeline: noLifeline, ...options });

test('the standard output is given back, and only that', async () => {
  assert.equal(await run('console.log("out"); console.error("err")'), 'out\n');
});

test('a program that gives up is told with its exit code and its last lines from both streams', async () => {
  await assert.rejects(
    run('console.log("first"); console.error("last"); process.exitCode = 3'),
    (failure) => {
      assert.ok(hasCode(failure, 'toolbox/commandFailed'));
      assert.equal(failure.facts.exitCode, 3);
      assert.deepEqual(String(failure.facts.output).split('\n').sort(), ['first', 'last']);
      return true;
    },
  );
});

test('a program that is not there is told, with the cause', async () => {
  await assert.rejects(runCommand('/nowhere/program', [], { env, lifeline: noLifeline }), (failure) => {
    assert.ok(hasCode(failure, 'toolbox/commandFailed'));
    assert.match(String(failure.cause), /ENOENT/);
    return true;
  });
});

test('a program that takes too long is killed', async () => {
  await assert.rejects(run('setInterval(() => 0, 1000)', { timeoutMs: 200 }), (failure) => {
    assert.ok(hasCode(failure, 'toolbox/commandFailed'));
    assert.equal(failure.facts.signal, 'SIGKILL');
    return true;
  });
});

test('a program gets no input, and does not wait for it', async () => {
  assert.equal(await run('process.stdin.on("data", () => 0).on("end", () => console.log("end"))'), 'end\n');
});

test('the last lines of a text pass over empty ones', () => {
  assert.equal(lastLines('a\n\nb\n\n\nc\n', 2), 'b\nc');
  assert.equal(lastLines('', 2), '');
});
