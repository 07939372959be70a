import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answerOf } from '../../../src/bridge/answers.ts';
import type { RoomEvent } from '../../../src/matrix/matrix.ts';
import { eventId, matrixUserId, roomId } from '../../../src/model/ids.ts';

const QUESTION = '$question';

function event(type: string, content: RoomEvent['content']): RoomEvent {
  return {
    event_id: eventId('$answer'),
    room_id: roomId('!room'),
    sender: matrixUserId('@ada:example.org'),
    type,
    origin_server_ts: 0,
    content,
  };
}
const word = (body: unknown) => answerOf(event('m.room.message', { msgtype: 'm.text', body }), QUESTION);
const reaction = (key: unknown, event_id: unknown = QUESTION) =>
  answerOf(event('m.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id, key } }), QUESTION);

describe('an answer to a question of the bot', () => {
  it('is a yes in a word of our languages, with or without a mark at its end', () => {
    for (const yes of [
      'yes',
      'Yes',
      ' YES ',
      'yes.',
      'yes!',
      'y',
      'ok',
      'agree',
      'ja',
      'oui',
      'sí',
      'si',
      'sì',
      'tak',
    ]) {
      assert.equal(word(yes), true, yes);
    }
  });

  it('is a no likewise', () => {
    for (const no of ['no', 'No.', 'n', 'cancel', 'nein', 'non', 'nie', 'nee'])
      assert.equal(word(no), false, no);
  });

  it('is nothing where more is said than the word, or less', () => {
    for (const other of [
      '',
      ' ',
      'yes please',
      'not yes',
      'yesno',
      'yes?',
      'yes..',
      'no way',
      'yes no',
      'maybe',
      'help',
    ]) {
      assert.equal(word(other), undefined, other);
    }
  });

  it('is a thumb or a tick, of any skin and in any presentation, typed or as a reaction to the question', () => {
    for (const yes of ['👍', '👍🏽', '👍️', '✅', '✔️', '✔', '👌🏿']) {
      assert.deepEqual([word(yes), reaction(yes)], [true, true], yes);
    }
    for (const no of ['👎', '👎🏻', '❌', '✖️'])
      assert.deepEqual([word(no), reaction(no)], [false, false], no);
  });

  it('is no other reaction, and none to another event', () => {
    assert.equal(reaction('🎉'), undefined);
    assert.equal(reaction('yes'), undefined);
    assert.equal(reaction('👍', '$another'), undefined);
    assert.equal(reaction('👍', null), undefined);
  });

  it('is nothing in what is malformed or of another type', () => {
    assert.equal(reaction(7), undefined);
    assert.equal(word(7), undefined);
    for (const relates of [null, 'x', 7, [], {}]) {
      assert.equal(answerOf(event('m.reaction', { 'm.relates_to': relates }), QUESTION), undefined);
    }
    assert.equal(answerOf(event('m.reaction', {}), QUESTION), undefined);
    assert.equal(answerOf(event('m.sticker', { body: 'yes' }), QUESTION), undefined);
  });
});
