/** A real HTTP server on loopback whose answers a test chooses, also those that no honest server gives. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export type Answer = (response: http.ServerResponse, request: http.IncomingMessage) => void;

export class HostileServer implements AsyncDisposable {
  readonly seen: SeenRequest[] = [];
  /** Gives every answer until it is replaced. */
  answer: Answer;
  readonly #server: http.Server;

  private constructor(answer: Answer) {
    this.answer = answer;
    this.#server = http.createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url: path = '', headers } = request;
        this.seen.push({ method, path, headers, body: Buffer.concat(chunks).toString() });
        this.answer(response, request);
      });
    });
  }

  static async start(answer: Answer = json(200, {})): Promise<HostileServer> {
    const server = new HostileServer(answer);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

export function json(status: number, body: unknown, headers: http.OutgoingHttpHeaders = {}): Answer {
  return raw(status, JSON.stringify(body), { 'content-type': 'application/json', ...headers });
}

export function raw(status: number, body: string | Buffer, headers: http.OutgoingHttpHeaders = {}): Answer {
  return (response) => {
    response.writeHead(status, headers).end(body);
  };
}
