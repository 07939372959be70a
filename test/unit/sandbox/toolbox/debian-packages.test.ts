import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseOsRelease,
  parsePlan,
  parseTargets,
  sourcesList,
} from '../../../../src/sandbox/toolbox/debian-packages.ts';

test('the release is read from an os-release file, quoted or not', () => {
  const debian = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n';
  assert.deepEqual(parseOsRelease(debian), { id: 'debian', codename: 'bookworm' });
  assert.deepEqual(parseOsRelease('ID="fedora"\nVERSION_ID=43\n'), { id: 'fedora', codename: '' });
  assert.deepEqual(parseOsRelease(''), { id: '', codename: '' });
});

test('packages come from where this machine gets its release, with the keyring named there', () => {
  const targets = parseTargets(
    'https://packages.example/node_20.x nodistro /usr/share/keyrings/nodesource.gpg\n' +
      'http://mirror.example/debian-security bookworm-security /usr/share/keyrings/debian-archive-keyring.gpg\n' +
      'http://mirror.example/debian bookworm /usr/share/keyrings/debian-archive-keyring.gpg\n',
  );
  assert.equal(
    sourcesList(targets, 'bookworm', ['bookworm', 'bookworm-backports']),
    'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian bookworm main\n' +
      'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian bookworm-backports main\n',
  );
});

test('without a keyring named by its path the general one decides', () => {
  for (const targets of [
    'http://mirror.example/debian trixie \n',
    'http://mirror.example/debian trixie -----BEGIN\n',
  ])
    assert.equal(
      sourcesList(parseTargets(targets), 'trixie', ['trixie']),
      'deb http://mirror.example/debian trixie main\n',
    );
});

test('without a source for this release it says what is missing', () => {
  assert.throws(() => sourcesList([], 'bookworm', ['sid']), { code: 'toolbox/missing' });
});

test('only what a plan would install counts, not what it would configure', () => {
  const plan =
    'NOTE: This is only a simulation!\nInst libpq5 (15.18-0+deb12u1 Debian:12.12/oldstable [amd64])\n' +
    'Inst postgresql-15 (15.18-0+deb12u1 Debian:12.12/oldstable [amd64])\nConf libpq5 (15.18-0+deb12u1 [amd64])\n';
  assert.deepEqual(parsePlan(plan), ['libpq5', 'postgresql-15']);
});
