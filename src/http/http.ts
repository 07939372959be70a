/** The HTTP listeners: which resource is answered on which address, and what a client may take of us. */
import type { Clock, Log } from '../model/ambient.ts';
import {
  DEFAULT_LIMITS,
  type HttpLimits,
  Listener,
  type ListenerSettings,
  type Resource,
  type ResourceName,
} from './listener.ts';

export type { HttpLimits, ListenerSettings, Resource, ResourceName } from './listener.ts';

export type HttpDeps = Readonly<{
  listeners: readonly ListenerSettings[];
  resources: Readonly<Record<ResourceName, Resource>>;
  log: Log;
  clock: Clock;
  /** Only for tests that cannot wait for the usual ones. */
  limits?: Partial<HttpLimits>;
}>;

export interface Http {
  /**
   * Opens all listeners, or none.
   * @returns the port of each, in their order.
   * @throws BridgeError `http/cannotListen`: of the first that could not be opened.
   */
  start(): Promise<readonly number[]>;
  /**
   * Takes no more requests and lets those in progress end, for at most `deadlineMs` (5 s when not given), then cuts
   * them. Harmless when not started. It cannot be started again.
   */
  stop(deadlineMs?: number): Promise<void>;
}

const STOP_DEADLINE_MS = 5_000;

export function createHttp(deps: HttpDeps): Http {
  const { resources, clock } = deps;
  const limits = { ...DEFAULT_LIMITS, ...deps.limits };
  const log = deps.log.child({ part: 'http' });
  const listeners = deps.listeners.map(
    (settings) => new Listener({ settings, resources, limits, clock, log }),
  );
  const stop = async (deadlineMs = STOP_DEADLINE_MS): Promise<void> => {
    await Promise.all(listeners.map(async (listener) => await listener.close(deadlineMs)));
  };
  return {
    stop,
    start: async () => {
      const ports: number[] = [];
      try {
        for (const listener of listeners) ports.push(await listener.open());
      } catch (failure) {
        await stop(0);
        throw failure;
      }
      return ports;
    },
  };
}
