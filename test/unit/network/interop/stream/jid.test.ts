import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bareOf, hostOf, isJid, isSameJid } from '../../../../../src/network/interop/stream/jid.ts';

describe('JIDs', () => {
  it('are cut at the first slash and the first at sign before it', () => {
    assert.equal(bareOf('a@b/c@d/e'), 'a@b');
    assert.equal(hostOf('a@b/c@d'), 'b');
    assert.equal(hostOf('b/c'), 'b');
  });

  it('are the same whatever the case of the bare part, not of the resource', () => {
    assert(isSameJid('A@B/x', 'a@b/x'));
    assert(!isSameJid('a@b/X', 'a@b/x'));
    assert(!isSameJid('a@b', 'a@b/x'));
    assert(!isSameJid('a@b', 'b'));
  });

  it('have a shape', () => {
    for (const good of ['b', 'a@b', 'a@b/c', 'b/c', 'a@b/c d@e/f', 'zoë@b']) assert(isJid(good), good);
    for (const bad of [
      '',
      '@b',
      'a@',
      'a@b/',
      '/c',
      'a@@b',
      'a b@c',
      'a@b\n',
      'a@b/\u0007',
      `b/${'x'.repeat(3100)}`,
    ]) {
      assert(!isJid(bad), bad);
    }
  });
});
