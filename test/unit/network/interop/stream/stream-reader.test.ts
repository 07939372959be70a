import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Element } from '@xmpp/client';
import fc from 'fast-check';
import {
  limitsAfterLogin,
  limitsBeforeLogin,
  type ReaderLimits,
} from '../../../../../src/network/interop/stream/limits.ts';
import { writeStanza } from '../../../../../src/network/interop/stream/stanza-xml.ts';
import { type ReadEvent, StreamReader } from '../../../../../src/network/interop/stream/stream-reader.ts';

const HEADER =
  '<?xml version="1.0"?><stream:stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams" from="gk.test" id="1" version="1.0">';

/** What a reader makes of a text, cut at the given offsets (in bytes). */
function read(
  text: string | Buffer,
  limits: ReaderLimits = limitsAfterLogin,
  cuts: readonly number[] = [],
): ReadEvent[] {
  const bytes = Buffer.from(text);
  const reader = new StreamReader(limits);
  const events: ReadEvent[] = [];
  let start = 0;
  for (const cut of [...cuts, bytes.length]) {
    events.push(...reader.read(bytes.subarray(start, cut)));
    start = cut;
  }
  return events;
}

function afterHeader(text: string, limits?: ReaderLimits): ReadEvent[] {
  const [header, ...rest] = read(HEADER + text, limits);
  assert.equal(header?.kind, 'header');
  return rest;
}

function only(events: readonly ReadEvent[]): Element {
  const [event, ...more] = events;
  assert.deepEqual(more, []);
  assert(event?.kind === 'element', JSON.stringify(event?.kind));
  return event.element;
}

function told(events: readonly ReadEvent[]): unknown[] {
  return events.map((event) => {
    switch (event.kind) {
      case 'element':
        return [writeStanza(event.element), event.bytes];
      case 'violation':
        return [event.error.code, event.error.facts];
      case 'refused':
        return [event.refused, event.bytes];
      default:
        return event.kind;
    }
  });
}

function violationOf(events: readonly ReadEvent[]): [string, unknown] {
  const last = events.at(-1);
  assert(last?.kind === 'violation', `no violation but ${last?.kind}`);
  return [last.error.code, last.error.facts.limit];
}

