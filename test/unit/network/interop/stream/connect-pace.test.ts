/** Thousands of accounts whose server went away and comes back: what it meets then. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ConnectPace } from '../../../../../src/network/interop/stream/connect-pace.ts';
import { streamErrors } from '../../../../../src/network/interop/stream/errors.ts';
import { RetryPolicy } from '../../../../../src/network/interop/stream/retry-policy.ts';
import { heldClock } from '../../../../doubles/held-clock.ts';
import { createWorld, until } from './stream-world.ts';

const ACCOUNTS = 1_000;
const EVERY_MS = 20;
const never = new AbortController().signal;

/** Numbers that look random and are the same in each run. */
function seeded(): () => number {
  let state = 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** All accounts lose their connection at once, and the server refuses them until `backMs`. @returns when each attempt came. */
async function outage(pace: ConnectPace | undefined, clock: ReturnType<typeof heldClock>, backMs: number) {
  const fraction = seeded();
  const attempts: number[] = [];
  let online = 0;
  const keep = async () => {
    const policy = new RetryPolicy();
    for (;;) {
      const step = policy.next({ reason: streamErrors.unreachable(), hadProgress: false }, fraction());
      assert.equal(step.kind, 'retry');
      if (step.kind === 'retry') await clock.sleep(step.afterMs);
      await pace?.turn(never);
      attempts.push(clock.nowMs());
      if (clock.nowMs() >= backMs) break;
    }
    online += 1;
  };
  const all = Array.from({ length: ACCOUNTS }, keep);
  for (let steps = 0; online < ACCOUNTS; steps += 1) {
    assert.ok(steps < 20_000, `${online} are online`);
    clock.advance(10);
    await turn();
  }
  await Promise.all(all);
  return attempts;
}

/** The most attempts within any second. */
function peak(attempts: readonly number[]): number {
  let [first, most] = [0, 0];
  for (const [index, atMs] of attempts.entries()) {
    while ((attempts[first] ?? 0) <= atMs - 1_000) first += 1;
    most = Math.max(most, index - first + 1);
  }
  return most;
}

describe('a server that was away', () => {
  it('meets a bounded number of attempts a second, however many accounts there are, and all get in', async () => {
    const clock = heldClock();
    const attempts = await outage(new ConnectPace({ clock, everyMs: EVERY_MS }), clock, 30_000);
    assert.ok(peak(attempts) <= 1_000 / EVERY_MS + 1, String(peak(attempts)));
    // None was left out for long: after the server came back each waited for the others once, not for a pause besides.
    assert.ok((attempts.at(-1) ?? 0) < 30_000 + ACCOUNTS * EVERY_MS + 65_000, String(attempts.at(-1)));
  });

  it('would meet a storm by jitter alone', async () => {
    assert.ok(peak(await outage(undefined, heldClock(), 3_000)) > 2 * ACCOUNTS);
  });
});

describe('a turn', () => {
  it('comes at once to one who is alone', async () => {
    const pace = new ConnectPace({ clock: heldClock(5), everyMs: 20 });
    await pace.turn(never);
  });

  it('comes in the order of asking, one after the other', async () => {
    const clock = heldClock();
    const pace = new ConnectPace({ clock, everyMs: 20 });
    const came: [string, number][] = [];
    for (const name of ['a', 'b', 'c']) void pace.turn(never).then(() => came.push([name, clock.nowMs()]));
    for (let steps = 0; steps < 5; steps += 1) {
      await turn();
      clock.advance(10);
    }
    assert.deepEqual(came, [
      ['a', 0],
      ['b', 20],
      ['c', 40],
    ]);
  });

  it('is not waited for by one who gives up', async () => {
    const pace = new ConnectPace({ clock: heldClock(), everyMs: 20 });
    await pace.turn(never);
    const stopped = new AbortController();
    const waiting = pace.turn(stopped.signal);
    stopped.abort(new RangeError('stopped'));
    await assert.rejects(waiting, RangeError);
  });

  it('comes all the same after the clock was set back', async () => {
    let nowMs = 10 * 60 * 60_000;
    const slept: number[] = [];
    const clock = { nowMs: () => nowMs, sleep: async (ms: number) => void slept.push(ms) };
    const pace = new ConnectPace({ clock, everyMs: 20 });
    await pace.turn(never);
    nowMs -= 9 * 60 * 60_000;
    await pace.turn(never);
    assert.ok((slept[0] ?? 0) <= 10 * 60_000);
  });

  it('is waited for by a stream before it connects, and a stop ends the wait', async () => {
    let isTurn = () => {
      /* set below */
    };
    const asked: AbortSignal[] = [];
    const pace = {
      turn: async (signal: AbortSignal) => {
        asked.push(signal);
        await new Promise<void>((resolve, reject) => {
          isTurn = resolve;
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        });
      },
    } as ConnectPace;
    await using world = await createWorld({ pace });
    world.stream.start();
    await until(() => asked.length === 1, 'asked');
    assert.equal(world.server.connections.length, 0);
    await world.stream.stop();
    assert.deepEqual(world.stream.status, { kind: 'stopped' });
    world.stream.start();
    await until(() => asked.length === 2, 'asked again');
    isTurn();
    await world.online();
  });
});
