import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BridgeError } from '../../../../../src/model/errors.ts';
import { streamErrors } from '../../../../../src/network/interop/stream/errors.ts';
import { RetryPolicy } from '../../../../../src/network/interop/stream/retry-policy.ts';

const almostOne = 0.999_999;

function delays(reasons: readonly BridgeError[], fraction: number, hadProgress = false): number[] {
  const policy = new RetryPolicy();
  return reasons.map((reason) => {
    const step = policy.next({ reason, hadProgress }, fraction);
    assert(step.kind === 'retry');
    return step.afterMs;
  });
}

const times = (count: number, reason: BridgeError) => Array.from({ length: count }, () => reason);

describe('retry policy', () => {
  it('doubles the ceiling from 0.2 s to 60 s, with full jitter below it', () => {
    const lost = times(12, streamErrors.lost());
    assert.deepEqual(
      delays(lost, almostOne),
      [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000, 60_000],
    );
    assert.deepEqual(
      delays(lost, 0),
      times(12, streamErrors.lost()).map(() => 0),
    );
  });

  it('begins anew after a connection that was good for something', () => {
    assert.deepEqual(delays(times(3, streamErrors.lost()), almostOne, true), [200, 200, 200]);
  });

  it('tries a refused token once more at once, then only after a minute and more, up to half an hour', () => {
    const [first, second, third, ...rest] = delays(times(12, streamErrors.notAuthorized()), 0);
    assert.deepEqual([first, second, third], [0, 120_000, 240_000]);
    assert.equal(rest.at(-1), 900_000);
    assert.equal(delays(times(12, streamErrors.notAuthorized()), almostOne).at(-1), 1_799_999);
  });

  it('a refused token in between is new again after another end', () => {
    const refused = streamErrors.notAuthorized();
    assert.deepEqual(delays([refused, streamErrors.lost(), refused], 0), [0, 0, 0]);
  });

  it('does not hurry back to a server that lacks what is needed or sends elsewhere', () => {
    assert.deepEqual(delays([streamErrors.featureMissing()], 0), [60_000]);
    assert.deepEqual(delays([streamErrors.redirected()], 0), [60_000]);
  });

  it('stops when another client took our place (case 4.4)', () => {
    const step = new RetryPolicy().next({ reason: streamErrors.conflict(), hadProgress: true }, 0.5);
    assert.deepEqual(step, { kind: 'stop' });
  });
});