describe('what is read', () => {
  it('gives header, stanzas and end in order', () => {
    const events = read(`${HEADER}<message id="1"/> \n<presence/></stream:stream>`);
    assert.deepEqual(
      events.map((event) => event.kind),
      ['header', 'element', 'element', 'end'],
    );
  });

  it('resolves prefixes away and writes namespaces where they change', () => {
    const element = only(
      afterHeader(
        '<message xml:lang="de" xmlns:a="urn:a"><a:x y="1"><a:z/></a:x><b xmlns="urn:b" a:q="2"/></message>',
      ),
    );
    assert.equal(
      writeStanza(element),
      '<message xmlns="jabber:client" xml:lang="de"><x xmlns="urn:a" y="1"><z/></x><b xmlns="urn:b" xmlns:a="urn:a" a:q="2"/></message>',
    );
    assert.equal(element.getChild('x', 'urn:a')?.getChild('z', 'urn:a')?.getNS(), 'urn:a');
  });

  it('reads the five entities and legal character references', () => {
    const element = only(
      afterHeader('<message a="&#x41;&quot;">&lt;&amp;&gt;&apos;&#233;&#x1F600;</message>'),
    );
    assert.equal(element.text(), "<&>'é😀");
    assert.equal(element.attrs.a, 'A"');
  });

  it('takes names of inherited properties for names (case 1.12)', () => {
    const element = only(afterHeader('<message __proto__="a" constructor="b"><hasOwnProperty/></message>'));
    assert.equal(Object.getOwnPropertyDescriptor(element.attrs, 'constructor')?.value, 'b');
    assert.equal(Object.getPrototypeOf(element.attrs), Object.prototype);
    assert.equal(({} as Record<string, unknown>).a, undefined);
    assert.equal(element.getChildElements()[0]?.name, 'hasOwnProperty');
  });

  it('takes a CDATA section for text', () => {
    assert.deepEqual(only(afterHeader('<message>a<![CDATA[<b>]]>c</message>')).children, ['a<b>c']);
  });

  it('gives the same for any cut of the bytes, inside characters too (case 1.7)', () => {
    const text =
      `${HEADER}<message id="é😀漢" from='a@b/c'><body>é😀漢&amp;\r\n</body><x xmlns="urn:x">]]</x></message>\r\n` +
      ` <iq type="get"/><a:q xmlns:a="urn:q"/><message><refused ${'a'.repeat(300)}="1"/></message></stream:stream>`;
    const whole = told(read(text));
    assert.equal(whole.length, 6);
    const length = Buffer.byteLength(text);
    fc.assert(
      fc.property(fc.array(fc.nat(length), { maxLength: 40 }), (cuts) => {
        assert.deepEqual(
          told(
            read(
              text,
              limitsAfterLogin,
              cuts.sort((a, b) => a - b),
            ),
          ),
          whole,
        );
      }),
    );
    assert.deepEqual(
      told(
        read(
          text,
          limitsAfterLogin,
          Array.from({ length }, (_, index) => index),
        ),
      ),
      whole,
    );
  });

  it('measures a stanza in bytes, without the white space before it', () => {
    const [event] = afterHeader('  <message>é</message>');
    assert(event?.kind === 'element');
    assert.equal(event.bytes, Buffer.byteLength('<message>é</message>'));
  });

  it('keeps nothing of white space between stanzas, however much', () => {
    const reader = new StreamReader(limitsAfterLogin);
    reader.read(Buffer.from(HEADER));
    for (let round = 0; round < 50; round += 1)
      assert.deepEqual(reader.read(Buffer.alloc(16_384, ' \n')), []);
    assert.equal(reader.isBetweenStanzas, true);
    assert.equal(reader.read(Buffer.from('<iq/>')).length, 1);
  });
});

describe('what is not well-formed or forbidden ends the stream', () => {
  const cases: Record<string, string> = {
    'an unknown entity (case 1.4)': '<message>&xxe;</message>',
    'the name of an inherited property as entity (case 1.4)': '<message>&constructor;</message>',
    'a reference to NUL (case 1.4)': '<message>&#0;</message>',
    'a control character': '<message>\u0001</message>',
    'a document type (case 1.5)': '<!DOCTYPE x [<!ENTITY a "b">]><message/>',
    'a processing instruction (case 1.6)': '<?php x ?>',
    'a comment (case 1.6)': '<message><!-- x --></message>',
    'an unquoted attribute': '<message a=b/>',
    'an attribute twice': '<message a="1" a="2"/>',
    'a bare ampersand': '<message>a & b;</message>',
    'text between stanzas': '<message/>hello<message/>',
    'the end of CDATA in text': '<message>]]></message>',
    'an XML declaration between stanzas': '<?xml version="1.0"?>',
  };
  for (const [what, text] of Object.entries(cases)) {
    it(what, () => {
      const events = afterHeader(`${text}<iq/>`);
      assert.equal(violationOf(events)[0], 'stream/notWellFormed');
      assert(events.every((event) => event.kind !== 'element' || event.element.name === 'message'));
    });
  }

  it('a wrong end tag, and the element it closes is not given out (case 1.10)', () => {
    assert.deepEqual(told(afterHeader('<message></iq>')), [['stream/notWellFormed', {}]]);
  });

  it('bytes that are no UTF-8: alone, overlong, a surrogate (case 1.7)', () => {
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80]]) {
      const text = Buffer.concat([
        Buffer.from(`${HEADER}<message>`),
        Buffer.from(bytes),
        Buffer.from('</message>'),
      ]);
      assert.equal(violationOf(read(text))[0], 'stream/notWellFormed');
    }
  });

  it('XML 1.1 and other encodings', () => {
    assert.equal(violationOf(read(HEADER.replace('"1.0"?>', '"1.1"?>')))[0], 'stream/notWellFormed');
    assert.equal(
      violationOf(read(HEADER.replace('"1.0"?>', '"1.0" encoding="UTF-16"?>')))[0],
      'stream/notWellFormed',
    );
  });

  it('a document type before the header (case 1.5)', () => {
    assert.equal(violationOf(read('<!DOCTYPE a><a/>'))[0], 'stream/notWellFormed');
  });

  it('nothing is read after the end or a violation', () => {
    for (const text of [`${HEADER}</stream:stream>`, `${HEADER}&`]) {
      const reader = new StreamReader(limitsAfterLogin);
      reader.read(Buffer.from(`${text};`));
      assert.deepEqual(reader.read(Buffer.from('<message/>')), []);
    }
  });
});

