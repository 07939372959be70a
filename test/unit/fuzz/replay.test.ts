/** Each file under test/fixtures/fuzz/ is an input that once did harm, or is made to: none may do any now. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { readFixtures } from '../../fuzz/fixtures.ts';
import type { OpenTarget } from '../../fuzz/fuzz-target.ts';
import { Judge } from '../../fuzz/judge.ts';
import { targets } from '../../fuzz/targets/targets.ts';

const fixtures = readFixtures();

test('each target has fixtures, and each fixture a target', () => {
  const names = targets.map(({ name }) => name).toSorted();
  assert.deepEqual([...new Set(fixtures.map(({ target }) => target))].toSorted(), names);
});

for (const target of targets) {
  describe(target.name, () => {
    let open: OpenTarget | undefined;
    after(async () => await open?.[Symbol.asyncDispose]());
    for (const { name, rule, input } of fixtures.filter((one) => one.target === target.name)) {
      test(`${name}: ${rule}`, async () => {
        open ??= await target.open();
        using judge = new Judge(open);
        await judge.run(input);
        await judge.settle();
      });
    }
  });
}
