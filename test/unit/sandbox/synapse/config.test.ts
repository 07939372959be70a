import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { homeserverConfig, makeSecrets } from '../../../../src/sandbox/synapse/config.ts';

const config = homeserverConfig({
  serverName: 'hs.test',
  port: 8008,
  folder: '/d',
  databaseFile: '/d/homeserver.db',
  logConfigFile: '/d/logging.json',
  signingKeyFile: '/d/signing.key',
  registrations: ['/r/one.yaml', '/r/two.yaml'],
  secrets: makeSecrets(randomBytes),
});

test('it listens on this machine only, and not for federation', () => {
  const listeners = config.listeners as {
    port: number;
    bind_addresses: string[];
    resources: { names: string[] }[];
  }[];
  assert.equal(listeners.length, 1);
  assert.deepEqual(listeners[0]?.bind_addresses, ['127.0.0.1']);
  assert.deepEqual(listeners[0]?.resources, [{ names: ['client'] }]);
});

test('it asks no other server and reports nothing', () => {
  assert.deepEqual(config.federation_domain_whitelist, []);
  assert.deepEqual(config.trusted_key_servers, []);
  assert.equal(config.report_stats, false);
});

test('it knows the application services, in their order', () => {
  assert.deepEqual(config.app_service_config_files, ['/r/one.yaml', '/r/two.yaml']);
});

test('each folder gets secrets of its own, and a signing key in the format of Synapse', () => {
  const [one, two] = [makeSecrets(randomBytes), makeSecrets(randomBytes)];
  const all = [...Object.values(one), ...Object.values(two)];
  assert.equal(new Set(all).size, all.length);
  assert.match(one.signingKey, /^ed25519 a_[0-9a-f]{4} [A-Za-z0-9+/]{43}\n$/);
});
