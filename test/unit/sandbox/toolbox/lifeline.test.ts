import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLifeline } from '../../../../src/sandbox/toolbox/lifeline.ts';

function pathWith(setpriv: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'drawbridge-path-'));
  writeFileSync(join(folder, 'setpriv'), setpriv, { mode: 0o755 });
  return folder;
}

test('where setpriv can bind a program to us, it does', async () => {
  const path = pathWith('#!/bin/sh\nexit 0\n');
  const lifeline = createLifeline({ PATH: path });
  assert.deepEqual(await lifeline('/bin/server', ['-x']), [
    join(path, 'setpriv'),
    '--pdeathsig',
    'KILL',
    '/bin/server',
    '-x',
  ]);
});

test('without setpriv, or with one that cannot, the command line stays as it is', async () => {
  for (const path of ['', pathWith('#!/bin/sh\nexit 1\n'), pathWith('no program')]) {
    assert.deepEqual(await createLifeline({ PATH: path })('/bin/server', ['-x']), ['/bin/server', '-x']);
  }
});
