import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TransactionOrder } from '../../../src/matrix/transaction-order.ts';

/** @returns those that were refused, in order. */
function refused(...ids: (string | number)[]): (string | number)[] {
  const order = new TransactionOrder();
  return ids.filter((id) => !order.takes(String(id)));
}

it('one after the other is taken, and so is a repeat', () => {
  assert.deepEqual(refused(7, 8, 8, 9), []);
});

it('one that skips a number is refused, so that the one kept back comes first', () => {
  assert.deepEqual(refused(338, 340, 339, 340, 341), [340]);
});

it('one that comes again without the one before it is taken', () => {
  assert.deepEqual(refused(1, 3, 3, 4), [3]);
});

it('a homeserver that counts from the beginning again is followed', () => {
  assert.deepEqual(refused(50, 1, 2, 3), []);
});

it('whose ids leave gaps by nature is refused three times, and no more', () => {
  assert.deepEqual(refused(10, 20, 20, 30, 30, 40, 40, 50, 60, 70), [20, 30, 40]);
});

it('ids that are no count are taken as they come', () => {
  assert.deepEqual(refused('a1', 'a3', '1795310724326', '1795310729999', '1', 'x'), []);
});
