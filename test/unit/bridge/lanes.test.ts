import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { Lanes, type StepResult } from '../../../src/bridge/lanes.ts';
import { heldClock } from '../../doubles/held-clock.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';

/** Lanes whose steps end when the test says so. */
function lanesUnderTest(concurrency = 8) {
  const clock = heldClock(1_000);
  const log = new RecordingLog();
  const told: unknown[] = [];
  const running: { lane: string; end: (result: StepResult) => void; fail: (fault: Error) => void }[] = [];
  const begun: string[] = [];
  const lanes = new Lanes({
    concurrency,
    clock,
    log,
    step: (lane, failures) =>
      new Promise<StepResult>((end, fail) => {
        told.push(failures);
        begun.push(lane);
        running.push({ lane, end, fail });
      }),
  });
  lanes.start();
  const end = async (lane: string, result: StepResult | Error) => {
    const index = running.findIndex((step) => step.lane === lane);
    const [step] = running.splice(index, 1);
    assert.ok(index >= 0 && step !== undefined, `${lane} runs`);
    if (result instanceof Error) step.fail(result);
    else step.end(result);
    await turn();
  };
  const pass = async (ms: number) => {
    clock.advance(ms);
    await turn();
  };
  return { lanes, log, begun, told, end, pass, names: () => running.map(({ lane }) => lane) };
}

