import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Element, xml } from '@xmpp/client';
import fc from 'fast-check';
import { hasCode } from '../../../../../src/model/errors.ts';
import { readStanza, writeStanza } from '../../../../../src/network/interop/stream/stanza-xml.ts';

const isBad = (failure: unknown) => hasCode(failure, 'stream/badStanza');

describe('readStanza', () => {
  it('takes a stanza without a namespace for one of the stream', () => {
    const stanza = readStanza('<message to="bob@gk.test"><body>x</body></message>');
    assert(stanza.is('message', 'jabber:client'));
    assert.equal(stanza.getChildText('body'), 'x');
  });

  it('refuses what is not exactly one whole stanza', () => {
    for (const text of [
      '',
      ' ',
      '<a/><b/>',
      '<a>',
      '<a/>x',
      '<a/><',
      '</stream:stream>',
      'x',
      '<a/></stream:stream>',
      '&',
    ]) {
      assert.throws(() => readStanza(text), isBad, text);
    }
  });

  it('keeps the limits of the stream', () => {
    assert.throws(() => readStanza(`<a>${'<b>'.repeat(32)}${'</b>'.repeat(32)}</a>`), isBad);
    assert.throws(() => readStanza('<message>x</message>', { stanzaBytes: 10 }), isBad);
  });
});

describe('writeStanza', () => {
  it('escapes so that the same is read again', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 20 });
    fc.assert(
      fc.property(text, text, (value, content) => {
        const stanza = xml('message', { xmlns: 'jabber:client', id: value }, xml('body', {}, content));
        let written: string;
        try {
          written = writeStanza(stanza);
        } catch (failure) {
          assert(isBad(failure));
          return;
        }
        const read = readStanza(written);
        assert.equal(read.attrs.id, value);
        assert.equal(read.getChildText('body'), content);
        assert.equal(writeStanza(read), written);
      }),
    );
    const odd = 'a\tb\nc\rd\r\n<&>"\'';
    const read = readStanza(writeStanza(xml('message', { id: odd }, odd)));
    assert.equal(read.attrs.id, odd);
    assert.equal(read.text(), odd);
  });

  it('refuses characters that XML can not carry', () => {
    for (const text of ['\u0000', '\u0008', '\ufffe', '\ud800', 'a\udc00b']) {
      assert.throws(() => writeStanza(xml('message', {}, text)), isBad);
      assert.throws(() => writeStanza(xml('message', { id: text })), isBad);
    }
  });

  it('does not recurse: 200,000 levels are a matter of size only', () => {
    let element: Element = xml('a');
    for (let depth = 0; depth < 200_000; depth += 1) element = xml('a', {}, element);
    assert.throws(() => writeStanza(element), isBad);
    assert.equal(writeStanza(element, Number.POSITIVE_INFINITY).length, 200_000 * 7 + 4);
  });

  it('stops when namespaces written out swell a stanza past the limit', () => {
    const long = `urn:${'x'.repeat(1000)}`;
    const children = Array.from({ length: 1000 }, () => xml('a', { xmlns: long }));
    assert.throws(() => writeStanza(xml('message', {}, ...children)), isBad);
  });
});
