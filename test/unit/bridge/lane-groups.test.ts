import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { LaneGroups } from '../../../src/bridge/lane-groups.ts';
import type { StepResult } from '../../../src/bridge/lanes.ts';
import { heldClock } from '../../doubles/held-clock.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';

function groupsUnderTest() {
  const begun: string[] = [];
  const ends = new Map<string, (result: StepResult) => void>();
  const groups = new LaneGroups({
    step: (lane) =>
      new Promise<StepResult>((end) => {
        begun.push(lane);
        ends.set(lane, end);
      }),
    concurrency: (group) => (group === 'narrow' ? 1 : 2),
    clock: heldClock(),
    log: new RecordingLog(),
  });
  const end = async (lane: string) => {
    ends.get(lane)?.('idle');
    await turn();
  };
  return { groups, begun, end };
}

describe('groups of lanes', () => {
  it('a group that hangs holds up no other one', () => {
    const { groups, begun } = groupsUnderTest();
    groups.start();
    for (const lane of ['a1', 'a2', 'a3']) groups.wake('a', lane);
    groups.wake('b', 'b1');
    assert.deepEqual(begun, ['a1', 'a2', 'b1']);
  });

  it('each group has its own bound', async () => {
    const { groups, begun, end } = groupsUnderTest();
    groups.start();
    for (const lane of ['n1', 'n2']) groups.wake('narrow', lane);
    assert.deepEqual(begun, ['n1']);
    await end('n1');
    assert.deepEqual(begun, ['n1', 'n2']);
  });

  it('what was woken before the start is taken up with it, and groups that come later run at once', () => {
    const { groups, begun } = groupsUnderTest();
    groups.wake('a', 'a1');
    assert.deepEqual(begun, []);
    groups.start();
    groups.wake('b', 'b1');
    assert.deepEqual(begun, ['a1', 'b1']);
  });

  it('stop waits for the steps of all groups, and nothing is woken after it', async () => {
    const { groups, begun, end } = groupsUnderTest();
    groups.start();
    groups.wake('a', 'a1');
    groups.wake('b', 'b1');
    let isStopped = false;
    const stopping = groups.stop().then(() => {
      isStopped = true;
    });
    groups.wake('a', 'a2');
    groups.wake('c', 'c1');
    await end('a1');
    assert.equal(isStopped, false);
    await end('b1');
    await stopping;
    assert.deepEqual(begun, ['a1', 'b1']);
  });
});
