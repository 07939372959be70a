/** Each folder under test/fixtures/bad-config/ is a configuration and what the operator is told about it. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { main } from '../../../src/cli.ts';
import { recordingIo } from '../cli/recording-io.ts';

const FIXTURES = path.join(import.meta.dirname, '../../fixtures/bad-config');
/** Secret values of the fixtures, wherever they stand: none may be printed. */
const SECRETS = ['token-0123456789', 'hunter2', 'me:pass', 'AAECAwQF', 'c2hvcnQ='];

describe('a bad configuration is told whole and ends with its exit code', () => {
  const names = readdirSync(FIXTURES).toSorted();

  test('the fixtures are there', () => {
    assert.ok(names.length >= 20, `${names.length} fixtures`);
  });

  for (const name of names) {
    test(name, async () => {
      const folder = path.join(FIXTURES, name);
      const envFile = path.join(folder, 'env.json');
      const io = recordingIo(existsSync(envFile) ? JSON.parse(readFileSync(envFile, 'utf8')) : {});
      const code = await main(['check-config', '-c', path.join(folder, 'config.yaml')], io);
      const told = [...io.lines.err, `exit ${code}`, ''].join('\n').replaceAll(`${folder}/`, '');
      assert.equal(told, readFileSync(path.join(folder, 'expected.txt'), 'utf8'));
      assert.deepEqual(io.lines.out, []);
      assert.notEqual(code, 0);
      for (const secret of SECRETS) assert.ok(!told.includes(secret), `a secret is printed: ${secret}`);
    });
  }
});
