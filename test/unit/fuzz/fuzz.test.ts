/** The fuzzer itself: what it must find, and find again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../../src/ambient/clock.ts';
import { defineErrors } from '../../../src/model/errors.ts';
import { type BatchResult, inputOf, runBatch } from '../../fuzz/batch.ts';
import { main } from '../../fuzz/fuzz.ts';
import { defineTarget, type FuzzTarget, unlessRefused } from '../../fuzz/fuzz-target.ts';
import { Judge } from '../../fuzz/judge.ts';
import { inTurn, ordersFor, shareOut } from '../../fuzz/orders.ts';
import { targets } from '../../fuzz/targets/targets.ts';
import { mutated } from '../../fuzz/words/mutated.ts';
import { joined } from '../../fuzz/words/pieces.ts';

const errors = defineErrors('probe', { refused: { retry: 'never', arrived: 'no', notice: 'x' } });
const options = { seed: 7, runs: 300 };

function probe(run: (input: number) => void | Promise<void>): FuzzTarget {
  return defineTarget({ name: 'probe', weight: 1, inputs: fc.nat(1000), open: () => ({ run }) });
}

async function batchOf(
  target: FuzzTarget,
  more: { path?: string; careful?: boolean } = {},
): Promise<BatchResult> {
  await using open = await target.open();
  using judge = new Judge(open);
  return await runBatch(target, judge, { ...options, ...more });
}

test('a refusal that the contract names is no finding, any other exception is', async () => {
  const refusing = (allowed: string) =>
    probe(() => {
      unlessRefused(allowed, () => {
        throw errors.refused();
      });
    });
  assert.deepEqual(await batchOf(refusing('probe/refused')), { runs: 300 });
  assert.match((await batchOf(refusing('other/'))).finding?.what ?? '', /probe\/refused/);
});

test('a finding is made small, and its seed and path lead to it again', async () => {
  const target = probe((input) => {
    if (input >= 100) throw new TypeError('too much');
  });
  const { finding } = await batchOf(target);
  assert.deepEqual([finding?.input, finding?.what], [100, 'TypeError: too much']);
  const again = await batchOf(target, { path: finding?.path ?? '' });
  assert.deepEqual([again.runs, again.finding?.input], [1, 100]);
});

test('a rejection that nobody handles is a finding, of the run that left it behind', async () => {
  const target = probe((input) => {
    // As Node tells of one. A real one would end this test, since the test runner listens as well.
    if (input >= 100)
      process.listeners('unhandledRejection').at(-1)?.(new Error('forgotten'), Promise.resolve());
  });
  const { finding } = await batchOf(target, { careful: true });
  assert.deepEqual([finding?.input, finding?.what], [100, 'Error: nobody handled: Error: forgotten']);
});

test('a run that takes too much processor time is a finding, one that waits as long is none', async () => {
  const burn = (untilUs: number) => {
    while (process.threadCpuUsage().user < untilUs);
  };
  const busy = probe(() => burn(process.threadCpuUsage().user + 60_000));
  const idle = probe(async () => await systemClock.sleep(60));
  for (const [target, expected] of [
    [busy, /took more than 30 ms/],
    [idle, undefined],
  ] as const) {
    await using open = await target.open();
    using judge = new Judge(open, 30);
    if (expected === undefined) await judge.run(1);
    else await assert.rejects(async () => await judge.run(1), expected);
  }
});

test('the input of a run that took its worker along is made again', async () => {
  const inputs: unknown[] = [];
  await batchOf(
    probe((input) => {
      inputs.push(input);
    }),
  );
  const target = probe(() => undefined);
  for (const run of [0, 1, 150, 299]) assert.equal(inputOf(target, options.seed, run), inputs[run]);
});

test('the shares of all targets make up the runs, and each has one', () => {
  for (const runs of [targets.length, 1000, 999_999]) {
    const shares = shareOut(targets, runs);
    assert.equal(shares.length, targets.length);
    assert.equal(
      shares.reduce((sum, { share }) => sum + share, 0),
      runs,
    );
    assert.ok(shares.every(({ share }) => share > 0));
    const orders = inTurn(shares.map(({ target, share }) => ordersFor(target, share, 1)));
    assert.equal(
      orders.reduce((sum, order) => sum + order.runs, 0),
      runs,
    );
  }
});

test('a text without changes is a seed, and repeated words are counted, not written out', () => {
  const grammar = { seeds: ['<a b="c"/>'], token: /\w+/g, words: ['x'] };
  const all = fc.sample(mutated(grammar), { numRuns: 500, seed: 1 });
  assert.ok(all.some((pieces) => joined(pieces) === '<a b="c"/>'));
  const long = all.find((pieces) => pieces.some((piece) => typeof piece !== 'string' && piece.times > 5000));
  assert.ok(long !== undefined && joined(long).length > 5000 && JSON.stringify(long).length < 500);
});

test('wrong arguments end with 2 and the usage', async () => {
  for (const args of [['--runs', '0'], ['--only', 'nothing'], ['--path', '1'], ['--what'], ['--seed', 'x']]) {
    const lines: string[] = [];
    assert.equal(await main(args, (line) => lines.push(line)), 2);
    assert.match(lines.join('\n'), /Usage: npm run fuzz/);
  }
});

test('a short run ends with 0 and the closing line', async () => {
  const lines: string[] = [];
  assert.equal(
    await main(['--runs', '50', '--only', 'command-line', '--seed', '1'], (line) => lines.push(line)),
    0,
  );
  assert.equal(lines.at(-1), 'fuzz: runs=50 targets=1 findings=0');
});
