import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { EXIT } from '../../../src/cli/exit-codes.ts';
import { main } from '../../../src/cli.ts';
import { filledSample } from '../config/filled-sample.ts';
import { recordingIo } from './recording-io.ts';

const PROGRAM = path.join(import.meta.dirname, '../../../src/cli.ts');
const COMMANDS = [
  'sample-config',
  'check-config',
  'register',
  'migrate',
  'start',
  'sandbox',
  'phone',
  'version',
];

async function run(argv: readonly string[], environment = {}) {
  const io = recordingIo(environment);
  const code = await main(argv, io);
  return { code, out: io.lines.out.join('\n'), err: io.lines.err.join('\n') };
}

describe('the drawbridge command', () => {
  for (const command of COMMANDS) {
    test(`${command} --help explains it and does nothing`, async () => {
      const { code, out, err } = await run([command, '--help']);
      assert.equal(code, EXIT.ok);
      assert.match(out, new RegExp(`^Usage: drawbridge ${command}`));
      assert.equal(err, '');
    });
  }

  test('--help names every command', async () => {
    const { code, out } = await run(['--help']);
    assert.equal(code, EXIT.ok);
    for (const command of COMMANDS) assert.match(out, new RegExp(`^  ${command} `, 'm'));
  });

  test('without a command it prints help and fails', async () => {
    const { code, err } = await run([]);
    assert.equal(code, EXIT.failed);
    assert.match(err, /Usage: drawbridge/);
  });

  test('a slip in a command or an option gets a suggestion', async () => {
    const command = await run(['regsiter']);
    assert.equal(command.code, EXIT.failed);
    assert.match(command.err, /Did you mean register\?/);
    const option = await run(['check-config', '--sohw']);
    assert.equal(option.code, EXIT.failed);
    assert.match(option.err, /Did you mean --show\?/);
  });

  test('an argument too many is refused', async () => {
    assert.equal((await run(['version', 'x'])).code, EXIT.failed);
  });

  test('version and --version print version, Node, licence and source', async () => {
    const [word, option] = [await run(['version']), await run(['--version'])];
    assert.equal(word.code, EXIT.ok);
    assert.equal(word.out, option.out);
    assert.match(
      word.out,
      /^drawbridge \d+\.\d+\.\d+\nNode \d+\.\d+\.\d+\nLicence AGPL-3\.0-only\. Source: ./,
    );
  });

  test('started directly it runs, and its result is the exit code', () => {
    const missing = spawnSync(process.execPath, [PROGRAM, 'check-config', '-c', '/no/such/file'], {
      encoding: 'utf8',
    });
    assert.equal(missing.status, EXIT.configUnreadable);
    assert.match(missing.stderr, /does not exist/);
    const sample = spawnSync(process.execPath, [PROGRAM, 'sample-config'], { encoding: 'utf8' });
    assert.equal(sample.status, EXIT.ok);
    assert.match(sample.stdout, /^homeserver:$/m);
    assert.equal(sample.stderr, '');
  });
});

describe('drawbridge check-config', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'drawbridge-check-'));
  const file = path.join(folder, 'config.yaml');
  writeFileSync(file, filledSample());
  test.after(() => rmSync(folder, { recursive: true }));

  test('a valid configuration ends with 0', async () => {
    assert.deepEqual(await run(['check-config', '-c', file]), {
      code: EXIT.ok,
      out: `${file}: valid`,
      err: '',
    });
  });

  test('DRAWBRIDGE_CONFIG names the default', async () => {
    assert.equal((await run(['check-config'], { DRAWBRIDGE_CONFIG: file })).code, EXIT.ok);
    const other = await run(['check-config', '-c', '/no/such/file'], { DRAWBRIDGE_CONFIG: file });
    assert.equal(other.code, EXIT.configUnreadable);
  });

  test('--show prints each setting with its origin, and no secret', async () => {
    const { out } = await run(['check-config', '-c', file, '--show'], { DRAWBRIDGE_LOGGING__LEVEL: 'warn' });
    assert.match(out, /^logging\.level = "warn" {2}\(DRAWBRIDGE_LOGGING__LEVEL\)$/m);
    assert.match(out, /^appservice\.as_token = \[set\] {2}\(.*config\.yaml:\d+:\d+\)$/m);
    assert.match(out, /^encryption\.previous_master_key = \[unset\] {2}\(default\)$/m);
    assert.ok(!out.includes('a'.repeat(32)));
  });
});
