import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  asReplacement,
  asReply,
  reactionIn,
  redactionTarget,
  replacementIn,
  replyTarget,
  toReaction,
} from '../../../src/matrix/relations.ts';
import { eventId } from '../../../src/model/ids.ts';

const TARGET = eventId('$target');
const relating = (relation: unknown) => ({ body: 'a', 'm.relates_to': relation });

describe('relations between events', () => {
  it('what is written is read again', () => {
    assert.equal(replyTarget(asReply(TARGET, { body: 'a' })), TARGET);
    assert.deepEqual(replacementIn(asReplacement(TARGET, { body: 'a' })), {
      target: TARGET,
      content: { body: 'a' },
    });
    assert.deepEqual(reactionIn(toReaction(TARGET, '🎉')), { target: TARGET, emoji: '🎉' });
  });

  it('a replacement says what it is to clients that do not know replacements', () => {
    const content = asReplacement(TARGET, { body: 'a', formatted_body: '<b>a</b>' });
    assert.equal(content.body, '* a');
    assert.equal(content.formatted_body, '* <b>a</b>');
  });

  it('the fallback of a thread is no reply; a reply within a thread is one', () => {
    const thread = (is_falling_back: boolean) =>
      relating({ rel_type: 'm.thread', is_falling_back, 'm.in_reply_to': { event_id: TARGET } });
    assert.equal(replyTarget(thread(true)), undefined);
    assert.equal(replyTarget(thread(false)), TARGET);
  });

  it('a replacement that does not say of what, or what, is malformed', () => {
    assert.equal(replacementIn({ body: 'a' }), undefined);
    assert.equal(replacementIn({ body: 'a', 'm.new_content': { body: 'b' } }), 'malformed');
    assert.equal(replacementIn(relating({ rel_type: 'm.replace', event_id: TARGET })), 'malformed');
    assert.equal(
      replacementIn({ ...relating({ rel_type: 'm.replace', event_id: 7 }), 'm.new_content': {} }),
      'malformed',
    );
  });

  it('a reaction needs a key that could be an emoji', () => {
    const reaction = (key: unknown) =>
      reactionIn(relating({ rel_type: 'm.annotation', event_id: TARGET, key }));
    assert.equal(reaction(''), undefined);
    assert.equal(reaction(7), undefined);
    assert.equal(reaction('x'.repeat(65)), undefined);
    assert.equal(reaction('\ud800')?.emoji, '\ufffd');
  });

  it('a redaction names its target in the content or beside it', () => {
    assert.equal(redactionTarget({ content: { redacts: TARGET } }), TARGET);
    assert.equal(redactionTarget({ content: {}, redacts: TARGET }), TARGET);
    assert.equal(redactionTarget({ content: { redacts: 'nothing' } }), undefined);
  });

  it('whatever stands there, nothing is thrown', () => {
    const anything = fc.dictionary(
      fc.constantFrom('rel_type', 'event_id', 'key', 'm.in_reply_to', 'is_falling_back'),
      fc.oneof(fc.jsonValue(), fc.constant('m.replace'), fc.record({ event_id: fc.jsonValue() })),
    );
    fc.assert(
      fc.property(anything, fc.jsonValue(), (relation, replacement) => {
        const content = { 'm.relates_to': relation, 'm.new_content': replacement };
        replyTarget(content);
        replacementIn(content);
        reactionIn(content);
        redactionTarget({ content });
      }),
    );
  });
});
