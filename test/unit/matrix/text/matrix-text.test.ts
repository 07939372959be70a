import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cleanHtml } from '../../../../src/matrix/text/html-policy.ts';
import { fromMatrixText, normalise, toMatrixText } from '../../../../src/matrix/text/matrix-text.ts';
import type { FormattedText } from '../../../../src/model/chat-event.ts';
import { matrixUserId } from '../../../../src/model/ids.ts';
import { commonTexts, hostileTexts } from './texts.ts';

const FORMAT = 'org.matrix.custom.html';
const userOf = (jid: string) =>
  /^[a-z]+@gk\.example$/.test(jid) ? matrixUserId(`@${jid.replace('@', '_')}:m.example`) : undefined;
const contactOf = (user: string) => /^@([a-z]+)_(gk\.example):m\.example$/.exec(user)?.slice(1).join('@');
const write = (text: FormattedText) => ({ ...toMatrixText(text, { userOf }) });
const read = (content: Readonly<Record<string, unknown>>) => fromMatrixText(content, { contactOf });
const readHtml = (html: string) => read({ body: 'the body', format: FORMAT, formatted_body: html });

const TAG =
  /<(?:\/?(?:strong|em|del|code|pre|blockquote|ul|ol|li|a)|br \/|code class="language-[\w+#.-]+"|ol start="\d+"|a href="(?:https|http|ftp|mailto|magnet|tel|matrix):[^"<>]*")>/g;

describe('across and back', () => {
  it('a text of the common subset is the same text', () => {
    fc.assert(
      fc.property(commonTexts(), (text) => {
        const back = read(write(text));
        assert.deepEqual(back, normalise(text));
        assert.equal(back.body, text.body);
      }),
      { numRuns: 500 },
    );
  });

  it('any text is the same from the second time on', () => {
    fc.assert(
      fc.property(hostileTexts(), (text) => {
        const once = read(write(text));
        const twice = read(write(once));
        assert.deepEqual(twice, once);
        assert.deepEqual(write(twice), write(once));
      }),
      { numRuns: 1_000 },
    );
  });

  it('any HTML says the same after it was read and written', () => {
    fc.assert(
      fc.property(htmls(), (html) => {
        const once = readHtml(html);
        const twice = read(write(once));
        assert.deepEqual(twice, once);
      }),
      { numRuns: 1_000 },
    );
  });

  it('the normal form is its own normal form', () => {
    fc.assert(
      fc.property(hostileTexts(), (text) => {
        assert.deepEqual(normalise(normalise(text)), normalise(text));
      }),
      {
        numRuns: 1_000,
        // A line that is empty but for what becomes white space.
        examples: [
          [
            {
              body: '\u00a0\r\na',
              ranges: [{ start: 0, length: 4, style: 'code-block', value: '' }],
            },
          ],
        ],
      },
    );
  });
});

describe('what is written', () => {
  it('has carried tags only, all balanced, and nothing that the cleaner would take out', () => {
    fc.assert(
      fc.property(hostileTexts(), (text) => {
        const html = write(text).formatted_body ?? '';
        assert.equal(cleanHtml(html), html);
        assert.doesNotMatch(html.replaceAll(TAG, ''), /[<>]/);
        assertBalanced(html);
      }),
      { numRuns: 1_000 },
    );
  });

  it('holds the words of the text, in its body without the styles', () => {
    const quote = { start: 0, length: 3, style: 'quote' as const, value: '' };
    assert.deepEqual(toMatrixText({ body: 'a\nb\nc', ranges: [quote] }), {
      body: '> a\n> b\nc',
      format: FORMAT,
      formatted_body: '<blockquote>a<br />b</blockquote>c',
    });
  });

  it('styles that cross are parted', () => {
    const ranges = [
      { start: 0, length: 2, style: 'bold' as const, value: '' },
      { start: 1, length: 2, style: 'italic' as const, value: '' },
    ];
    assert.equal(write({ body: 'abc', ranges }).formatted_body, '<strong>a<em>b</em></strong><em>c</em>');
  });

  it('quotes that cross are parted', () => {
    const ranges = [
      { start: 0, length: 3, style: 'quote' as const, value: '' },
      { start: 2, length: 3, style: 'bullet-list' as const, value: '' },
    ];
    assert.equal(
      write({ body: 'a\nb\nc', ranges }).formatted_body,
      '<blockquote>a<ul><li>b</li></ul></blockquote><ul><li>c</li></ul>',
    );
  });

  it('a mention of somebody unknown is text, and of somebody known is told to clients', () => {
    const text = {
      body: 'hi Bob',
      ranges: [{ start: 3, length: 3, style: 'mention' as const, value: 'bob@gk.example' }],
    };
    assert.deepEqual(toMatrixText(text, { userOf: () => undefined }).formatted_body, 'hi Bob');
    assert.deepEqual(write(text)['m.mentions'], { user_ids: ['@bob_gk.example:m.example'] });
  });
});

