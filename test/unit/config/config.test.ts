import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { type LoadResult, loadConfig } from '../../../src/config/config.ts';
import { databaseSettings } from '../../../src/config/database-settings.ts';
import type { Environment } from '../../../src/config/environment.ts';
import { sampleText } from '../../../src/config/pages/sample.ts';
import { configTree } from '../../../src/config/settings.ts';
import { fallbackFree } from './fallback-free.ts';
import { filledSample } from './filled-sample.ts';

type Loaded = Extract<LoadResult, { kind: 'loaded' }>;

let folder = '';
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-config-'));
});
after(async () => {
  await rm(folder, { recursive: true });
});

async function load(text: string, environment: Environment = {}): Promise<LoadResult> {
  return await loadConfig({ file: path.join(folder, 'config.yaml'), text, environment });
}

async function loaded(text: string, environment: Environment = {}): Promise<Loaded> {
  const result = await load(text, environment);
  if (result.kind !== 'loaded') throw new Error(result.faults.map((fault) => fault.reason).join('; '));
  return result;
}

describe('the sample', () => {
  test('filled in, it is valid and gives no warning', async () => {
    const { config, warnings } = await loaded(filledSample());
    assert.deepEqual(warnings, []);
    assert.equal(config.homeserver.domain, 'bridge.test');
    assert.deepEqual(Object.keys(config.networks), ['gatekeeper']);
  });

  test('untouched, every value that holds CHANGE-ME or example.com is named', async () => {
    const text = sampleText(configTree());
    const result = await load(text);
    const places = text
      .split('\n')
      .flatMap((line, index) =>
        /^ *[^# ]/.test(line) && /CHANGE-ME|example\.com/.test(line) ? [index + 1] : [],
      );
    const told = result.kind === 'invalid' ? result.faults : [];
    assert.deepEqual(
      told.map((fault) => Number(/:(\d+):\d+$/.exec(fault.origin)?.[1])),
      places,
    );
    assert.ok(told.every((fault) => fault.reason.includes('placeholder')));
  });

  test('with all that has a default left out, it means the same', async () => {
    const whole = await loaded(filledSample());
    const short = await loaded(fallbackFree(filledSample()));
    assert.deepEqual(short.config, whole.config);
    assert.ok(short.effective.some(({ origin }) => origin === 'default'));
  });
});

describe('the environment', () => {
  test('goes before the file', async () => {
    const { config, effective } = await loaded(filledSample(), {
      DRAWBRIDGE_LOGGING__LEVEL: 'debug',
      DRAWBRIDGE_PUBLIC__KEY_ROTATION_DAYS: '30',
      DRAWBRIDGE_NETWORKS__GATEKEEPER__SEND_RECEIPTS: 'false',
      DRAWBRIDGE_NETWORKS__GATEKEEPER__HOMESERVERS: '[bridge.test, other.test]',
      DRAWBRIDGE_BRIDGE__PERMISSIONS: '{"*": user}',
      DRAWBRIDGE_LISTENERS: '[{port: 1, resources: [appservice, public]}]',
    });
    assert.equal(config.logging.level, 'debug');
    assert.equal(config.public.key_rotation_days, 30);
    assert.equal(config.networks.gatekeeper?.send_receipts, false);
    assert.deepEqual(config.networks.gatekeeper?.homeservers, ['bridge.test', 'other.test']);
    assert.deepEqual(config.bridge.permissions, { '*': 'user' });
    assert.equal(config.listeners.length, 1);
    const level = effective.find((setting) => setting.path === 'logging.level');
    assert.deepEqual(level, { path: 'logging.level', value: '"debug"', origin: 'DRAWBRIDGE_LOGGING__LEVEL' });
  });

  test('text is taken as it stands, also if it looks like a number', async () => {
    const { config } = await loaded(filledSample(), { DRAWBRIDGE_OPERATOR__NAME: '42' });
    assert.equal(config.operator.name, '42');
  });

  test('a secret from it takes the place of the file form in the configuration', async () => {
    const text = filledSample().replace(/ as_token: .*/, ' as_token_file: no-such-file');
    const { config } = await loaded(text, { DRAWBRIDGE_APPSERVICE__AS_TOKEN: 'e'.repeat(40) });
    assert.equal(config.appservice.as_token.reveal(), 'e'.repeat(40));
  });

  test('an empty variable and one of another program change nothing', async () => {
    const plain = await loaded(filledSample());
    const { config } = await loaded(filledSample(), {
      DRAWBRIDGE_LOGGING__LEVEL: '',
      DRAWBRIDGE_CONFIG: 'x',
      LEVEL: 'y',
    });
    assert.deepEqual(config, plain.config);
  });

  test('a hyphen in a network’s id is an underscore in the variable', async () => {
    const text = filledSample().replace('\n  gatekeeper:\n', '\n  big-one:\n');
    const { config } = await loaded(text, { DRAWBRIDGE_NETWORKS__BIG_ONE__DISPLAY_NAME: 'Big' });
    assert.equal(config.networks['big-one']?.display_name, 'Big');
  });
});

describe('secrets', () => {
  test('stand in a file beside the configuration, without the line break at its end', async () => {
    await writeFile(path.join(folder, 'token'), `${'f'.repeat(32)}\n`, { mode: 0o600 });
    const text = filledSample().replace(/ as_token: .*/, ' as_token_file: token');
    const { config, warnings } = await loaded(text);
    assert.equal(config.appservice.as_token.reveal(), 'f'.repeat(32));
    assert.deepEqual(warnings, []);
  });

  test('a file that everyone can read is warned about', async () => {
    const file = path.join(folder, 'open-token');
    await writeFile(file, 'f'.repeat(32));
    await chmod(file, 0o644);
    const { warnings } = await loaded(filledSample(), { DRAWBRIDGE_APPSERVICE__AS_TOKEN_FILE: file });
    assert.equal(warnings.length, 1);
  });

  test('a file that is too large is refused', async () => {
    await writeFile(path.join(folder, 'large'), 'f'.repeat(70_000));
    const result = await load(filledSample().replace(/ as_token: .*/, ' as_token_file: large'));
    assert.deepEqual(result.kind === 'invalid' && result.faults.map((fault) => fault.reason), [
      'names a path that is larger than 64 KiB',
    ]);
  });

  test('are not printed with the configuration', async () => {
    const { config, effective } = await loaded(filledSample());
    const printed = [inspect(config, { depth: 9 }), JSON.stringify(config), JSON.stringify(effective)].join();
    assert.ok(!printed.includes('a'.repeat(32)) && !printed.includes('h'.repeat(32)));
    assert.ok(!printed.includes(Buffer.from('0123456789abcdef').toString('base64').slice(0, 16)));
    assert.ok(printed.includes('[set]'));
  });

  test('the master key comes as its 32 bytes', async () => {
    const { config } = await loaded(filledSample());
    assert.deepEqual(config.encryption.master_key.reveal(), Buffer.from('0123456789abcdef0123456789abcdef'));
  });
});

describe('values', () => {
  test('a relative database path begins at the folder of the configuration', async () => {
    const { config } = await loaded(filledSample());
    const file = path.join(folder, 'drawbridge.db');
    assert.deepEqual(databaseSettings(config.database), { type: 'sqlite', file });
  });

  test('a PostgreSQL URI stays as it is', async () => {
    const url = 'postgres://drawbridge:secret@127.0.0.1/drawbridge';
    const text = filledSample()
      .replace('type: sqlite', 'type: postgres')
      .replace('uri: drawbridge.db', `uri: ${url}`);
    const { config } = await loaded(text);
    assert.deepEqual(databaseSettings(config.database), { type: 'postgres', url, maxConnections: 10 });
  });

  test('a certificate file’s path is made absolute', async () => {
    await writeFile(path.join(folder, 'ca.pem'), 'x');
    const { config } = await loaded(
      filledSample().replace('# ca_file: gatekeeper-ca.pem', 'ca_file: ca.pem'),
    );
    assert.equal(config.networks.gatekeeper?.ca_file, path.join(folder, 'ca.pem'));
  });

  test('a certificate file that is missing is named with its whole path, however long', async () => {
    const name = `${'deep-folder/'.repeat(20)}ca.pem`;
    const result = await load(filledSample().replace('# ca_file: gatekeeper-ca.pem', `ca_file: ${name}`));
    assert.equal(result.kind, 'invalid');
    assert.deepEqual(
      result.faults.map((fault) => fault.value),
      [JSON.stringify(path.join(folder, name))],
    );
  });

  test('a URL loses the slash at its end', async () => {
    const { config } = await loaded(
      filledSample().replace('https://bridge.bridge.test', 'https://b.test/base/'),
    );
    assert.equal(config.public.url, 'https://b.test/base');
  });

  test('http is taken for this machine only', async () => {
    for (const host of ['127.0.0.1:8080', 'localhost', '[::1]:8080', '127.8.9.1']) {
      await loaded(filledSample().replace('https://bridge.bridge.test', `http://${host}`));
    }
    for (const host of ['localhost.test', '128.0.0.1', '127.0.0.1.test', '[::2]']) {
      const result = await load(filledSample().replace('https://bridge.bridge.test', `http://${host}`));
      assert.equal(result.kind, 'invalid', host);
    }
  });

  test('an empty value counts as not given', async () => {
    const { config } = await loaded(
      filledSample().replace('level: info', 'level:').replace('# ca_file: gatekeeper-ca.pem', 'ca_file:'),
    );
    assert.equal(config.logging.level, 'info');
    assert.equal(Object.values(config.networks)[0]?.ca_file, undefined);
  });

  test('several networks stand side by side', async () => {
    const text = filledSample();
    const start = text.indexOf('\n  gatekeeper:\n');
    const network = text.slice(start, text.indexOf('\n# The log.'));
    const second = network
      .replace('\n  gatekeeper:', '\n  second:')
      .replaceAll('gatekeeper.bridge.test', 'second.bridge.test');
    const { config } = await loaded(text.replace(network, network + second));
    assert.deepEqual(Object.keys(config.networks), ['gatekeeper', 'second']);
  });

  test('a permission that no network covers is warned about', async () => {
    const { warnings } = await loaded(
      filledSample().replace('"@admin:bridge.test"', '"@admin:elsewhere.test"'),
    );
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /elsewhere\.test/);
  });

  test('keys that JavaScript knows are nothing special', async () => {
    for (const key of ['__proto__', 'constructor', 'toString']) {
      const result = await load(`${filledSample()}\n${key}:\n  polluted: yes\n`);
      assert.equal(result.kind, 'invalid', key);
    }
    assert.equal(({} as { polluted?: string }).polluted, undefined);
  });
});

describe('a configuration that cannot be read', () => {
  test('says so when there is no file', async () => {
    const file = path.join(folder, 'none.yaml');
    const result = await loadConfig({ file, environment: {} });
    const faults = [{ path: [], reason: 'does not exist', origin: file }];
    assert.deepEqual(result, { kind: 'unreadable', faults });
  });

  test('says so when it is larger than any configuration', async () => {
    const result = await load(`# ${'x'.repeat(1024 * 1024)}`);
    assert.equal(result.kind, 'unreadable');
  });
});
