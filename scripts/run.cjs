'use strict';
/**
 * node scripts/run.cjs <file.ts> [argument…]
 *
 * Runs a TypeScript file of this repository on a fresh clone: installs the dependencies if they are missing or do not
 * match package-lock.json, finds a Node.js that is new enough (npm brings one on Linux), and hands over. CommonJS, and
 * nothing but Node.js 20: it runs before anything is installed.
 */
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { isatty } = require('node:tty');
const { isNewEnough, findBundledNode } = require('../bin/node-version.cjs');
const { withLock } = require('../src/sandbox/toolbox/lock.cjs');

const root = path.dirname(__dirname);
const modules = path.join(root, 'node_modules');

async function main([file, ...args]) {
  if (file === undefined) return fail('Usage: node scripts/run.cjs <file.ts> [argument…]', 2);
  if (!isInstalled()) {
    const lock = path.join(root, '.drawbridge', 'npm-ci.lock');
    const waiting = () => say('waiting for another run that is installing the dependencies…');
    const exitCode = await withLock(lock, async () => (isInstalled() ? 0 : install()), waiting);
    if (exitCode !== 0) return fail(`"npm ci" failed; what it said stands above.`, 1);
  }
  const node = isNewEnough(process.versions.node) ? process.execPath : findBundledNode(root);
  if (node === undefined) return fail(whatNodeToInstall(), 1);
  handOver(node, [path.resolve(root, file), ...args]);
}

/** Whether node_modules holds what package-lock.json asks for: npm writes down what it has installed, last of all. */
function isInstalled() {
  const wanted = readPackages(path.join(root, 'package-lock.json'));
  const present = readPackages(path.join(modules, '.package-lock.json'));
  if (present === undefined) return false;
  const paths = new Set([...Object.keys(wanted), ...Object.keys(present)]);
  paths.delete(''); // the project itself
  return [...paths].every((name) => {
    const [want, have] = [wanted[name], present[name]];
    if (want === undefined) return false; // no longer asked for
    if (have === undefined) return want.optional === true || want.devOptional === true; // for another platform
    return want.version === have.version && want.integrity === have.integrity;
  });
}

function readPackages(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')).packages;
  } catch (failure) {
    if (failure.code === 'ENOENT') return undefined;
    throw failure;
  }
}

function install() {
  say('installing the dependencies with "npm ci" (under a minute)…');
  // Production settings of the machine must not leave out the compiler or the bundled Node.js. The packages want a newer
  // Node.js than npm itself may run on; since that one comes with them, npm's warnings would only frighten.
  const args = ['ci', '--include=dev', '--include=optional', '--loglevel=error', '--no-fund', '--no-audit'];
  return new Promise((resolve) => {
    const child = spawn('npm', args, { cwd: root, stdio: ['ignore', 2, 2] });
    child.on('error', () => resolve(1));
    child.on('close', (exitCode) => resolve(exitCode ?? 1));
  });
}

function whatNodeToInstall() {
  const { engines } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  return (
    `Drawbridge needs Node.js ${engines.node}, this is ${process.versions.node}, and npm has brought none for ` +
    `${process.platform} ${process.arch}. Install Node.js 24 from https://nodejs.org/en/download, or with ` +
    '"brew install node@24" on macOS, "dnf install nodejs24" on Fedora.'
  );
}

function handOver(node, args) {
  const { env } = process;
  const PATH = [path.join(modules, '.bin'), path.dirname(node), env.PATH].join(path.delimiter);
  const child = spawn(node, args, { stdio: 'inherit', env: { ...env, PATH } });
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  // A terminal sends Ctrl-C to both of us: sent on as well, it would count twice.
  const hasTerminal = [0, 1, 2].some(isatty);
  process.on('SIGINT', () => hasTerminal || child.kill('SIGINT'));
  child.on('error', (failure) => fail(`${node} does not start (${failure.code}).`, 1));
  child.on('close', (exitCode, signal) => {
    if (signal === null) process.exitCode = exitCode;
    else endBy(signal);
  });
}

// Ends like the child ended, so that a shell sees the same.
function endBy(signal) {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

function say(line) {
  process.stderr.write(`drawbridge: ${line}\n`);
}

function fail(sentence, exitCode) {
  say(sentence);
  process.exitCode = exitCode;
}

main(process.argv.slice(2)).catch((failure) => fail(failure.stack, 1));
