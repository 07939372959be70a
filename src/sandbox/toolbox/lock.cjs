'use strict';
/**
 * A lock between processes: a file that says who holds it. CommonJS, and nothing but Node.js 20: `scripts/run.cjs` needs
 * it before anything is installed.
 *
 * A lock counts as left behind when its process is gone (asked only on the same machine: the folder may be shared), or
 * when its holder has not touched it for a minute.
 */
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const TOUCH_EVERY_MS = 5_000;
const LEFT_BEHIND_AFTER_MS = 60_000;
const ASK_EVERY_MS = 200;

/** See lock.d.cts. */
async function withLock(file, work, onWait) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const mine = JSON.stringify({
    pid: process.pid,
    host: os.hostname(),
    at: Date.now(),
    nonce: Math.random(),
  });
  let told = false;
  while (!tryCreate(file, mine)) {
    const holder = read(file);
    if (holder !== undefined && isLeftBehind(holder)) {
      takeAway(file, holder.text);
      continue;
    }
    if (!told) onWait?.();
    told = true;
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
  const touching = setInterval(() => touch(file), TOUCH_EVERY_MS);
  touching.unref();
  try {
    return await work();
  } finally {
    clearInterval(touching);
    if (read(file)?.text === mine) fs.rmSync(file, { force: true });
  }
}

function tryCreate(file, text) {
  try {
    fs.writeFileSync(file, text, { flag: 'wx' });
    return true;
  } catch (failure) {
    if (failure.code === 'EEXIST') return false;
    throw failure;
  }
}

function read(file) {
  try {
    return { text: fs.readFileSync(file, 'utf8'), touchedAtMs: fs.statSync(file).mtimeMs };
  } catch (failure) {
    if (failure.code === 'ENOENT') return undefined; // released a moment ago
    throw failure;
  }
}

function isLeftBehind({ text, touchedAtMs }) {
  if (Date.now() - touchedAtMs > LEFT_BEHIND_AFTER_MS) return true;
  let holder;
  try {
    holder = JSON.parse(text);
  } catch {
    return false; // being written this moment; if its writer died in between, the minute decides
  }
  return holder.host === os.hostname() && !isAlive(holder.pid);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (failure) {
    return failure.code === 'EPERM'; // somebody else's process, but there
  }
}

// Renaming lets only one of several waiters win. If the lock changed hands since we read it, it is put back.
function takeAway(file, expected) {
  const aside = `${file}.${process.pid}.left-behind`;
  try {
    fs.renameSync(file, aside);
  } catch (failure) {
    if (failure.code === 'ENOENT') return; // another waiter was faster
    throw failure;
  }
  if (fs.readFileSync(aside, 'utf8') === expected) fs.rmSync(aside);
  else fs.renameSync(aside, file);
}

function touch(file) {
  try {
    fs.utimesSync(file, new Date(), new Date());
  } catch {
    /* taken over while this machine slept: the new holder's file is not ours to touch, and the work goes on */
  }
}

module.exports = { withLock };
