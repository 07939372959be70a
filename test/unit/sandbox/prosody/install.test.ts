import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { installProsody, parseVersion, relocatedLauncher } from '../../../../src/sandbox/prosody/install.ts';
import { installSentence, openToolbox } from '../../../../src/sandbox/toolbox/toolbox.ts';

async function withCommand(output: string | undefined, use: (path: string) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), 'prosody-install-'));
  try {
    if (output !== undefined) {
      await writeFile(join(path, 'prosody'), `#!/bin/sh\necho '${output}'\n`);
      await chmod(join(path, 'prosody'), 0o755);
    }
    await use(path);
  } finally {
    await rm(path, { recursive: true });
  }
}

/** A machine without apt: only what is in `path`. */
const machine = (path: string) =>
  openToolbox({ folder: join(path, 'tools'), env: { PATH: path }, progress: () => undefined });

test('the launcher looks for everything below the tools folder', () => {
  const launcher =
    "#!/usr/bin/env lua5.4\nCFG_SOURCEDIR='/usr/lib/prosody';\nCFG_DATADIR='/var/lib/prosody';\nrun()\n";
  assert.equal(
    relocatedLauncher(launcher, '/t'),
    "CFG_SOURCEDIR='/t/usr/lib/prosody';\nCFG_DATADIR='/t/var/lib/prosody';\nrun()\n",
  );
});

test('the major version is read from what prosody prints', () => {
  assert.equal(parseVersion('Prosody 13.0.1\n\n# Prosody directories'), 13);
  assert.equal(parseVersion('Prosody hg:abc'), undefined);
});

test('without apt a new enough prosody on PATH is used', async () => {
  await withCommand('Prosody 13.0.4', async (path) => {
    const { command } = await installProsody(machine(path));
    assert.equal(command, join(path, 'prosody'));
  });
});

for (const [machineHas, output] of [
  ['no prosody', undefined],
  ['one that is too old', 'Prosody 0.12.3'],
] as const) {
  test(`without apt and with ${machineHas}, the failure says what to install on each system`, async () => {
    await withCommand(output, async (path) => {
      const failure = await installProsody(machine(path)).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      const sentence = installSentence(failure) ?? '';
      for (const system of ['Debian', 'Fedora', 'macOS']) assert.ok(sentence.includes(system), sentence);
    });
  });
}
