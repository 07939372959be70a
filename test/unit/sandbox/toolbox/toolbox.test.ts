import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { toolboxErrors } from '../../../../src/sandbox/toolbox/errors.ts';
import { installSentence, openToolbox, toolsFolder } from '../../../../src/sandbox/toolbox/toolbox.ts';

test('the tools lie in the repository unless the environment says otherwise', () => {
  const folder = toolsFolder({});
  assert.ok(folder.endsWith('/.drawbridge'));
  assert.ok(existsSync(join(folder, '..', 'package.json')));
  assert.equal(toolsFolder({ DRAWBRIDGE_TOOLS: '' }), folder);
  assert.equal(toolsFolder({ DRAWBRIDGE_TOOLS: '/srv/tools' }), '/srv/tools');
  assert.equal(toolsFolder({ DRAWBRIDGE_TOOLS: 'tools' }), resolve('tools'));
});

test('what is missing is told as a sentence, any other failure is not', () => {
  assert.equal(installSentence(toolboxErrors.missing({ what: 'x', install: 'Install x.' })), 'Install x.');
  assert.equal(installSentence(toolboxErrors.commandFailed({ install: 'no' })), undefined);
  assert.equal(installSentence(new Error('other')), undefined);
});

test("programs run in the toolbox's environment, with what is added for them", async () => {
  const toolbox = openToolbox({ folder: '/nowhere', env: { A: 'a' }, progress: assert.fail });
  const printed = await toolbox.run(process.execPath, ['-p', 'process.env.A + process.env.B'], {
    env: { B: 'b' },
  });
  assert.equal(printed, 'ab\n');
});

test('without apt on PATH no Debian packages can be unpacked', async () => {
  const toolbox = openToolbox({ folder: '/nowhere', env: { PATH: '' }, progress: assert.fail });
  assert.equal(await toolbox.canUnpackDebs([]), false);
  await assert.rejects(
    toolbox.unpackDebs({ dir: '/nowhere', suites: [], packages: ['x'] }),
    /toolbox\/missing/,
  );
});
