import { connect, createServer, type Server, type Socket } from 'node:net';

const HOST = '127.0.0.1';

/** One connection that is carried. A mute one stays open, and nothing comes out of it any more. */
type Carried = { isMute: boolean; readonly ends: Set<Socket> };

/** Stands between two parts on this machine: carries their connections, and can cut them or swallow what they carry. */
export class TcpGate {
  readonly #target: number;
  readonly #server: Server;
  readonly #carried = new Set<Carried>();
  #isDeaf = false;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#carry(client));
  }

  /** @param target a port of 127.0.0.1; whoever listens there may come later. */
  static async open(target: number): Promise<TcpGate> {
    const gate = new TcpGate(target);
    await new Promise<void>((resolve, reject) => {
      gate.#server.once('error', reject).listen(0, HOST, resolve);
    });
    return gate;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Both ends of every connection see a reset. */
  cut(): void {
    for (const { ends } of this.#carried) for (const end of ends) end.resetAndDestroy();
    this.#carried.clear();
  }

  /** A black hole: connections stay open and new ones are accepted, but nothing passes, an end or a reset neither. */
  swallow(): void {
    this.#isDeaf = true;
    for (const carried of this.#carried) carried.isMute = true;
  }

  /** New connections pass again. Those of before stay mute for good, as after a lost NAT entry. */
  heal(): void {
    this.#isDeaf = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #carry(client: Socket): void {
    const carried: Carried = { isMute: this.#isDeaf, ends: new Set([client]) };
    this.#carried.add(carried);
    const server = connect({ host: HOST, port: this.#target, allowHalfOpen: true });
    carried.ends.add(server);
    this.#pass(carried, client, server);
    this.#pass(carried, server, client);
  }

  #pass(carried: Carried, from: Socket, to: Socket): void {
    from.setNoDelay(true);
    from.on('data', (bytes) => {
      if (carried.isMute || to.write(bytes)) return;
      from.pause();
      to.once('drain', () => from.resume());
    });
    from.on('end', () => {
      if (!carried.isMute) to.end();
    });
    from.on('error', () => {
      // Reset, or nobody listens there: the other end sees a reset as well.
      if (!carried.isMute) to.resetAndDestroy();
    });
    from.on('close', () => {
      carried.ends.delete(from);
      if (carried.ends.size === 0) this.#carried.delete(carried);
    });
  }
}
