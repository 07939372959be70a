import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  accountId,
  contactId,
  deviceId,
  domainOf,
  eventId,
  matrixUserId,
  messageId,
  networkId,
  roomId,
  serverOf,
  stanzaId,
} from '../../../src/model/ids.ts';

const cases: readonly [name: string, parse: (text: string) => string, good: string[], bad: string[]][] = [
  [
    'a Matrix user id has a localpart, possibly historical, and a server',
    matrixUserId,
    ['@alice:example.org', '@A/b=c:example.org:8448', '@:example.org', '@a:[2001:db8::1]'],
    [
      'alice:example.org',
      '@alice',
      '@alice:',
      '@a b:example.org',
      '@ä:example.org',
      '@a:b\n',
      `@${'a'.repeat(255)}:b`,
      '',
    ],
  ],
  [
    'a room id may lack a server (room version 12)',
    roomId,
    ['!a:b', '!opaque'],
    ['a:b', '!', '!a b', '!a\n'],
  ],
  ['an event id begins with a dollar sign', eventId, ['$abc', '$a:b'], ['abc', '$', '$ a']],
  [
    'a network id is made for use in user ids',
    networkId,
    ['gk', 'a', 'a-1'],
    ['', '-a', 'a-', 'A', 'a_b', 'a'.repeat(33)],
  ],
  ['an account id is a UUID', accountId, ['11111111-2222-3333-4444-555555555555'], ['', 'x', '1'.repeat(35)]],
  [
    'a contact id is a bare JID without what XML or JIDs reserve',
    contactId,
    ['bob@gk.example', 'bøb@gk.example'],
    [
      'gk.example',
      '@gk.example',
      'bob@',
      'bob@gk.example/phone',
      'b b@gk',
      'a@b@c',
      '<b>@gk',
      "b'@gk",
      'b&@gk',
      'b\u0000@gk',
    ],
  ],
  [
    'a stanza id is any short text without controls',
    stanzaId,
    ['a', '<&>', 'ü 1'],
    ['', 'a\nb', '\u0000', 'x'.repeat(257)],
  ],
  [
    'a message id is 16 bytes in lower-case hexadecimal',
    messageId,
    ['ab'.repeat(16)],
    ['', 'AB'.repeat(16), 'ab'.repeat(15), 'ab'.repeat(17)],
  ],
];
for (const [name, parse, good, bad] of cases) {
  test(name, () => {
    for (const text of good) assert.equal(parse(text), text);
    for (const text of bad) assert.throws(() => parse(text), { code: 'model/badId' }, JSON.stringify(text));
  });
}

test('a refused id is not repeated in the error', () => {
  assert.throws(
    () => contactId('+4917012345678'),
    (failure: Error) => !JSON.stringify({ ...failure, message: failure.message }).includes('4917'),
  );
});

test('a device is 1 to 127', () => {
  assert.equal(deviceId(1), 1);
  assert.equal(deviceId(127), 127);
  for (const value of [0, 128, -1, 1.5, Number.NaN])
    assert.throws(() => deviceId(value), { code: 'model/badId' });
});

test('server and domain are what stands behind the separator', () => {
  assert.equal(serverOf(matrixUserId('@alice:example.org:8448')), 'example.org:8448');
  assert.equal(domainOf(contactId('bob@gk.example')), 'gk.example');
});
