/** One HTTP exchange on a socket of its own, so that the bytes are the test's and not a client library's. */
import { connect } from 'node:net';

/** More than any answer here has. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/**
 * Sends bytes and reads until the server closes.
 * @param hangsUp the connection is cut as soon as the bytes are written; nothing is read.
 * @returns what the server said: '' when it closed without a word.
 */
export async function rawExchange(port: number, bytes: Uint8Array, hangsUp: boolean): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  let answer = '';
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    if (answer.length < MAX_ANSWER_BYTES) answer += text;
  });
  socket.on('error', () => {
    // The server may well cut what it does not like; what it said before counts.
  });
  socket.on('end', () => socket.resetAndDestroy());
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(bytes, () => {
    if (hangsUp) socket.resetAndDestroy();
  });
  await closed;
  return answer;
}

/** How a request's body is announced and sent. */
export type Framing = 'length' | 'chunked' | 'cut' | 'none';

/** @param head request line and headers, without the empty line; the connection is to close after the answer. */
export function requestBytes(head: string, body: Buffer, framing: Framing): Buffer {
  const announced = {
    length: `Content-Length: ${body.length}`,
    chunked: 'Transfer-Encoding: chunked',
    cut: `Content-Length: ${body.length + 10}`,
    none: 'X-Nothing: 1',
  }[framing];
  const start = Buffer.from(`${head}\r\nHost: a\r\nConnection: close\r\n${announced}\r\n\r\n`, 'latin1');
  if (framing === 'none') return start;
  if (framing !== 'chunked') return Buffer.concat([start, body]);
  const chunk =
    body.length === 0 ? [] : [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')];
  return Buffer.concat([start, ...chunk, Buffer.from('0\r\n\r\n')]);
}

/** An answer of ours: its status and its JSON. @throws when it is neither ours nor a plain refusal by Node's parser. */
export function parseAnswer(answer: string): { readonly status: number; readonly body: unknown } {
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
  if (Number.isNaN(status)) throw new Error('no answer of HTTP');
  return { status, body: body === '' ? undefined : JSON.parse(Buffer.from(body, 'latin1').toString('utf8')) };
}
