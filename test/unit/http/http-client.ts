/** Clients of a listener: a whole request by fetch, or bytes on a socket. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export type Got = Readonly<{ status: number; headers: Headers; text: string; json: unknown }>;

/** One request on a connection that is not kept. */
export async function get(port: number, path: string, init: RequestInit = {}): Promise<Got> {
  const headers = { connection: 'close', ...(init.headers as Record<string, string>) };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { ...init, headers, redirect: 'error' });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false;
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  };
}

/** A raw connection; `received` grows as bytes come in, `closed` resolves with all of it when the server has ended. */
export async function open(
  port: number,
): Promise<{ socket: Socket; received: () => string; closed: Promise<string> }> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk) => {
    text += chunk;
  });
  // A server that has cut us may do so with a reset.
  socket.on('error', () => socket.destroy());
  const closed = once(socket, 'close').then(() => text);
  return { socket, received: () => text, closed };
}

/** Polls until `holds`, for at most five seconds. */
export async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error('the condition did not come true');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
