import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { env } from 'node:process';
import { type TestContext, test } from 'node:test';

const repository = join(import.meta.dirname, '../../..');
const NEEDED = ['scripts/run.cjs', 'bin/node-version.cjs', 'src/sandbox/toolbox/lock.cjs'];

// Stands for npm, which needs the network: notes each call, and writes down what it has installed as npm does.
const NPM = `#!${process.execPath}
const fs = require('node:fs');
fs.appendFileSync('npm-calls', process.argv.slice(2).join(' ') + '\\n');
if (fs.existsSync('npm-fails')) process.exit(1);
setTimeout(() => {
  fs.mkdirSync('node_modules', { recursive: true });
  fs.copyFileSync('package-lock.json', 'node_modules/.package-lock.json');
}, 100);
`;
const FILE = `const [word, code]: string[] = process.argv.slice(2);
process.stdout.write('file ran: ' + word + ' ' + process.env.PATH + '\\n');
process.exitCode = Number(code);
`;

function lockOf(version: string): string {
  return JSON.stringify({
    packages: {
      '': { name: 'project' },
      'node_modules/a': { version, integrity: `sha512-${version}` },
      'node_modules/for-another-platform': { version: '1.0.0', optional: true },
    },
  });
}

/** A fresh clone of a small project that runs with our script. */
function newProject() {
  const root = mkdtempSync(join(tmpdir(), 'drawbridge-run-'));
  for (const file of NEEDED) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    cpSync(join(repository, file), join(root, file));
  }
  writeFileSync(join(root, 'package.json'), '{"engines":{"node":">=22.18"}}');
  writeFileSync(join(root, 'package-lock.json'), lockOf('1.0.0'));
  writeFileSync(join(root, 'file.ts'), FILE);
  mkdirSync(join(root, 'npm-bin'));
  writeFileSync(join(root, 'npm-bin', 'npm'), NPM, { mode: 0o755 });
  return root;
}

function start(root: string, args: readonly string[]): ChildProcess {
  const { PATH: ownPath } = env;
  const PATH = [join(root, 'npm-bin'), ownPath].join(delimiter);
  return spawn(process.execPath, [join(root, 'scripts/run.cjs'), ...args], {
    env: { ...env, PATH },
    stdio: 'pipe',
  });
}

async function finish(child: ChildProcess) {
  let output = '';
  child.stdout?.on('data', (text) => (output += text));
  child.stderr?.on('data', (text) => (output += text));
  const [exitCode, signal] = await once(child, 'close');
  return { exitCode, signal, output };
}

const run = (root: string, ...args: string[]) => finish(start(root, args));

function npmCalls(root: string): number {
  const file = join(root, 'npm-calls');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').length : 0;
}

test('on a fresh clone the dependencies are installed, in a sentence, and the file runs', async () => {
  const root = newProject();
  const { exitCode, output } = await run(root, 'file.ts', 'hello', '7');
  assert.match(output, /installing the dependencies with "npm ci"/);
  assert.ok(output.includes(`file ran: hello ${join(root, 'node_modules', '.bin')}${delimiter}`));
  assert.equal(exitCode, 7);
});

test('what is installed is not installed again; what the platform leaves out is not missed', async () => {
  const root = newProject();
  await run(root, 'file.ts', 'one', '0');
  const installed = JSON.parse(lockOf('1.0.0'));
  delete installed.packages['node_modules/for-another-platform'];
  writeFileSync(join(root, 'node_modules', '.package-lock.json'), JSON.stringify(installed));
  const { output } = await run(root, 'file.ts', 'two', '0');
  assert.match(output, /^file ran: two/);
  assert.equal(npmCalls(root), 1);
});

test('another version in the lock file is installed', async () => {
  const root = newProject();
  await run(root, 'file.ts', 'one', '0');
  writeFileSync(join(root, 'package-lock.json'), lockOf('1.0.1'));
  await run(root, 'file.ts', 'two', '0');
  assert.equal(npmCalls(root), 2);
});

test('two runs at once install once, and both run their file', async () => {
  const root = newProject();
  const [one, two] = await Promise.all([run(root, 'file.ts', 'one', '0'), run(root, 'file.ts', 'two', '0')]);
  assert.match(one.output, /file ran: one/);
  assert.match(two.output, /file ran: two/);
  assert.equal(npmCalls(root), 1);
});

test('when npm fails, nothing is run and the exit code is 1', async () => {
  const root = newProject();
  writeFileSync(join(root, 'npm-fails'), '');
  const { exitCode, output } = await run(root, 'file.ts', 'one', '0');
  assert.match(output, /"npm ci" failed/);
  assert.doesNotMatch(output, /file ran/);
  assert.equal(exitCode, 1);
});

test('without a file it says how it is used', async () => {
  const { exitCode, output } = await run(newProject());
  assert.match(output, /Usage: node scripts\/run\.cjs <file\.ts>/);
  assert.equal(exitCode, 2);
});

// The file answers the signal with an exit code of its own, or dies of it.
async function signalled(context: TestContext, signal: NodeJS.Signals, handler: string) {
  const root = newProject();
  writeFileSync(join(root, 'file.ts'), `${handler}; setInterval(() => 0, 1000); process.stdout.write('up');`);
  const child = start(root, ['file.ts']);
  context.after(() => child.kill('SIGKILL'));
  const finished = finish(child);
  let output = '';
  while (!output.endsWith('up')) output += (await once(child.stdout ?? assert.fail(), 'data'))[0];
  child.kill(signal);
  return finished;
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`${signal} reaches the file, once, and its exit code is ours`, async (t) => {
    const handler = `let count = 0; process.on('${signal}', () => { count += 1; setTimeout(() => process.exit(40 + count), 100); })`;
    assert.equal((await signalled(t, signal, handler)).exitCode, 41);
  });
}

test('a file that dies of a signal is told as such', async (t) => {
  assert.equal((await signalled(t, 'SIGTERM', '0')).signal, 'SIGTERM');
});
