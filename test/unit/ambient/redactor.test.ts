import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Redactor } from '../../../src/ambient/redactor.ts';

const hashKey = Buffer.alloc(32, 7);
const redactor = new Redactor({ contactIds: 'redacted', ghostPrefix: '_interop_', hashKey });
const plain = new Redactor({ contactIds: 'plain', ghostPrefix: '_interop_', hashKey });
const MARK = /^\[contact [0-9a-f]{8}\]$/;

const contacts = [
  'bob@gk.example',
  '4915112345678@gk.example',
  'bob%40gk.example',
  '@_interop_wa_bob=40gk.example:hs.example',
  '#_interop_wa_bob:hs.example',
  '%40_interop_wa_bob%3Ahs.example',
  '+4915112345678',
  '+49 (151) 1234-5678',
  '4915112345678',
];

for (const contact of contacts) {
  test(`the contact ${contact} becomes a mark, alone and within a text`, () => {
    assert.match(redactor.text(contact), MARK);
    assert.equal(redactor.text(`from ${contact} to`), `from ${redactor.text(contact)} to`);
  });
}

const kept = [
  '@alice:hs.example',
  '!room:hs.example',
  '$143273582443PhrSn:hs.example',
  '$5yjLZc_0aKLMNop12345678-x',
  '6f1e2d3c-1234-4abc-8def-001122334455',
  '2026-11-21T22:15:43.123Z',
  '127.0.0.1:29350',
  'https://hs.example:8448/_matrix/client/versions',
  'storage/unreachable (type=postgres)',
];

for (const text of kept) {
  test(`${text} names no contact and stays as it is`, () => {
    assert.equal(redactor.text(text), text);
  });
}

test('the same contact has the same mark everywhere, another contact another one', () => {
  assert.equal(redactor.text('bob@gk.example'), redactor.text('bob@gk.example'));
  assert.equal(redactor.text('bob@gk.example/phone'), `${redactor.text('bob@gk.example')}/phone`);
  assert.notEqual(redactor.text('bob@gk.example'), redactor.text('eve@gk.example'));
});

test('a mark depends on the key, so that phone numbers cannot be tried out', () => {
  const other = new Redactor({
    contactIds: 'redacted',
    ghostPrefix: '_interop_',
    hashKey: Buffer.alloc(32, 8),
  });
  assert.notEqual(other.text('+4915112345678'), redactor.text('+4915112345678'));
});

test('with plain contact ids contacts stay, secrets do not', () => {
  assert.equal(plain.text('bob@gk.example +4915112345678'), 'bob@gk.example +4915112345678');
  assert.deepEqual(plain.facts({ as_token: 'abc' }), { __proto__: null, as_token: '[redacted]' });
});

for (const name of [
  'token',
  'as_token',
  'hsToken',
  'Authorization',
  'master_key',
  'masterKey',
  'password',
  'client-secret',
  'Set-Cookie',
  'body',
  'plaintext',
  'formatted_body',
]) {
  test(`a field called ${name} is not shown, at any depth`, () => {
    assert.doesNotMatch(
      JSON.stringify(redactor.facts({ [name]: 'hunter2', in: { [name]: ['hunter2'] } })),
      /hunter2/,
    );
  });
}

test('counts under such a name are shown', () => {
  assert.deepEqual(
    { ...redactor.facts({ tokens: 3, password_set: true }) },
    { tokens: 3, password_set: true },
  );
});

for (const [kind, text] of [
  ['a JWT', 'eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwcyJ9.c2lnbmF0dXJl'],
  ['the beginning of a JWT', 'eyJhbGciOiJFUzI1NiJ9.eyJpc3'],
  ['a bearer token', 'Bearer c2lnbmF0dXJl'],
  ['a token in a query', 'GET /users?access_token=c2lnbmF0dXJl&x=1'],
  ['a token of Synapse', 'syt_YWxpY2U_c2lnbmF0dXJl'],
] as const) {
  test(`${kind} is not shown under any name`, () => {
    const shown = redactor.text(`before ${text} after`);
    assert.doesNotMatch(shown, /c2lnbmF0dXJl|eyJ/);
    assert.match(shown, /^before .*\[redacted\].* after$/);
  });
}

test('a token that the length limit cuts is not shown in part', () => {
  const shown = redactor.text(`${'x '.repeat(995)}Bearer ${'s3cr3t'.repeat(400)}`);
  assert.doesNotMatch(shown, /s3cr3t/);
});

test('facts are copied bounded in depth, entries and length', () => {
  const deep: Record<string, unknown> = {};
  deep.self = deep;
  const shown = JSON.stringify(
    redactor.facts({ deep, many: Array.from({ length: 10_000 }, () => 'y'), long: 'z'.repeat(1_000_000) }),
  );
  assert.ok(shown.length < 4_000, `${shown.length} characters`);
});

test('values that are no JSON are told by their kind', () => {
  const facts = redactor.facts({
    bytes: Buffer.from('hunter2'),
    error: new TypeError('hunter2'),
    at: new Date(0),
    big: 12n,
    call: () => 'hunter2',
    map: new Map([['hunter2', 1]]),
    get broken(): string {
      throw new Error('hunter2');
    },
  });
  assert.deepEqual(
    { ...facts },
    {
      bytes: '[7 bytes]',
      error: '[TypeError]',
      at: '1970-01-01T00:00:00.000Z',
      big: '12',
      call: '[function]',
      map: '[1 entries]',
      broken: '[unreadable]',
    },
  );
});

test('anything at all can be given as facts', () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.string(),
        fc.anything({
          withBigInt: true,
          withDate: true,
          withMap: true,
          withSet: true,
          withTypedArray: true,
          withNullPrototype: true,
        }),
      ),
      (facts) => {
        JSON.stringify(redactor.facts(facts));
      },
    ),
  );
});