describe('lanes', () => {
  it('a lane takes one step at a time; others run beside it', () => {
    const { lanes, names } = lanesUnderTest();
    lanes.wake('a');
    lanes.wake('a');
    lanes.wake('b');
    assert.deepEqual(names(), ['a', 'b']);
  });

  it('no more lanes run at once than allowed; the next one begins when one ends, in the order of waking', async () => {
    const { lanes, names, end, begun } = lanesUnderTest(2);
    for (const lane of ['a', 'b', 'c', 'd']) lanes.wake(lane);
    assert.deepEqual(names(), ['a', 'b']);
    await end('b', 'idle');
    assert.deepEqual(names(), ['a', 'c']);
    await end('a', 'idle');
    assert.deepEqual(begun, ['a', 'b', 'c', 'd']);
  });

  it('a lane with more to do goes to the end of the line, so that it starves nobody', async () => {
    const { lanes, begun, end } = lanesUnderTest(1);
    lanes.wake('busy');
    lanes.wake('other');
    await end('busy', 'more');
    await end('other', 'idle');
    assert.deepEqual(begun, ['busy', 'other', 'busy']);
  });

  it('a wake during a step makes the lane look once more, however many wakes there were', async () => {
    const { lanes, begun, end, names } = lanesUnderTest();
    lanes.wake('a');
    lanes.wake('a');
    lanes.wake('a');
    await end('a', 'idle');
    await end('a', 'idle');
    assert.deepEqual(begun, ['a', 'a']);
    assert.deepEqual(names(), []);
  });

  it('a lane that waits is taken up at its time, not before', async () => {
    const { lanes, begun, end, pass } = lanesUnderTest();
    lanes.wake('a');
    await end('a', { notBeforeMs: 1_500 });
    await pass(499);
    assert.deepEqual(begun, ['a']);
    await pass(1);
    assert.deepEqual(begun, ['a', 'a']);
  });

  it('a wake ends the wait, and the old time wakes nobody a second time', async () => {
    const { lanes, begun, end, pass } = lanesUnderTest();
    lanes.wake('a');
    await end('a', { notBeforeMs: 60_000 });
    lanes.wake('a');
    await end('a', 'idle');
    await pass(100_000);
    assert.deepEqual(begun, ['a', 'a']);
  });

  it('a wake during a step wins over the time that the step asked for', async () => {
    const { lanes, begun, end } = lanesUnderTest();
    lanes.wake('a');
    lanes.wake('a');
    await end('a', { notBeforeMs: 60_000 });
    assert.deepEqual(begun, ['a', 'a']);
  });

  it('a time in the past means now', async () => {
    const { lanes, begun, end, pass } = lanesUnderTest();
    lanes.wake('a');
    await end('a', { notBeforeMs: 0 });
    await pass(0);
    assert.deepEqual(begun, ['a', 'a']);
  });

  it('a step that throws is logged as an error; its lane rests and is taken up again, the others go on', async () => {
    const { lanes, begun, end, pass, log, names } = lanesUnderTest();
    lanes.wake('a');
    lanes.wake('b');
    await end('a', new RangeError('a bug'));
    assert.deepEqual(names(), ['b']);
    const [entry] = log.entries;
    assert.deepEqual(
      [entry?.level, entry?.message, entry?.facts],
      ['error', 'lane step failed', { lane: 'a' }],
    );
    await pass(4_999);
    assert.deepEqual(begun, ['a', 'b']);
    await pass(1);
    assert.deepEqual(begun, ['a', 'b', 'a']);
  });

  it('a step is told how often and since when those before it failed, until one has not', async () => {
    const { lanes, told, end, pass } = lanesUnderTest();
    lanes.wake('a');
    await end('a', { notBeforeMs: 1_000, failed: true });
    await pass(500);
    await end('a', new RangeError('a bug'));
    await pass(5_000);
    await end('a', { notBeforeMs: 7_000 });
    lanes.wake('a');
    await end('a', { notBeforeMs: 8_000, failed: true });
    lanes.wake('a');
    const since1000 = { sinceMs: 1_000 };
    assert.deepEqual(told, [
      undefined,
      { count: 1, ...since1000 },
      { count: 2, ...since1000 },
      undefined,
      { count: 1, sinceMs: 6_500 },
    ]);
  });

  it('what is woken before the start is taken up with it, once', async () => {
    const begun: string[] = [];
    const lanes = new Lanes({
      concurrency: 1,
      clock: heldClock(),
      log: new RecordingLog(),
      step: async (lane) => {
        begun.push(lane);
        return 'idle';
      },
    });
    for (const lane of ['a', 'b', 'a']) lanes.wake(lane);
    await turn();
    assert.deepEqual(begun, []);
    lanes.start();
    await turn();
    assert.deepEqual(begun, ['a', 'b']);
    await lanes.stop();
  });

  it('stop takes no new step and resolves when those under way have ended', async () => {
    const { lanes, begun, end } = lanesUnderTest(2);
    for (const lane of ['a', 'b', 'c']) lanes.wake(lane);
    let isStopped = false;
    const stopping = lanes.stop().then(() => {
      isStopped = true;
    });
    lanes.wake('d');
    await end('a', 'more');
    assert.equal(isStopped, false);
    await end('b', 'idle');
    await stopping;
    assert.deepEqual(begun, ['a', 'b']);
  });

  it('stop with nothing under way resolves at once, and the time of a waiting lane passes unheard', async () => {
    const { lanes, begun, end, pass } = lanesUnderTest();
    lanes.wake('a');
    await end('a', { notBeforeMs: 2_000 });
    await lanes.stop();
    await pass(10_000);
    assert.deepEqual(begun, ['a']);
  });

  it('whatever the wakes and ends, all work is done, in order within its lane, under the bound', async () => {
    const works = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(3)), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(works, fc.integer({ min: 1, max: 3 }), async (given, concurrency) => {
        const queues = new Map<string, number[]>();
        const done: [string, number][] = [];
        let [running, most] = [0, 0];
        const inside = new Set<string>();
        const lanes = new Lanes({
          concurrency,
          clock: heldClock(),
          log: new RecordingLog(),
          step: async (lane) => {
            assert.ok(!inside.has(lane), 'two steps of a lane at once');
            inside.add(lane);
            running += 1;
            most = Math.max(most, running);
            const next = queues.get(lane)?.[0];
            for (let turns = next ?? 0; turns % 4 > 0; turns -= 1) await turn();
            if (next !== undefined) {
              queues.get(lane)?.shift();
              done.push([lane, next]);
            }
            running -= 1;
            inside.delete(lane);
            return next === undefined ? 'idle' : 'more';
          },
        });
        lanes.start();
        for (const [index, [lane, turns]] of given.entries()) {
          const queue = queues.get(lane) ?? [];
          queues.set(lane, queue);
          queue.push(index * 4 + turns);
          lanes.wake(lane);
          if (turns === 0) await turn();
        }
        for (let turns = 0; done.length < given.length; turns += 1) {
          assert.ok(turns < 1_000, 'a wake was lost');
          await turn();
        }
        await lanes.stop();
        assert.ok(most <= concurrency);
        for (const lane of queues.keys()) {
          const order = done.filter(([of]) => of === lane).map(([, number]) => number);
          assert.deepEqual(
            order,
            [...order].sort((a, b) => a - b),
          );
        }
      }),
      { numRuns: 60 },
    );
  });
});
