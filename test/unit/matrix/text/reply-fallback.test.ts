import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withoutReplyFallback } from '../../../../src/matrix/text/reply-fallback.ts';

describe('the quotation before a reply', () => {
  it('is left out with the empty line behind it, of an emote too', () => {
    assert.equal(withoutReplyFallback('> <@bob:m.example> hi\n> there\n>\n\nhello\n> you'), 'hello\n> you');
    assert.equal(withoutReplyFallback('> * <@bob:m.example> waves\n\nhello'), 'hello');
  });

  it('is told from a quotation of the writer, and never leaves nothing', () => {
    for (const body of ['> hi\n\nhello', 'hello', '', '> <@bob:m.example> hi', '> <@bob:m.example> hi\n\n '])
      assert.equal(withoutReplyFallback(body), body);
  });

  it('takes no longer for a body that is nothing else', () => {
    const body = '> <@bob:m.example> '.repeat(3_000);
    assert.equal(withoutReplyFallback(body), body);
  });
});
