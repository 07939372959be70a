import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { installPostgres, unpackedInstallation } from '../../../../src/sandbox/postgres/install.ts';
import { installSentence, openToolbox } from '../../../../src/sandbox/toolbox/toolbox.ts';

const newFolder = () => realpathSync(mkdtempSync(join(tmpdir(), 'drawbridge-tools-')));
const withPath = (path: string) =>
  openToolbox({ folder: newFolder(), env: { PATH: path }, progress: () => undefined });

function serverPrograms(version: string): string {
  const folder = newFolder();
  const script = `#!/bin/sh\necho 'postgres (PostgreSQL) ${version}'\n`;
  for (const name of ['postgres', 'initdb']) writeFileSync(join(folder, name), script, { mode: 0o755 });
  return folder;
}

test('the server programs on PATH are taken', async () => {
  const bin = serverPrograms('17.2');
  assert.deepEqual(await installPostgres(withPath(bin)), { bin, env: {} });
});

test('a link on PATH is followed to where all programs are', async () => {
  const bin = serverPrograms('17.2');
  const path = newFolder();
  symlinkSync(join(bin, 'postgres'), join(path, 'postgres'));
  assert.equal((await installPostgres(withPath(path))).bin, bin);
});

test('one that is too old counts as none, and it is told what to install on each system', async () => {
  const installing = installPostgres(withPath(serverPrograms('9.6.24')));
  const failure = await installing.then(
    () => 'it succeeded',
    (thrown: unknown) => thrown,
  );
  assert.match(
    installSentence(failure) ?? '',
    /apt-get install postgresql".*dnf install postgresql-server".*brew install postgresql/,
  );
});

test('of what is unpacked the newest version is taken, with its libraries', async () => {
  const dir = newFolder();
  for (const major of ['9', '15', '17'])
    mkdirSync(join(dir, 'usr/lib/postgresql', major, 'bin'), { recursive: true });
  for (const folder of ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu', 'usr/lib/other']) {
    mkdirSync(join(dir, folder), { recursive: true });
  }
  assert.deepEqual(await unpackedInstallation(dir), {
    bin: join(dir, 'usr/lib/postgresql/17/bin'),
    env: { LD_LIBRARY_PATH: `${dir}/usr/lib/x86_64-linux-gnu:${dir}/lib/x86_64-linux-gnu` },
    unpackedIn: dir,
  });
});

test('an unpacked folder without server programs is told', async () => {
  await assert.rejects(unpackedInstallation(newFolder()), /toolbox\/missing/);
});
