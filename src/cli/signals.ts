import { constants } from 'node:os';
import type { CliIo } from './io.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Runs `work` until it ends. The first SIGINT or SIGTERM aborts its signal, the second ends the process at once, with
 * 128 and the signal's number as shells have it.
 */
export async function untilSignal(
  io: CliIo,
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const controller = new AbortController();
  const handlers = SIGNALS.map((name) => {
    const handler = () => {
      if (controller.signal.aborted) {
        io.exit(128 + constants.signals[name]);
        return;
      }
      io.err('Stopping. A second signal ends the process at once.');
      controller.abort();
    };
    io.signals.on(name, handler);
    return { name, handler };
  });
  try {
    return await work(controller.signal);
  } finally {
    for (const { name, handler } of handlers) io.signals.off(name, handler);
  }
}
