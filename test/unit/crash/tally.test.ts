import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Tally } from '../../crash/tally.ts';

/** @param come bodies in the order of their arrival; a late one begins with `*`. */
function judge(sent: readonly string[], come: readonly string[]) {
  const tally = new Tally();
  for (const body of sent) tally.sent('way', body);
  for (const body of come) tally.arrived('way', body.replace('*', ''), body.startsWith('*'));
  const { lost, duplicated, reordered } = tally.verdict();
  return { lost, duplicated, reordered, isComplete: tally.isComplete(), complaints: tally.complaints() };
}

it('all once and in order is well', () => {
  const well = { lost: 0, duplicated: 0, reordered: 0, isComplete: true, complaints: [] };
  assert.deepEqual(judge(['a', 'b', 'c'], ['a', 'b', 'c']), well);
});

it('what did not come is lost, and named', () => {
  const { lost, isComplete, complaints } = judge(['a', 'b', 'c'], ['a', 'c']);
  assert.deepEqual([lost, isComplete, complaints], [1, false, ['way: 1 missing, first b']]);
});

it('what came twice is doubled, also when the second one was asked for', () => {
  assert.equal(judge(['a', 'b'], ['a', 'b', 'a']).duplicated, 1);
  assert.equal(judge(['a', 'b'], ['a', 'b', '*a']).duplicated, 1);
});

it('what came behind a later one is reordered, unless it had to be asked for again', () => {
  assert.equal(judge(['a', 'b', 'c'], ['b', 'a', 'c']).reordered, 2);
  assert.equal(judge(['a', 'b', 'c'], ['b', '*a', 'c']).reordered, 0);
});
