import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cleanHtml, isSafeAddress } from '../../../../src/matrix/text/html-policy.ts';

describe('the policy for HTML', () => {
  it('nothing that runs, loads or hides is left', () => {
    for (const html of [
      '<script>alert(1)</script>',
      '<img src=x onerror=alert(1)>',
      '<svg><script>alert(1)</script></svg>',
      '<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>',
      '<iframe srcdoc="&lt;script&gt;alert(1)&lt;/script&gt;"></iframe>',
      '<a href="jav&#x09;ascript:alert(1)">x</a>',
      '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>',
      '<textarea></textarea><script>alert(1)</script>',
      '<p style="background:url(https://m.example/)" class="x" id="y">x</p>',
      '<form action="https://m.example/"><input name=a><button>b</button></form>',
    ])
      assert.doesNotMatch(cleanHtml(html), /script|alert|src|style|class|onerror|href|<form|<input/i, html);
  });

  it('nests no deeper than 100', () => {
    const depth = cleanHtml(`${'<div>'.repeat(1_000)}x`).split('<div>').length - 1;
    assert.equal(depth, 100);
  });

  it('a link leads to a whole address of a known scheme', () => {
    for (const address of [
      'https://m.example',
      'HTTP://m.example/a?b#c',
      'mailto:a@b.example',
      'tel:+4930',
      'magnet:?xt=a',
    ])
      assert.ok(isSafeAddress(address), address);
    for (const address of [
      ...[
        'javascript:alert(1)',
        ' javascript:x',
        'data:text/html,x',
        'vbscript:x',
        'file:///etc/passwd',
        '//m.example',
        '/a',
        '',
      ],
      ...[
        'https:',
        'https://a b',
        'https://a\nb',
        'https://a"b',
        'https://<b>',
        'https:\\\\m.example',
        'blob:https://m.example',
      ],
      `https://m.example/${'x'.repeat(4_000)}`,
    ])
      assert.ok(!isSafeAddress(address), address);
  });
});
