import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { installSynapse } from '../../../../src/sandbox/synapse/install.ts';
import { installSentence, openToolbox } from '../../../../src/sandbox/toolbox/toolbox.ts';

const newFolder = () => mkdtempSync(join(tmpdir(), 'drawbridge-tools-'));
const withPath = (path: string) =>
  openToolbox({ folder: newFolder(), env: { PATH: path }, progress: () => undefined });

async function sentenceOf(installing: Promise<unknown>): Promise<string> {
  const failure = await installing.then(
    () => 'it succeeded',
    (thrown: unknown) => thrown,
  );
  const sentence = installSentence(failure);
  assert.ok(sentence !== undefined, String(failure));
  return sentence;
}

test('without Python it says what to install on each system', async () => {
  const sentence = await sentenceOf(installSynapse(withPath(newFolder())));
  assert.match(
    sentence,
    /needs Python 3\.10 or newer.*apt-get install python3 .*dnf install python3 .*brew install python/,
  );
});

test('a Python that is too old counts as none', async () => {
  const path = newFolder();
  writeFileSync(join(path, 'python3'), '#!/bin/sh\necho AssertionError >&2\nexit 1\n', { mode: 0o755 });
  assert.match(await sentenceOf(installSynapse(withPath(path))), /needs Python 3\.10 or newer/);
});

test('a Python without pip, where pip cannot be unpacked, is told', async () => {
  const path = newFolder();
  writeFileSync(join(path, 'python3'), '#!/bin/sh\necho no-pip\n', { mode: 0o755 });
  assert.match(await sentenceOf(installSynapse(withPath(path))), /needs pip for Python/);
});

test('nothing counts as installed after a failure', async () => {
  const toolbox = withPath(newFolder());
  await sentenceOf(installSynapse(toolbox));
  for (const folder of readdirSync(toolbox.folder)) {
    assert.deepEqual(readdirSync(join(toolbox.folder, folder)), []);
  }
});
