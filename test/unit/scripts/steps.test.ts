import assert from 'node:assert/strict';
import { test } from 'node:test';
import { programStep, runSteps, type Step, testStep } from '../../../scripts/steps.ts';

function step(name: string, run: () => Promise<boolean>): Step {
  return { name, run };
}

test('all steps run, each is named with its time, and one failure is enough to fail', async () => {
  const lines: string[] = [];
  const ran: string[] = [];
  const note = (name: string, isWell: boolean) =>
    step(name, async () => {
      ran.push(name);
      return isWell;
    });
  const steps = [note('one', true), note('two', false), note('three', true)];
  assert.equal(await runSteps(steps, (line) => lines.push(line)), false);
  assert.deepEqual(ran, ['one', 'two', 'three']);
  assert.match(
    lines.at(-1) ?? '',
    /^\nok {5}one \(\d+\.\d s\)\nFAILED two \(\d+\.\d s\)\nok {5}three \(\d+\.\d s\)$/,
  );
});

test('steps that all succeed succeed', async () => {
  assert.equal(await runSteps([step('one', async () => true)], () => undefined), true);
});

test('a step that throws has failed, and the reason is printed', async () => {
  const lines: string[] = [];
  const broken = step('broken', async () => {
    throw new Error('no such program');
  });
  assert.equal(await runSteps([broken], (line) => lines.push(line)), false);
  assert.match(lines.join('\n'), /no such program/);
});

test('a program succeeds with exit code 0 only', async () => {
  assert.equal(await programStep('good', process.execPath, ['-e', '0']).run(), true);
  assert.equal(await programStep('bad', process.execPath, ['-e', 'process.exitCode = 2']).run(), false);
  assert.equal(
    await programStep('killed', process.execPath, ['-e', 'process.kill(process.pid)']).run(),
    false,
  );
});

test('tests that match no file have failed', async () => {
  await assert.rejects(
    testStep('none', ['test/no-such-folder/**/*.test.ts'], []).run(),
    /no test file matches/,
  );
});
