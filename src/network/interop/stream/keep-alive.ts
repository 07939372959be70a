/** Notices when the other side is gone without a word. */
import { type Element, xml } from '@xmpp/client';
import type { Clock } from '../../../model/ambient.ts';
import { BridgeError } from '../../../model/errors.ts';
import { streamErrors } from './errors.ts';
import { NS_PING } from './namespaces.ts';
import type { OutboundLane } from './outbound-lane.ts';
import type { StreamTimeouts } from './ports.ts';
import type { OutboundCounter } from './sm-counters.ts';

export interface KeepAliveDeps {
  readonly clock: Clock;
  readonly timeouts: StreamTimeouts;
  readonly lane: OutboundLane;
  readonly counter: OutboundCounter;
  /** How much was received so far. */
  readonly received: () => number;
  /** Whether it is we who don't read just now. */
  readonly isHeld: () => boolean;
  /** Asks the server; rejects as `XmppStream.query`. */
  readonly ask: (payload: Element, timeoutMs: number) => Promise<unknown>;
}

/**
 * XEP-0199 when it is quiet; and whoever answers pings but never acknowledges is of no use either.
 * @returns why the connection is dead; `undefined` once the signal has come.
 */
export async function watchPeer(deps: KeepAliveDeps, signal: AbortSignal): Promise<BridgeError | undefined> {
  const { clock, timeouts, lane, counter } = deps;
  while (!signal.aborted) {
    const before = { received: deps.received(), acked: counter.acked, waiting: lane.inFlight.length };
    try {
      await clock.sleep(timeouts.pingIntervalMs, signal);
    } catch {
      return undefined; // The session is over.
    }
    // Our own store is the slow one: the server may be well.
    if (deps.isHeld()) continue;
    const isAckOverdue = before.waiting > 0 && lane.inFlight.length > 0 && before.acked === counter.acked;
    if (isAckOverdue) return streamErrors.timeout({ step: 'ack' });
    if (lane.inFlight.length > 0) await lane.askForAck();
    if (before.received !== deps.received()) continue;
    const silence = await ping(deps);
    if (silence !== undefined) return silence;
  }
  return undefined;
}

async function ping({ ask, timeouts }: KeepAliveDeps): Promise<BridgeError | undefined> {
  try {
    await ask(xml('ping', { xmlns: NS_PING }), timeouts.pingMs);
    return undefined;
  } catch (failure) {
    if (!(failure instanceof BridgeError)) throw failure;
    // An error is an answer too.
    return failure.arrived === 'yes' ? undefined : streamErrors.timeout({ step: 'ping' }, failure);
  }
}
