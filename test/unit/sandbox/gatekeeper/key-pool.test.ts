import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IdentityKeyPair, KEMKeyPair, PrivateKey } from '@signalapp/libsignal-client';

import {
  checkDevice,
  type Device,
  deviceSchema,
  fromBase64,
} from '../../../../src/sandbox/gatekeeper/device.ts';
import { isLow, KeyPool, thumbprint } from '../../../../src/sandbox/gatekeeper/key-pool.ts';
import { type Account, GatekeeperStore } from '../../../../src/sandbox/gatekeeper/store.ts';

const badRequest = { code: 'sandbox-gatekeeper/badRequest' };

function makeDevice(oneTime: number, pair = IdentityKeyPair.generate(), firstId = 100): Device {
  const ec = () => PrivateKey.generate().getPublicKey().serialize();
  const signed = (id: number, key: Uint8Array<ArrayBuffer>) => ({
    id,
    key,
    signature: pair.privateKey.sign(key),
  });
  const kyber = (id: number) => signed(id, KEMKeyPair.generate().getPublicKey().serialize());
  const ids = Array.from({ length: oneTime }, (_, index) => firstId + index);
  return {
    registrationId: 7,
    identityKey: pair.publicKey.serialize(),
    signedPrekey: signed(1, ec()),
    kyberLastResort: kyber(2),
    prekeys: ids.map((id) => ({ id, key: ec() })),
    kyberPrekeys: ids.map(kyber),
  };
}

function bench() {
  const store = new GatekeeperStore(':memory:');
  const account = (localpart: string): Account => ({
    localpart,
    kind: 'phone',
    issuer: 'i',
    subject: localpart,
    displayName: undefined,
    state: 'active',
    reason: undefined,
    reachable: true,
    optedIn: true,
    username: undefined,
    phoneNumber: undefined,
  });
  for (const localpart of ['bob', 'carol']) store.saveAccount(account(localpart));
  return { store, pool: new KeyPool(store) };
}

test('each one-time key is handed out once, then the last-resort key for ever', () => {
  const { pool } = bench();
  const device = makeDevice(3);
  pool.saveDevice('bob', device);
  const bundles = Array.from({ length: 5 }, () => pool.handOut('bob', { spare: false }));
  assert.deepEqual(
    bundles.map((bundle) => bundle?.prekey?.id),
    [100, 101, 102, undefined, undefined],
  );
  assert.deepEqual(
    bundles.map((bundle) => bundle?.kyber.id),
    [100, 101, 102, 2, 2],
  );
  assert.deepEqual(pool.count('bob'), { prekeys: 0, kyber: 0 });
});

test('a key that was handed out does not come back by a repeated upload', () => {
  const { pool } = bench();
  const device = makeDevice(2);
  pool.saveDevice('bob', device);
  pool.handOut('bob', { spare: false });
  pool.saveDevice('bob', device);
  assert.equal(pool.handOut('bob', { spare: false })?.prekey?.id, 101);
  assert.equal(pool.handOut('bob', { spare: false })?.prekey, undefined);
});

test('a new identity key throws the old keys away, the same one adds to them', () => {
  const { pool } = bench();
  const pair = IdentityKeyPair.generate();
  assert.equal(pool.saveDevice('bob', makeDevice(2, pair)), false);
  assert.equal(pool.saveDevice('bob', makeDevice(2, pair, 200)), false);
  assert.equal(pool.count('bob').prekeys, 4);
  assert.equal(pool.saveDevice('bob', makeDevice(1)), true);
  assert.equal(pool.count('bob').prekeys, 1);
});

test('more one-time keys than are kept are refused as a whole', () => {
  const { pool, store } = bench();
  const pair = IdentityKeyPair.generate();
  pool.saveDevice('bob', makeDevice(0, pair));
  const key = PrivateKey.generate().getPublicKey().serialize();
  const many = Array.from({ length: 201 }, (_, id) => ({ id, key }));
  const add = () => store.transaction(() => pool.addOneTime('bob', many, []));
  assert.throws(add, { code: 'sandbox-gatekeeper/tooLarge' });
  assert.equal(pool.count('bob').prekeys, 0);
});

test('an account without a device has no bundle', () => {
  const { pool } = bench();
  assert.equal(pool.handOut('bob', { spare: false }), undefined);
});

test('who fetched is a contact, once and both ways, and is forgotten with the account', () => {
  const { pool, store } = bench();
  pool.noteFetch('carol', 'bob');
  pool.noteFetch('carol', 'bob');
  assert.deepEqual(pool.listContacts('bob'), ['carol']);
  assert.deepEqual(pool.listContacts('carol'), ['bob']);
  store.deleteAccount('carol');
  assert.deepEqual(pool.listContacts('bob'), []);
});

test('a quarter of twenty is low, in either kind', () => {
  assert.ok(isLow({ prekeys: 5, kyber: 20 }));
  assert.ok(isLow({ prekeys: 20, kyber: 0 }));
  assert.ok(!isLow({ prekeys: 6, kyber: 6 }));
});

test('a thumbprint is the base64url SHA-256 of the whole serialised key', () => {
  assert.equal(thumbprint(new Uint8Array(33)), 'f5yeMayCVsovJYWD3yYtvH1vaPKgMEPVyZpK5ac5bOk');
});

test('a device whose signatures fit is taken', () => {
  const device = makeDevice(2);
  assert.equal(checkDevice(device), device);
});

test('a device with a signature of another identity, or an id twice, is refused', () => {
  const device = makeDevice(2);
  const [first] = device.kyberPrekeys;
  assert.ok(first);
  const other = makeDevice(1);
  for (const change of [
    { signedPrekey: other.signedPrekey },
    { kyberLastResort: other.kyberLastResort },
    { kyberPrekeys: other.kyberPrekeys },
    { kyberPrekeys: [first, first] },
    { identityKey: new Uint8Array(33) },
  ]) {
    assert.throws(() => checkDevice({ ...device, ...change }), badRequest);
  }
});

test('a device in JSON is read, and keys of another size, type or alphabet are not', () => {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const device = makeDevice(1);
  const signed = ({ id, key, signature }: Device['signedPrekey']) => ({
    id,
    key: base64(key),
    signature: base64(signature),
  });
  const json = {
    registration_id: device.registrationId,
    identity_key: base64(device.identityKey),
    signed_prekey: signed(device.signedPrekey),
    kyber_last_resort: signed(device.kyberLastResort),
    prekeys: device.prekeys.map(({ id, key }) => ({ id, key: base64(key) })),
    kyber_prekeys: device.kyberPrekeys.map(signed),
  };
  assert.deepEqual(deviceSchema.parse(json), device);
  for (const identity_key of [
    '',
    json.identity_key.slice(4),
    base64(new Uint8Array(33)),
    `${json.identity_key.slice(0, -1)}*`,
  ]) {
    assert.ok(!deviceSchema.safeParse({ ...json, identity_key }).success);
  }
});

test('base64 without padding or with bits to spare is not base64', () => {
  assert.deepEqual(fromBase64('AAE=', 2), new Uint8Array([0, 1]));
  for (const text of ['AAE', 'AAF=', 'AA==', 'AAE=\n', 7]) assert.equal(fromBase64(text, 2), undefined);
});
