import assert from 'node:assert/strict';
import { test } from 'node:test';

import { luaString, prosodyConfig } from '../../../../src/sandbox/prosody/config.ts';

const config = prosodyConfig({
  domain: 'gk.test',
  moduleDir: '/m',
  dataDir: '/d',
  certificateFile: '/c.pem',
  keyFile: '/c.key',
  ports: { c2sDirectTls: 1001, component: 1002, http: 1003 },
  componentSecret: 'component"secret',
  adminSecret: 'admin\nsecret',
  authorityUrl: 'http://127.0.0.1:1004',
  asRoot: false,
});

test('direct TLS is the only way in, and everything listens on loopback', () => {
  assert.match(config, /^c2s_ports = \{\}; c2s_direct_tls_ports = \{ 1001 \}/m);
  assert.match(config, /modules_disabled = \{ "s2s", /);
  for (const name of ['interfaces', 'component_interfaces', 'http_interfaces']) {
    assert.match(config, new RegExp(`\\b${name} = \\{ "127\\.0\\.0\\.1" \\}`));
  }
});

test('a secret cannot leave its quotes', () => {
  assert.ok(config.includes('component_secret = "component\\034secret"'));
  assert.ok(config.includes('gk_secret = "admin\\010secret"'));
});

test('root is allowed only to root', () => {
  assert.ok(!config.includes('run_as_root = true'));
});

test('a Lua string holds any text, byte by byte', () => {
  assert.equal(luaString('a\\b"c'), '"a\\092b\\034c"');
  assert.equal(luaString('ä'), '"\\195\\164"');
});
