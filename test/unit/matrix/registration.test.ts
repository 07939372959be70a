import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { Secret } from '../../../src/config/secret.ts';
import {
  type RegistrationConfig,
  registrationFor,
  registrationText,
} from '../../../src/matrix/registration.ts';

const CONFIG: RegistrationConfig = {
  homeserver: { domain: 'chat.test:8448' },
  appservice: {
    id: 'drawbridge',
    address: 'http://127.0.0.1:29350',
    bot: { username: 'bridge.bot' },
    ghost_prefix: '_interop_',
    as_token: new Secret('as'),
    hs_token: new Secret('hs'),
  },
};

describe('the registration', () => {
  test('has every key that the specification requires and Synapse reads', () => {
    const { namespaces, ...rest } = registrationFor(CONFIG);
    assert.deepEqual(rest, {
      id: 'drawbridge',
      url: 'http://127.0.0.1:29350',
      as_token: 'as',
      hs_token: 'hs',
      sender_localpart: 'bridge.bot',
      rate_limited: false,
      receive_ephemeral: true,
      'de.sorunome.msc2409.push_ephemeral': true,
      'org.matrix.msc3202': true,
      'io.element.msc4190': true,
    });
    assert.deepEqual(Object.keys(namespaces), ['users', 'aliases', 'rooms']);
    assert.deepEqual(namespaces.rooms, []);
  });

  test('its patterns take the ghosts and the bot, whole and on this server only', () => {
    const { users, aliases } = registrationFor(CONFIG).namespaces;
    assert.ok([...users, ...aliases].every(({ exclusive }) => exclusive));
    const takes = (id: string) => users.some(({ regex }) => new RegExp(regex).test(id));
    for (const id of [
      '@_interop_one_=2b3912=40gk:chat.test:8448',
      '@_interop_x:chat.test:8448',
      '@bridge.bot:chat.test:8448',
    ]) {
      assert.ok(takes(id), id);
    }
    for (const id of [
      '@alice:chat.test:8448',
      '@_interop_one_x:chat-test:8448',
      '@_interop_one_x:chat.test:84480',
      '@bridgexbot:chat.test:8448',
      '@bridge.bot2:chat.test:8448',
      'x@_interop_one_x:chat.test:8448',
    ]) {
      assert.ok(!takes(id), id);
    }
    assert.ok(aliases.some(({ regex }) => new RegExp(regex).test('#_interop_one:chat.test:8448')));
  });

  test('a domain that is an IPv6 address is taken literally', () => {
    const { users } = registrationFor({ ...CONFIG, homeserver: { domain: '[::1]:8008' } }).namespaces;
    assert.ok(new RegExp(users[0]?.regex ?? '').test('@_interop_one_x:[::1]:8008'));
    assert.ok(!new RegExp(users[0]?.regex ?? '').test('@_interop_one_x::'));
  });

  test('its text reads back as the same', () => {
    const registration = registrationFor(CONFIG);
    assert.deepEqual(parse(registrationText(registration)), registration);
  });
});
