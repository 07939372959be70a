import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { test } from 'node:test';

const repository = join(import.meta.dirname, '../../..');
const { isNewEnough, OLDEST } = createRequire(import.meta.url)(join(repository, 'bin/node-version.cjs'));

/** A project with nothing but the command, and the given files. */
function newProject(files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), 'drawbridge-bin-'));
  cpSync(join(repository, 'bin'), join(root, 'bin'), { recursive: true });
  for (const [name, text] of Object.entries({ 'package.json': '{"type":"module"}', ...files })) {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), text, { mode: 0o755 });
  }
  return root;
}

function drawbridge(root: string, args: readonly string[], options: readonly string[] = []) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...options, join(root, 'bin/drawbridge.cjs'), ...args],
    { encoding: 'utf8', env },
  );
  return { exitCode: status, stdout, stderr };
}

// Node.js believes that it is of this version.
function asVersion(root: string, version: string): string[] {
  const file = join(root, 'as-version.cjs');
  writeFileSync(
    file,
    `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });`,
  );
  return ['--require', file];
}

const MAIN = 'export async function main(argv) { console.log(import.meta.url, argv.join(" ")); return 3; }';

test('the oldest Node.js is the one that package.json names', () => {
  const { engines } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  assert.equal(engines.node, `>=${OLDEST.join('.')}`);
});

test('versions are compared by number', () => {
  for (const version of ['22.18.0', '22.20.1', '24.0.0', '100.1.0'])
    assert.equal(isNewEnough(version), true, version);
  for (const version of ['8.17.0', '20.20.2', '22.9.0', '22.17.1'])
    assert.equal(isNewEnough(version), false, version);
});

test('on a Node.js that is too old nothing is imported, and it says what to do', () => {
  const root = newProject({ 'src/cli.ts': 'console.log("imported")' });
  const { exitCode, stdout, stderr } = drawbridge(root, ['start'], asVersion(root, '20.20.2'));
  assert.equal(exitCode, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /needs Node\.js 22\.18 or newer .*20\.20\.2.*Install Node\.js 24/);
});

test('on a Node.js that is too old the one that npm has brought is named, with the command', () => {
  const module = `node_modules/node-linux-${process.arch}`;
  const root = newProject({ [`${module}/package.json`]: '{}', [`${module}/bin/node`]: '#!/bin/sh\n' });
  const { exitCode, stderr } = drawbridge(root, ['start', '-c', 'x.yaml'], asVersion(root, '20.20.2'));
  assert.equal(exitCode, 1);
  assert.match(stderr, new RegExp(`${module}/bin/node .*bin/drawbridge\\.cjs start -c x\\.yaml\\n$`));
});

test('the built command is started if there is one, else its source; arguments and exit code pass', () => {
  const built = newProject({ 'src/cli.ts': MAIN, 'dist/src/cli.js': MAIN });
  const fromBuilt = drawbridge(built, ['version', '--x']);
  assert.match(fromBuilt.stdout, /dist\/src\/cli\.js version --x\n$/);
  assert.equal(fromBuilt.exitCode, 3);
  const source = newProject({ 'src/cli.ts': MAIN.replace('(argv)', '(argv: readonly string[])') });
  const fromSource = drawbridge(source, ['version']);
  assert.match(fromSource.stdout, /src\/cli\.ts version\n$/);
  assert.equal(fromSource.exitCode, 3);
});

test('a fault at start is told, with exit code 1', () => {
  const root = newProject({ 'src/cli.ts': 'throw new Error("broken")' });
  const { exitCode, stderr } = drawbridge(root, ['start']);
  assert.equal(exitCode, 1);
  assert.match(stderr, /broken/);
});
