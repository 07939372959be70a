import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { after, before, test } from 'node:test';

import { makeCertificates } from '../../../../src/sandbox/prosody/certificates.ts';
import { openToolbox } from '../../../../src/sandbox/toolbox/toolbox.ts';

const yearMs = 365 * 86_400_000;
const toolbox = openToolbox({ folder: tmpdir(), env, progress: () => undefined });
let root: string;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'certificates-'));
});
after(() => rm(root, { recursive: true }));

const make = (name: string, domain: string, nowMs = Date.now()) =>
  makeCertificates({ toolbox, dir: join(root, name), names: [domain, `keys.${domain}`], nowMs });

test('the certificate stands for the domain and is signed by the authority', async () => {
  const files = await make('fresh', 'gk.test');
  const authority = new X509Certificate(await readFile(files.caFile));
  const server = new X509Certificate(await readFile(files.certificateFile));
  assert.ok(authority.ca);
  assert.ok(!server.ca);
  assert.ok(server.verify(authority.publicKey));
  assert.equal(server.checkHost('gk.test'), 'gk.test');
  assert.equal(server.checkHost('other.test'), undefined);
  assert.ok(server.checkPrivateKey(createPrivateKey(await readFile(files.keyFile))));
});

test('a second start keeps the authority', async () => {
  const first = await readFile((await make('kept', 'gk.test')).caFile, 'utf8');
  assert.equal(await readFile((await make('kept', 'gk.test')).caFile, 'utf8'), first);
});

test('another domain, or an expired certificate, gets new ones', async () => {
  const first = await readFile((await make('renewed', 'gk.test')).certificateFile, 'utf8');
  const files = await make('renewed', 'other.test');
  const second = await readFile(files.certificateFile, 'utf8');
  assert.notEqual(second, first);
  await make('renewed', 'other.test', Date.now() + 3 * yearMs);
  assert.notEqual(await readFile(files.certificateFile, 'utf8'), second);
});

test('without openssl the failure says what to install', async () => {
  const bare = { run: toolbox.run, findCommand: async () => undefined };
  const making = makeCertificates({ toolbox: bare, dir: join(root, 'no'), names: ['gk.test'], nowMs: 0 });
  await assert.rejects(making, { code: 'toolbox/missing' });
});
