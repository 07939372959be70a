import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createGhostIds, escapeLocalpart } from '../../../src/matrix/ghost-id.ts';
import { BridgeError, hasCode } from '../../../src/model/errors.ts';
import { type ContactId, contactId, networkId } from '../../../src/model/ids.ts';

const ghosts = createGhostIds({ prefix: '_interop_', domain: 'm.example' });
const GK = networkId('gk');

describe('ghost ids', () => {
  it('a contact is escaped as the Matrix specification says', () => {
    assert.equal(
      ghosts.toUserId(GK, contactId('+49170@gk.example')),
      '@_interop_gk_=2b49170=40gk.example:m.example',
    );
  });

  it('upper case and other scripts are escaped, and read back as they were', () => {
    const contact = contactId('Žo_ë@GK.example');
    const ghost = ghosts.toUserId(GK, contact);
    assert.match(ghost, /^@[a-z0-9._=-]+:m\.example$/);
    assert.deepEqual(ghosts.parse(ghost), { network: GK, contact });
  });

  it('any contact that fits is read back as it was', () => {
    const part = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(part, part, (local, domain) => {
        const contact = tryContact(`${local}@${domain}`);
        fc.pre(contact !== undefined && escapeLocalpart(contact).length < 220);
        assert.deepEqual(ghosts.parse(ghosts.toUserId(GK, contact as ContactId)), { network: GK, contact });
      }),
    );
  });

  it('a contact that fills more than a user id is refused by name', () => {
    const long = contactId(`${'a'.repeat(240)}@gk.example`);
    assert.throws(
      () => ghosts.toUserId(GK, long),
      (failure) => hasCode(failure, 'matrix/contactTooLong'),
    );
  });

  it('no second spelling names the same ghost', () => {
    const spellings = [
      '=2B49=40gk.example',
      '=62ob=40gk.example',
      'bob@gk.example',
      'bob=40gk.example=',
      'BOB=40gk',
    ];
    for (const spelling of spellings) {
      assert.equal(ghosts.parse(`@_interop_gk_${spelling}:m.example`), undefined, spelling);
    }
  });

  it('users that are no ghosts of ours are not read as such', () => {
    const others = [
      '@alice:m.example',
      '@_interop_gk_bob=40gk.example:elsewhere.example',
      '@_interop_gk_bob=40gk.example',
      '@_interop__bob=40gk.example:m.example',
      '@_interop_GK_bob=40gk.example:m.example',
      '@_interop_gk_bob:m.example',
      '@_interop_gk_=ff=40gk.example:m.example',
      '@_interop_gk:m.example',
      '@_interop_:m.example',
      ':m.example',
      '',
    ];
    for (const user of others) assert.equal(ghosts.parse(user), undefined, user);
  });

  it('nothing that a stranger calls a user raises an error', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (junk) => {
        ghosts.parse(`@_interop_gk_${junk}:m.example`);
        ghosts.parse(junk);
      }),
    );
  });
});

function tryContact(text: string): ContactId | undefined {
  try {
    return contactId(text);
  } catch (failure) {
    if (failure instanceof BridgeError) return undefined;
    throw failure;
  }
}
