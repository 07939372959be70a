import assert from 'node:assert/strict';
import { test } from 'node:test';

import { eventLines, line, noticeFrame, timeOf, visible } from '../../../../src/sandbox/phone/chat-lines.ts';

const name = () => 'Alice';

test('what could command a terminal or turn text around is shown escaped', () => {
  assert.equal(visible('a\u001b[2Jb'), 'a<U+001B>[2Jb');
  assert.equal(visible('x\u202ey\u200bz'), 'x<U+202E>y<U+200B>z');
  assert.equal(visible('two\nlines 😀'), 'two\nlines 😀');
});

test('further lines of a text are indented', () => {
  assert.equal(line(0, 'A', 'x\ny'), `${timeOf(0)}  A: x\n${' '.repeat(10)}y`);
});

test('a boundary notice stands in a frame and names the operator', () => {
  const notice = {
    operatorName: 'Ops',
    operatorContact: 'ops@x.test',
    mode: 'provider',
    text: 'word '.repeat(40).trim(),
  };
  const lines = noticeFrame(notice, 'Alice').split('\n');
  assert.ok(lines[0]?.startsWith('┌') && lines.at(-1)?.startsWith('└'));
  assert.ok(lines.every((text) => text.length <= 77));
  assert.ok(lines.some((text) => text.includes('Operator: Ops, ops@x.test (provider)')));
});

test('a kind of content that the app cannot show is told by its name', () => {
  const content = { id: new Uint8Array(16), sentAtMs: 0, body: 'location' };
  const message = { from: 'a@b', content, stanzaId: 's', encType: 'message', atMs: 0 } as const;
  assert.match(
    eventLines({ kind: 'message', message }, 0, name) ?? '',
    /\(location that this app cannot show\)$/,
  );
});

test('repeats and requests for retries print nothing', () => {
  assert.equal(eventLines({ kind: 'repeat', from: 'a', stanzaId: 's', of: 'stanza' }, 0, name), undefined);
});
