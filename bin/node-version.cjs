'use strict';
/** Which Node.js will do. CommonJS, and nothing but what Node.js 12 knows: it runs where the version is wrong. */
const { spawnSync } = require('node:child_process');
const path = require('node:path');

/** As `engines.node` in package.json: from here on TypeScript runs as it is, and better-sqlite3 does not crash. */
const OLDEST = [22, 18];

/** @param {string} version as `process.versions.node` */
function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

/**
 * The Node.js that npm has brought (an optional dependency: Linux with glibc only).
 * @param {string} root the project's folder
 * @returns {string | undefined} its absolute path, or undefined if there is none or it does not run here
 */
function findBundledNode(root) {
  let manifest;
  try {
    manifest = require.resolve(`node-linux-${process.arch}/package.json`, { paths: [root] });
  } catch {
    return undefined; // not for this platform, or left out
  }
  const node = path.join(path.dirname(manifest), 'bin', 'node');
  return spawnSync(node, ['--version']).status === 0 ? node : undefined;
}

module.exports = { OLDEST, isNewEnough, findBundledNode };