describe('what is read', () => {
  it('lies within the body, at most 1,000 ranges, each of a safe address', () => {
    fc.assert(
      fc.property(htmls(), (html) => {
        const { body, ranges } = readHtml(html);
        const points = Array.from(body).length;
        assert.ok(body.isWellFormed());
        for (const { start, length, style, value } of ranges) {
          assert.ok(start >= 0 && length > 0 && start + length <= points);
          if (style === 'link') assert.match(value, /^(?:https?|ftp|mailto|magnet|tel|matrix):/i);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('any content is read without an error, and one without words is empty', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (body, formatted_body) => {
        const { ranges } = read({ body, format: FORMAT, formatted_body });
        assert.ok(Array.isArray(ranges));
      }),
    );
    assert.deepEqual(read({}), { body: '', ranges: [] });
  });

  it('ranges beyond 1,000 are left out, and every word is kept', () => {
    const { body, ranges } = readHtml('<b>x</b>y'.repeat(3_000));
    assert.equal(ranges.length, 1_000);
    assert.equal(body, 'xy'.repeat(3_000));
  });

  it('HTML whose words would not fit a message gives way to the body', () => {
    assert.deepEqual(readHtml(`${'<ul><li>'.repeat(8)}${'x<br>'.repeat(12_000)}`), {
      body: 'the body',
      ranges: [],
    });
    assert.deepEqual(readHtml('x'.repeat(65_537)), { body: 'the body', ranges: [] });
  });

  for (const [name, unit] of Object.entries(HOSTILE())) {
    it(`60,000 characters of ${name} take less than three seconds`, () => {
      const html = unit.repeat(Math.ceil(60_000 / unit.length));
      const startedAt = performance.now();
      write(readHtml(html));
      assert.ok(performance.now() - startedAt < 3_000);
    });
  }
});

function HOSTILE(): Readonly<Record<string, string>> {
  return {
    'elements in one another': '<b>',
    'quotes in one another': '<blockquote>x',
    'lists in one another': '<ul><li>x',
    'lists beside one another in a list': '<li>x<ul><li>y</ul>',
    'items never closed': '<li>x',
    'ends without a beginning': '</x>',
    'paragraphs in styles': '<p><b>x',
    attributes: '<a b=c d ',
    'an attribute never closed': '<a href="',
    'comments never closed': '<!--',
    links: '<a href="https://m.example/">z</a>y',
    'characters to escape': '<&"',
    spaces: '\u00a0 ',
    'line breaks': '<br>x',
    code: '<pre>x\n',
    cells: '<table><tr><td>x',
    flags: '<b>🇩🇪</b>',
  };
}

/** HTML of carried and other tags, well formed or not. */
function htmls(): fc.Arbitrary<string> {
  const names = fc.constantFrom(
    ...[
      'b',
      'i',
      'del',
      'code',
      'pre',
      'blockquote',
      'ul',
      'ol',
      'li',
      'a',
      'p',
      'div',
      'h2',
      'span',
      'table',
      'tr',
    ],
    ...['td', 'script', 'u', 'mx-reply', 'details', 'svg', 'style', 'font'],
  );
  const attributes = fc.constantFrom(
    ...['', '', '', ' href="https://m.example/"', ' href="javascript:x"', ' start=3', ' data-mx-spoiler="y"'],
    ...[
      ' href="https://matrix.to/#/@bob_gk.example:m.example"',
      ' class="language-ts"',
      ' onclick=x',
      ' style="x',
    ],
  );
  const pieces = fc.oneof(
    fc.tuple(names, attributes).map(([name, attribute]) => `<${name}${attribute}>`),
    names.map((name) => `</${name}>`),
    fc.constantFrom(
      '<br>',
      '<hr/>',
      '<img alt="x">',
      ' ',
      '\n',
      '&nbsp;',
      '&lt;b&gt;',
      '• ',
      '1. ',
      'a',
      'b c',
      '😀',
      '<!-- -->',
      '\t',
    ),
  );
  return fc.array(pieces, { maxLength: 25 }).map((list) => list.join(''));
}

function assertBalanced(html: string): void {
  const open: string[] = [];
  for (const [, end, name] of html.matchAll(/<(\/?)([a-z]+)[^>]*>/g)) {
    if (name === 'br' || name === undefined) continue;
    if (end === '/') assert.equal(open.pop(), name);
    else open.push(name);
  }
  assert.deepEqual(open, []);
}