describe('limits before login end the stream', () => {
  const cases: Record<string, string> = {
    stanzaBytes: `<message>${'x'.repeat(10_000)}</message>`,
    depth: '<a>'.repeat(33),
    elements: `<a>${'<b/>'.repeat(1000)}</a>`,
    attributes: `<a ${Array.from({ length: 33 }, (_, index) => `a${index}=""`).join(' ')}/>`,
    nameLength: `<${'a'.repeat(257)}/>`,
    namespace: '<a:b/>',
  };
  for (const [limit, text] of Object.entries(cases)) {
    it(limit, () =>
      assert.deepEqual(violationOf(afterHeader(text, limitsBeforeLogin)), ['stream/limitExceeded', limit]),
    );
  }

  it('a stanza of exactly the limit passes, one byte more does not', () => {
    const limits = { ...limitsBeforeLogin, stanzaBytes: 300 };
    const stanza = (bytes: number) => `<message>${'x'.repeat(bytes - 19)}</message>`;
    assert.equal(Buffer.byteLength(stanza(300)), 300);
    only(afterHeader(stanza(300), limits));
    assert.deepEqual(violationOf(afterHeader(stanza(301), limits)), ['stream/limitExceeded', 'stanzaBytes']);
  });

  it('a header without end', () => {
    assert.deepEqual(violationOf(read(`<a b="${'x'.repeat(20_000)}`, limitsBeforeLogin)), [
      'stream/limitExceeded',
      'stanzaBytes',
    ]);
  });
});

describe('a stanza that breaks a limit after login is read over and told', () => {
  const deep = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth);
  const cases: Record<string, string> = {
    stanzaBytes: `<body>${'&quot;'.repeat(100_000)}</body>`,
    depth: deep(32),
    elements: '<b/>'.repeat(20_000),
    attributes: `<b ${Array.from({ length: 33 }, (_, index) => `a${index}=""`).join(' ')}/>`,
    nameLength: `<b ${'a'.repeat(257)}=""/>`,
    namespace: '<x xmlns="http://www.w3.org/XML/1998/namespace"><y/></x>',
  };
  for (const [fault, inside] of Object.entries(cases)) {
    it(`${fault}, and the next one is read as ever`, () => {
      const text = `<message from="bob@gk.test/x" id="7"><c/>${inside}<d><e/></d></message><iq/>`;
      const [refused, next] = afterHeader(text);
      assert(refused?.kind === 'refused', refused?.kind);
      assert.deepEqual(refused.refused, { name: 'message', from: 'bob@gk.test/x', id: '7', fault });
      assert.equal(refused.bytes, Buffer.byteLength(text) - 5);
      assert(next?.kind === 'element');
      assert.equal(writeStanza(next.element), '<iq xmlns="jabber:client"/>');
    });
  }

  it('in its own tag (case 1.3)', () => {
    const attributes = Array.from({ length: 40 }, (_, index) => `a${index}=""`).join(' ');
    const [refused, next] = afterHeader(`<message ${attributes} id="7"/><iq/>`);
    assert(refused?.kind === 'refused');
    assert.deepEqual(refused.refused, { name: 'message', from: undefined, id: '7', fault: 'attributes' });
    assert.equal(next?.kind, 'element');
  });

  it('when its own tag alone is too large', () => {
    const [refused, next] = afterHeader(
      `<message from="bob@gk.test" id="${'&quot;'.repeat(100_000)}">x</message><iq/>`,
    );
    assert(refused?.kind === 'refused');
    assert.deepEqual(refused.refused, {
      name: 'message',
      from: 'bob@gk.test',
      id: undefined,
      fault: 'stanzaBytes',
    });
    assert.equal(next?.kind, 'element');
  });

  it('but other children of the stream end it', () => {
    assert.deepEqual(violationOf(afterHeader(`<a xmlns="urn:a">${deep(33)}</a>`)), [
      'stream/limitExceeded',
      'depth',
    ]);
  });

  it('and so does one past all measure', () => {
    assert.deepEqual(violationOf(afterHeader(`<message>${'x'.repeat(3_000_000)}`)), [
      'stream/limitExceeded',
      'stanzaBytes',
    ]);
    assert.deepEqual(violationOf(afterHeader(`<message>${'<a>'.repeat(100_000)}`)), [
      'stream/limitExceeded',
      'depth',
    ]);
    const attributes = Array.from({ length: 60_000 }, (_, index) => `a${index}=""`).join(' ');
    assert.deepEqual(violationOf(afterHeader(`<message ${attributes}/>`)), [
      'stream/limitExceeded',
      'attributes',
    ]);
  });
});

