/**
 * A TCP relay that notes when bytes pass. Between the bridge and its neighbours it shows what the bridge does and when,
 * with nothing switched on in the bridge. What passes is copied unchanged (but see `rewrite`); the relay's own delay falls
 * between its two sides, so an interval taken at one relay, or from one relay to another, leaves out at most one crossing.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

/** `from`: who opened the connection, or who accepted it. `atMs`: of `performance.now()`. */
export type Chunk = Readonly<{ connection: number; from: 'client' | 'server'; atMs: number; data: Buffer }>;

export type TapOptions = Readonly<{
  /** Where it leads; asked at each connection. A port of 127.0.0.1. */
  target: () => Promise<number>;
  /** Changes what the server says. Must keep the length. */
  rewrite?: (data: Buffer) => Buffer;
}>;

export class Tap {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #chunks: Chunk[] = [];
  #connections = 0;
  #isRecording = false;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async open(options: TapOptions): Promise<Tap> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port');
    const tap = new Tap(server, address.port);
    server.on('connection', (socket) => {
      socket.pause();
      options.target().then(
        (port) => tap.#join(socket, port, options.rewrite),
        () => socket.destroy(),
      );
    });
    return tap;
  }

  /** Forgets what passed and notes what will. */
  record(): void {
    this.#chunks = [];
    this.#isRecording = true;
  }

  /** The first chunk that satisfies `wanted`, among those of the present recording. */
  find(wanted: (chunk: Chunk) => boolean): Chunk | undefined {
    return this.#chunks.find(wanted);
  }

  /** The first chunk that came back on the connection of `request` after it. */
  answerTo(request: Chunk): Chunk | undefined {
    const after = this.#chunks.slice(this.#chunks.indexOf(request) + 1);
    return after.find(({ connection, from }) => connection === request.connection && from === 'server');
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }

  #join(client: Socket, port: number, rewrite: TapOptions['rewrite']): void {
    const connection = ++this.#connections;
    const server = connect({ host: '127.0.0.1', port, noDelay: true });
    client.setNoDelay(true);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      // A reset is an end like another here: whoever waits for the bytes says that they did not come.
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.end();
      });
    }
    const pass = (from: Chunk['from'], to: Socket) => (data: Buffer) => {
      if (this.#isRecording) this.#chunks.push({ connection, from, atMs: performance.now(), data });
      to.write(data);
    };
    client.on('data', pass('client', server));
    const back = pass('server', client);
    server.on('data', (data) => back(rewrite === undefined ? data : rewrite(data)));
    client.resume();
  }
}
