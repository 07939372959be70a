import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasCode } from '../../../../../src/model/errors.ts';
import { toInboundStanza } from '../../../../../src/network/interop/stream/inbound-stanza.ts';
import { readStanza } from '../../../../../src/network/interop/stream/stanza-xml.ts';

const context = { ownBareJid: 'me@gk.test', trustsStanzaIds: true, maxBytes: 10_000 };
const convert = (text: string, change: Partial<typeof context> = {}) =>
  toInboundStanza(readStanza(text), { ...context, ...change });
const stanzaId = (by: string, id: string) => `<stanza-id xmlns="urn:xmpp:sid:0" by="${by}" id="${id}"/>`;
const delay = (from: string, stamp: string) =>
  `<delay xmlns="urn:xmpp:delay" from="${from}" stamp="${stamp}"/>`;

describe('a received message as it is stored', () => {
  it('keeps sender, id and the whole stanza, namespaces written out', () => {
    const stored = convert('<message from="bob@gk.test/p" id="1" type="chat"><body>x</body></message>');
    assert.match(stored?.digest ?? '', /^[0-9a-f]{64}$/);
    assert.deepEqual(stored, {
      from: 'bob@gk.test/p',
      id: '1',
      digest: stored?.digest,
      archiveId: undefined,
      delayedAtMs: undefined,
      xml: '<message xmlns="jabber:client" from="bob@gk.test/p" id="1" type="chat"><body>x</body></message>',
    });
  });

  it('without a sender is from our own account', () => {
    assert.equal(convert('<message/>')?.from, '');
  });

  it('is not taken from what is no JID (case 1.11)', () => {
    for (const from of ['@', 'a@', '@b', 'a@b/', 'a b@c', 'a@b@c', `a@${'b'.repeat(4000)}`, '&#10;@b']) {
      assert.equal(convert(`<message from="${from}"/>`), undefined, from);
    }
  });

  it('takes the archive id from the last stanza-id by our own account (case 2.7)', () => {
    const text = `<message>${stanzaId('me@gk.test', 'forged')}${stanzaId('me@gk.test', 'real')}${stanzaId('x@gk.test', 'z')}</message>`;
    assert.equal(convert(text)?.archiveId, 'real');
    assert.equal(convert(`<message>${stanzaId('gk.test', 'z')}</message>`)?.archiveId, undefined);
  });

  it('takes no archive id where the account does not vouch for it (case 2.7)', () => {
    const text = `<message>${stanzaId('me@gk.test', 'forged')}</message>`;
    assert.equal(convert(text, { trustsStanzaIds: false })?.archiveId, undefined);
  });

  it('takes a delay only from our server or account, in the form of XEP-0082', () => {
    const at = (from: string, stamp: string) =>
      convert(`<message>${delay(from, stamp)}</message>`)?.delayedAtMs;
    assert.equal(at('gk.test', '2026-01-02T03:04:05.678Z'), Date.UTC(2026, 0, 2, 3, 4, 5, 678));
    assert.equal(at('me@gk.test', '2026-01-02T05:04:05+02:00'), Date.UTC(2026, 0, 2, 3, 4, 5));
    assert.equal(at('bob@gk.test', '2026-01-02T03:04:05Z'), undefined);
    for (const stamp of ['', 'now', '2026-01-02', '2026-13-02T03:04:05Z', '20260102T03:04:05']) {
      assert.equal(at('gk.test', stamp), undefined);
    }
  });

  it('has one digest live and out of the archive: what servers add or leave away is not in it', () => {
    const digest = (inside: string) => convert(`<message id="1">${inside}</message>`)?.digest;
    const sent = '<envelope xmlns="urn:x"><enc type="message">YWJj</enc></envelope>';
    const hints = '<store xmlns="urn:xmpp:hints"/>';
    assert.equal(digest(`${sent}${hints}${stanzaId('me@gk.test', '7')}`), digest(sent));
    assert.equal(digest(`${delay('gk.test', '2026-01-02T03:04:05Z')}${sent}`), digest(sent));
  });

  it('has another digest for other content under the same id (case 2.9)', () => {
    const digest = (text: string) =>
      convert(`<message id="1"><enc xmlns="urn:x">${text}</enc></message>`)?.digest;
    assert.notEqual(digest('YWJj'), digest('YWJk'));
  });

  it('is refused when it is too large once written out', () => {
    assert.throws(
      () => convert(`<message>${'x'.repeat(200)}</message>`, { maxBytes: 100 }),
      (failure) => hasCode(failure, 'stream/badStanza'),
    );
  });
});
