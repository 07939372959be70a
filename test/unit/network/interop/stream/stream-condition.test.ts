import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { streamErrors } from '../../../../../src/network/interop/stream/errors.ts';
import { readStanza } from '../../../../../src/network/interop/stream/stanza-xml.ts';
import {
  farewell,
  mayBlameStanza,
  toStreamError,
} from '../../../../../src/network/interop/stream/stream-condition.ts';

const ns = 'xmlns="urn:ietf:params:xml:ns:xmpp-streams"';
const parse = (inside: string) =>
  toStreamError(readStanza(`<error xmlns="http://etherx.jabber.org/streams">${inside}</error>`));

describe('stream errors', () => {
  it('are told apart by what we do about them', () => {
    assert.equal(parse(`<conflict ${ns}/>`).code, 'stream/conflict');
    assert.equal(parse(`<policy-violation ${ns}/>`).code, 'stream/policyViolation');
    assert.equal(parse(`<see-other-host ${ns}>evil.example</see-other-host>`).code, 'stream/redirected');
    assert.deepEqual(parse(`<text ${ns}>x</text><reset ${ns}/>`).facts, { condition: 'reset' });
  });

  it('never repeat the words of the server (case 4.6)', () => {
    for (const inside of ['', `<text ${ns}>secret</text>`, `<a.b ${ns}/>`, '<conflict xmlns="urn:other"/>']) {
      const error = parse(inside);
      assert.deepEqual(
        [error.code, error.facts],
        ['stream/closedByServer', { condition: 'undefined-condition' }],
      );
    }
    assert(!parse(`<see-other-host ${ns}>evil.example</see-other-host>`).message.includes('evil'));
  });

  it('blame a stanza or not', () => {
    assert(mayBlameStanza(parse(`<policy-violation ${ns}/>`)));
    assert(mayBlameStanza(parse(`<not-well-formed ${ns}/>`)));
    assert(!mayBlameStanza(parse(`<system-shutdown ${ns}/>`)));
    assert(!mayBlameStanza(streamErrors.notWellFormed()));
  });

  it('of ours say what was wrong and close the stream', () => {
    assert.equal(
      farewell(streamErrors.handledCountTooHigh({ handled: 9, sent: 3 })),
      `<stream:error><undefined-condition ${ns}/><handled-count-too-high xmlns="urn:xmpp:sm:3" h="9" send-count="3"/></stream:error></stream:stream>`,
    );
    assert.match(farewell(streamErrors.limitExceeded()), /<policy-violation /);
    assert.match(farewell(streamErrors.notWellFormed()), /<not-well-formed /);
  });
});
