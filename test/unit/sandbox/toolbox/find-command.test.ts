import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { test } from 'node:test';
import { findCommand } from '../../../../src/sandbox/toolbox/find-command.ts';

function folderWith(name: string, mode = 0o755): string {
  const folder = mkdtempSync(join(tmpdir(), 'drawbridge-path-'));
  writeFileSync(join(folder, name), '#!/bin/sh\n', { mode });
  return folder;
}

test('the first folder on PATH wins, then the further ones in their order', async () => {
  const [one, two, three] = [folderWith('a'), folderWith('a'), folderWith('b')];
  assert.equal(await findCommand('a', [one, two].join(delimiter), [three]), join(one, 'a'));
  assert.equal(await findCommand('b', [one, two].join(delimiter), [three]), join(three, 'b'));
  assert.equal(await findCommand('c', [one, two].join(delimiter), [three]), undefined);
});

test('a file that is not executable and a folder of that name are passed over', async () => {
  const plain = folderWith('a', 0o644);
  const folder = mkdtempSync(join(tmpdir(), 'drawbridge-path-'));
  mkdirSync(join(folder, 'a'));
  assert.equal(await findCommand('a', plain, [folder]), undefined);
});

test('a relative folder on PATH is passed over', async () => {
  assert.equal(await findCommand('a', relative('.', folderWith('a')), []), undefined);
});

test('an empty PATH finds nothing', async () => {
  assert.equal(await findCommand('sh', '', []), undefined);
});
