/** A stream, its store, its log, and the scripted server it talks to. */
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../../../../src/ambient/clock.ts';
import { systemRandom } from '../../../../../src/ambient/random.ts';
import type { Clock } from '../../../../../src/model/ambient.ts';
import { contactId } from '../../../../../src/model/ids.ts';
import type { ConnectPace } from '../../../../../src/network/interop/stream/connect-pace.ts';
import type { StreamSettings, StreamStatus } from '../../../../../src/network/interop/stream/ports.ts';
import { createXmppStream, type XmppStream } from '../../../../../src/network/interop/stream/stream.ts';
import { RecordingLog } from '../../../../doubles/recording-log.ts';
import { MemoryStore } from './memory-store.ts';
import { type Behaviour, OWN, ScriptedServer, testCa } from './scripted-server.ts';

export interface World {
  readonly server: ScriptedServer;
  readonly store: MemoryStore;
  readonly log: RecordingLog;
  readonly statuses: StreamStatus[];
  readonly stream: XmppStream;
  /** A second stream on the same store and server: the daemon after a restart. */
  restart(): XmppStream;
  online(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface WorldOptions {
  readonly behaviour?: Partial<Behaviour>;
  readonly settings?: Partial<StreamSettings>;
  readonly token?: () => Promise<string>;
  /** Of the jitter: 0 comes back at once. */
  readonly fraction?: number;
  readonly clock?: Clock;
  readonly pace?: ConnectPace;
  readonly store?: MemoryStore;
}

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const server = await ScriptedServer.start(options.behaviour);
  const store = options.store ?? new MemoryStore();
  const log = new RecordingLog();
  const statuses: StreamStatus[] = [];
  const streams: XmppStream[] = [];
  const create = () => {
    const stream = createXmppStream({
      settings: {
        jid: contactId(OWN),
        host: '127.0.0.1',
        port: server.port,
        resource: 'drawbridge',
        extraCa: testCa,
        ...options.settings,
      },
      store,
      token: options.token ?? (async () => 'token'),
      ...(options.pace === undefined ? {} : { pace: options.pace }),
      clock: options.clock ?? systemClock,
      random: { ...systemRandom, fraction: () => options.fraction ?? 0 },
      log,
      onStatus: (status) => statuses.push(status),
    });
    streams.push(stream);
    return stream;
  };
  const stream = create();
  return {
    server,
    store,
    log,
    statuses,
    stream,
    restart: create,
    online: () => until(() => streams.some((one) => one.status.kind === 'online'), 'online'),
    [Symbol.asyncDispose]: async () => {
      for (const one of streams) await one.stop();
      await server.stop();
    },
  };
}

/** Waits for a condition; fails when it doesn't come true in ten seconds. */
export async function until(condition: () => boolean, what: string, deadlineMs = 10_000): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`waited in vain: ${what}`);
    await delay(2);
  }
}

/** `<message/>` number `n` to bob. */
export function outgoing(n: number | string): string {
  return `<message id="out${n}" to="bob@gk.test"><body>${n}</body></message>`;
}

/** `<message/>` number `n` from bob. */
export function incoming(n: number | string): string {
  return `<message id='in${n}' from='bob@gk.test/p' to='${OWN}'><body>${n}</body></message>`;
}
