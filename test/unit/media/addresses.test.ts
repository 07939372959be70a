import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPublicAddress } from '../../../src/media/addresses.ts';

test('addresses of the Internet are public', () => {
  for (const address of [
    '1.1.1.1',
    '8.8.8.8',
    '172.15.255.255',
    '172.32.0.1',
    '198.20.0.1',
    '223.255.255.255',
  ]) {
    assert.equal(isPublicAddress(address), true, address);
  }
  for (const address of ['2606:4700::1111', '2a00:1450:4001::5', '2003::1']) {
    assert.equal(isPublicAddress(address), true, address);
  }
});

test('addresses of this machine, of a network of one’s own, of links, tests and groups are not', () => {
  const special = [
    ['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.255', '169.254.169.254', '172.16.0.1'],
    ['172.31.255.255', '192.0.0.8', '192.0.2.1', '192.168.1.1', '198.18.0.1', '198.51.100.1', '203.0.113.1'],
    ['224.0.0.1', '240.0.0.1', '255.255.255.255'],
    ['::', '::1', 'fe80::1', 'fe80::1%eth0', 'fc00::1', 'fd12:3456::1', 'ff02::1', '2001:db8::1', '3fff::1'],
  ].flat();
  for (const address of special) assert.equal(isPublicAddress(address), false, address);
});

test('an IPv4 address within an IPv6 one is none, whatever it is', () => {
  const inside = ['::ffff:127.0.0.1', '::ffff:8.8.8.8', '::127.0.0.1', '64:ff9b::a00:1', '64:ff9b:1::1'];
  for (const address of [...inside, '2002:7f00:1::', '2001:0:4136:e378:8000:63bf:3fff:fdd2']) {
    assert.equal(isPublicAddress(address), false, address);
  }
});