describe('work stays linear', () => {
  it('200 MB in one stanza is refused after the first part of it, and no more is taken in (case 1.1)', () => {
    const reader = new StreamReader(limitsAfterLogin);
    reader.read(Buffer.from(`${HEADER}<message><body>`));
    const packet = Buffer.alloc(64 * 1024, 'x');
    let taken = 0;
    let events: readonly ReadEvent[] = [];
    while (events.length === 0 && taken < 200_000_000) {
      events = reader.read(packet);
      taken += packet.length;
    }
    assert.deepEqual(violationOf(events), ['stream/limitExceeded', 'stanzaBytes']);
    assert(taken < 3_000_000, String(taken));
  });

  it('a stanza in packets of one byte costs about as much as in one', () => {
    const text = Buffer.from(`${HEADER}<message><body>${'x'.repeat(200_000)}</body></message>`);
    const startMs = performance.now();
    const events = read(
      text,
      limitsAfterLogin,
      Array.from({ length: text.length }, (_, index) => index),
    );
    assert.equal(events.length, 2);
    // Quadratic work over 200,000 pieces would take minutes.
    assert(performance.now() - startMs < 20_000);
  });
});

describe('hostile bytes', () => {
  const words = [
    ...[
      '<',
      '>',
      '/',
      '"',
      "'",
      '=',
      '&',
      ';',
      '&#',
      '&amp;',
      '&lt',
      '<![CDATA[',
      ']]>',
      '<!--',
      '-->',
      '<?',
      '?>',
    ],
    ...[
      '<!DOCTYPE',
      'message',
      'iq',
      'presence',
      ' ',
      '\n',
      '\r',
      'xmlns',
      'xmlns:a',
      'a:',
      'stream:',
      '</stream:stream>',
    ],
    ...[
      '<message>',
      '</message>',
      '<iq/>',
      'x="1"',
      '\u0000',
      'é',
      '😀',
      '<a>',
      '</a>',
      '__proto__',
      'constructor',
    ],
  ];
  it('are never an exception, and give out only whole stanzas that can be written and read again (case 4.7)', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 60 }), fc.nat(200), (parts, cut) => {
        for (const event of read(HEADER + parts.join(''), limitsAfterLogin, [cut])) {
          if (event.kind !== 'element') continue;
          const text = writeStanza(event.element);
          assert.equal(writeStanza(only(afterHeader(text))), text);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('of any kind are never an exception (case 4.1)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const reader = new StreamReader(limitsAfterLogin);
        reader.read(Buffer.from(HEADER));
        reader.read(bytes);
      }),
    );
  });
});
