import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { untilSignal } from '../../../src/cli/signals.ts';
import { recordingIo } from './recording-io.ts';

describe('signals', () => {
  test('the first one asks to stop, and what was asked decides the exit code', async () => {
    const io = recordingIo();
    const running = untilSignal(io, async (signal) => {
      await once(signal, 'abort');
      return 7;
    });
    io.signals.emit('SIGTERM');
    assert.equal(await running, 7);
    assert.deepEqual(io.exits, []);
  });

  test('the second one ends the process with 128 and its number', async () => {
    const io = recordingIo();
    const end = new AbortController();
    const running = untilSignal(io, async () => {
      await once(end.signal, 'abort');
      return 0;
    });
    io.signals.emit('SIGTERM');
    assert.deepEqual(io.exits, []);
    io.signals.emit('SIGINT');
    assert.deepEqual(io.exits, [130]);
    end.abort();
    await running;
  });

  test('nobody listens any more when the work has ended or failed', async () => {
    const io = recordingIo();
    await untilSignal(io, async () => 0);
    await assert.rejects(
      untilSignal(io, async () => {
        throw new Error('broken');
      }),
    );
    assert.deepEqual(io.signals.eventNames(), []);
  });
});
