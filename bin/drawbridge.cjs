#!/usr/bin/env node
'use strict';
/**
 * The `drawbridge` command. Its first duty is to start on no Node.js on which the daemon would crash: on an older one
 * better-sqlite3 ends the process without a word when it opens the database. So this file is CommonJS that any Node.js
 * reads, and it looks before it imports anything.
 */
const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { OLDEST, isNewEnough, findBundledNode } = require('./node-version.cjs');

const root = path.dirname(__dirname);

function start() {
  if (!isNewEnough(process.versions.node)) {
    process.stderr.write(`${wrongNode()}\n`);
    process.exitCode = 1;
    return;
  }
  const built = path.join(root, 'dist', 'src', 'cli.js');
  const cli = fs.existsSync(built) ? built : path.join(root, 'src', 'cli.ts');
  import(pathToFileURL(cli).href)
    .then(({ main }) => main(process.argv.slice(2)))
    .then((exitCode) => {
      process.exitCode = exitCode;
    })
    .catch((failure) => {
      process.stderr.write(`drawbridge: ${failure.stack}\n`);
      process.exitCode = 1;
    });
}

// It does not start the other Node.js by itself: a service manager should watch the daemon, not a go-between.
function wrongNode() {
  const needed = `Drawbridge needs Node.js ${OLDEST.join('.')} or newer and would crash on this one (${process.versions.node}).`;
  const bundled = findBundledNode(root);
  return bundled === undefined
    ? `${needed} Install Node.js 24: https://nodejs.org/en/download`
    : `${needed} npm has brought a newer one, start it with that:\n  ${bundled} ${__filename} ${process.argv.slice(2).join(' ')}`;
}

start();
