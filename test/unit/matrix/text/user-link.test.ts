import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseUserLink, toUserLink } from '../../../../src/matrix/text/user-link.ts';

describe('a link to a user', () => {
  it('is written so that it is read again, whatever stands in the user id', () => {
    for (const user of ['@bob:m.example', '@_interop_gk_bob=40gk.example:m.example', '@a/b?c%#d:[::1]:8448'])
      assert.equal(parseUserLink(toUserLink(user)), user);
  });

  it('is told from links to rooms, events and other places', () => {
    for (const address of [
      'https://matrix.to/#/!room:m.example/$event',
      'https://matrix.to/#/#room:m.example',
      'https://matrix.to/#/@bob:m.example/$event',
      'https://matrix.to.evil.example/#/@bob:m.example',
      'https://evil.example/https://matrix.to/#/@bob:m.example',
      'https://matrix.to/#/@%ff:m.example',
      'matrix:r/room:m.example',
      'matrix:u/bob:m.example/e/event',
      '',
    ])
      assert.equal(parseUserLink(address), undefined, address);
  });
});
