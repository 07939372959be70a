import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { parse } from 'yaml';
import { EXIT } from '../../../src/cli/exit-codes.ts';
import { main } from '../../../src/cli.ts';
import { filledSample } from '../config/filled-sample.ts';
import { recordingIo } from './recording-io.ts';

let folder = '';
let config = '';
let output = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-register-'));
  config = path.join(folder, 'config.yaml');
  output = path.join(folder, 'registration.yaml');
  await writeFile(config, filledSample(), { mode: 0o640 });
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function register(options: readonly string[] = [], environment = {}) {
  const io = recordingIo(environment);
  const code = await main(['register', '-c', config, '-o', output, ...options], io);
  return { code, ...io.lines };
}

describe('drawbridge register', () => {
  test('writes a registration that only its owner can read', async () => {
    const { code } = await register();
    assert.equal(code, EXIT.ok);
    assert.equal((await stat(output)).mode & 0o777, 0o600);
    assert.equal(parse(await readFile(output, 'utf8')).as_token, 'a'.repeat(32));
  });

  test('leaves an existing file alone unless forced', async () => {
    await writeFile(output, 'mine');
    assert.equal((await register(['--generate-tokens'])).code, EXIT.registrationExists);
    assert.equal(await readFile(output, 'utf8'), 'mine');
    assert.equal(await readFile(config, 'utf8'), filledSample());
    assert.equal((await register(['--force'])).code, EXIT.ok);
    assert.match(await readFile(output, 'utf8'), /^id: drawbridge$/m);
  });

  test('writes nothing for a configuration with faults', async () => {
    await writeFile(config, filledSample().replace('port: 29350', 'port: 0'));
    for (const options of [[], ['--generate-tokens']]) {
      assert.equal((await register(options)).code, EXIT.configInvalid);
      await assert.rejects(stat(output), { code: 'ENOENT' });
    }
  });

  test('says what is wrong when it cannot write', async () => {
    output = path.join(folder, 'no-such-folder', 'registration.yaml');
    const { code, err } = await register();
    assert.equal(code, EXIT.registrationUnwritable);
    assert.match(err.join('\n'), /ENOENT/);
  });

  test('leaves nothing else behind, also when it fails', async () => {
    await register();
    await rm(output);
    await mkdir(output);
    assert.equal((await register(['--force'])).code, EXIT.registrationUnwritable);
    assert.deepEqual((await readdir(folder)).toSorted(), ['config.yaml', 'registration.yaml']);
  });
});

describe('drawbridge register --generate-tokens', () => {
  test('fills the placeholders in place, and nothing else changes', async () => {
    const text = filledSample()
      .replace(/as_token: a+/, 'as_token: CHANGE-ME')
      .replace(/hs_token: h+/, 'hs_token: CHANGE-ME')
      .replace(/master_key: \S+=/, 'master_key: CHANGE-ME');
    await writeFile(config, text);
    assert.equal((await register(['--generate-tokens'])).code, EXIT.ok);
    const written = await readFile(config, 'utf8');
    const values = parse(written);
    const blank = (line: string) => line.replace(/(_token|master_key): .*/, '$1: …');
    assert.deepEqual(written.split('\n').map(blank), text.split('\n').map(blank));
    assert.match(values.appservice.as_token, /^[0-9a-f]{64}$/);
    assert.notEqual(values.appservice.as_token, values.appservice.hs_token);
    assert.equal(Buffer.from(values.encryption.master_key, 'base64').length, 32);
    assert.equal(parse(await readFile(output, 'utf8')).hs_token, values.appservice.hs_token);
  });

  test('fills a value that is empty, in quotes or followed by a comment', async () => {
    const text = filledSample()
      .replace(/as_token: a+/, 'as_token:')
      .replace(/hs_token: h+/, "hs_token: 'CHANGE-ME' # mine");
    await writeFile(config, text);
    assert.equal((await register(['--generate-tokens'])).code, EXIT.ok);
    const written = await readFile(config, 'utf8');
    assert.match(written, /^ {2}as_token: "[0-9a-f]{64}"$/m);
    assert.match(written, /^ {2}hs_token: "[0-9a-f]{64}" # mine$/m);
  });

  test('says what to add where there is no value to fill', async () => {
    await writeFile(config, filledSample().replace(/ {2}as_token: .*/, ''));
    const { code, err } = await register(['--generate-tokens']);
    assert.equal(code, EXIT.registrationUnwritable);
    assert.match(err.join(), /add "as_token: CHANGE-ME"/);
  });

  test('never touches a master key that is in use', async () => {
    await register(['--generate-tokens']);
    const before = parse(filledSample()).encryption.master_key;
    assert.equal(parse(await readFile(config, 'utf8')).encryption.master_key, before);
  });

  test('prints no token', async () => {
    const { out, err } = await register(['--generate-tokens']);
    const { appservice } = parse(await readFile(config, 'utf8'));
    assert.ok(![...out, ...err].join('\n').includes(appservice.as_token));
  });

  test('keeps the mode of the configuration, and a link to it', async () => {
    const link = path.join(folder, 'link.yaml');
    await symlink(config, link);
    const code = await main(['register', '-c', link, '-o', output, '--generate-tokens'], recordingIo());
    assert.equal(code, EXIT.ok);
    assert.equal((await stat(config)).mode & 0o777, 0o640);
    assert.notEqual(await readFile(config, 'utf8'), filledSample());
  });

  test('refuses when a token comes from a file or the environment', async () => {
    const fromEnvironment = await register(['--generate-tokens'], {
      DRAWBRIDGE_APPSERVICE__HS_TOKEN_FILE: '/x',
    });
    assert.equal(fromEnvironment.code, EXIT.registrationUnwritable);
    assert.match(fromEnvironment.err.join(), /DRAWBRIDGE_APPSERVICE__HS_TOKEN_FILE/);
    await writeFile(config, filledSample().replace(/ as_token: .*/, ' as_token_file: token'));
    assert.equal((await register(['--generate-tokens'])).code, EXIT.registrationUnwritable);
  });

  test('a configuration that is not there or not YAML is told', async () => {
    await writeFile(config, 'a: b: c');
    assert.equal((await register(['--generate-tokens'])).code, EXIT.configUnreadable);
    await rm(config);
    assert.equal((await register(['--generate-tokens'])).code, EXIT.configUnreadable);
  });
});

describe('drawbridge register --check', () => {
  test('tells whether the file is what the configuration gives, and writes nothing', async () => {
    assert.equal((await register(['--check'])).code, EXIT.registrationDiffers);
    await register();
    assert.equal((await register(['--check'])).code, EXIT.ok);
    await writeFile(config, filledSample().replace('username: drawbridgebot', 'username: otherbot'));
    const before = await readFile(output, 'utf8');
    assert.equal((await register(['--check'])).code, EXIT.registrationDiffers);
    assert.equal(await readFile(output, 'utf8'), before);
  });

  test('does not go with --generate-tokens', async () => {
    assert.equal((await register(['--check', '--generate-tokens'])).code, EXIT.failed);
  });
});
