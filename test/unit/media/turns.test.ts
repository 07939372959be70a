import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Turns } from '../../../src/media/turns.ts';

const { signal } = new AbortController();

describe('turns', () => {
  it('are taken by so many at a time, in order', async () => {
    const turns = new Turns(1);
    const begun: string[] = [];
    const take = async (name: string) => {
      const done = await turns.take(signal);
      begun.push(name);
      return done;
    };
    const first = await take('first');
    const [second, third] = [take('second'), take('third')];
    await nextTurn();
    assert.deepEqual(begun, ['first']);
    first();
    (await second)();
    (await third)();
    assert.deepEqual(begun, ['first', 'second', 'third']);
    (await turns.take(signal))();
  });

  it('are not waited for by one who has given up, and are not lost by it', async () => {
    const turns = new Turns(1);
    const done = await turns.take(signal);
    const impatient = new AbortController();
    const waiting = turns.take(impatient.signal);
    impatient.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
    done();
    (await turns.take(signal))();
  });
});
