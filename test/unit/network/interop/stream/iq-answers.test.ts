import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answerIq } from '../../../../../src/network/interop/stream/iq-answers.ts';
import { readStanza, writeStanza } from '../../../../../src/network/interop/stream/stanza-xml.ts';

function answer(text: string): string | undefined {
  const element = answerIq(readStanza(text));
  return element && writeStanza(element);
}

const error = (type: string, condition: string) =>
  `<error type="${type}"><${condition} xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>`;

describe('answers to iq requests', () => {
  it('a ping gets an empty result (XEP-0199)', () => {
    assert.equal(
      answer('<iq type="get" id="1" from="gk.test"><ping xmlns="urn:xmpp:ping"/></iq>'),
      '<iq type="result" to="gk.test" id="1"/>',
    );
  });

  it('a request without sender is answered without addressee', () => {
    assert.equal(
      answer('<iq type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>'),
      '<iq type="result" id="1"/>',
    );
  });

  it('disco#info names ping and itself, and knows no nodes', () => {
    const query = '<query xmlns="http://jabber.org/protocol/disco#info"';
    assert.match(
      answer(`<iq type="get" id="1" from="a@b">${query}/></iq>`) ?? '',
      /<feature var="urn:xmpp:ping"\/>/,
    );
    assert.equal(
      answer(`<iq type="get" id="1" from="a@b">${query} node="x"/></iq>`),
      `<iq type="error" to="a@b" id="1">${error('cancel', 'item-not-found')}</iq>`,
    );
  });

  it('anything else is service-unavailable, and its payload is not sent back', () => {
    for (const type of ['get', 'set']) {
      assert.equal(
        answer(`<iq type="${type}" id="1" from="a@b"><query xmlns="jabber:iq:roster"><item/></query></iq>`),
        `<iq type="error" to="a@b" id="1">${error('cancel', 'service-unavailable')}</iq>`,
      );
    }
    assert.match(
      answer('<iq type="set" id="1"><ping xmlns="urn:xmpp:ping"/></iq>') ?? '',
      /service-unavailable/,
    );
  });

  it('what is malformed is a bad request: no type, no id, no payload, two payloads', () => {
    const malformed = [
      '<iq id="1"><a xmlns="urn:a"/></iq>',
      '<iq type="other" id="1"><a xmlns="urn:a"/></iq>',
      '<iq type="get"><a xmlns="urn:a"/></iq>',
      '<iq type="get" id="1"/>',
      '<iq type="get" id="1"><a xmlns="urn:a"/><b xmlns="urn:a"/></iq>',
    ];
    for (const text of malformed) assert.match(answer(text) ?? '', /bad-request/);
  });

  it('results and errors are never answered', () => {
    for (const type of ['result', 'error'])
      assert.equal(answer(`<iq type="${type}" id="1" from="a@b"/>`), undefined);
  });

  it('an overlong id or sender is not given back', () => {
    const long = 'x'.repeat(4000);
    assert.equal(
      answer(`<iq type="get" id="1" from="${long}"><ping xmlns="urn:xmpp:ping"/></iq>`),
      undefined,
    );
    assert.equal(
      answer(`<iq type="get" id="${'x'.repeat(2000)}"><ping xmlns="urn:xmpp:ping"/></iq>`),
      undefined,
    );
  });
});
