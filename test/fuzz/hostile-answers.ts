/** What a server on the other side may answer to a request of ours, sound or not. */
import fc from 'fast-check';
import type { Answer } from '../unit/network/interop/hostile-server.ts';
import { jsonToken, jsonWords } from './words/json.ts';
import { mutated } from './words/mutated.ts';
import { joined, type Pieces } from './words/pieces.ts';

export interface AnswerInput {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Pieces;
  /** `cut`: less comes than was announced. `raw`: the body in the place of the whole answer. `silent`: nothing at all. */
  readonly framing: 'length' | 'chunked' | 'cut' | 'raw' | 'silent' | 'early-hints';
}

const statuses = [
  200, 200, 200, 201, 202, 204, 206, 226, 302, 304, 400, 401, 403, 404, 408, 409, 413, 418, 429, 500, 503,
  599,
];
const rawAnswers = [
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 000 No\r\n\r\n',
  'HTTP/9.9 200 OK\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}',
  '\u0016\u0003\u0001\u0002',
];

/** @param seeds sound bodies, as JSON. @param words names and values of this API. */
export function hostileAnswers(
  seeds: readonly string[],
  words: readonly string[],
): fc.Arbitrary<AnswerInput> {
  const headers = fc.dictionary(
    fc.constantFrom('retry-after', 'content-type', 'location', 'content-encoding', 'x-a'),
    fc.constantFrom(
      '0',
      '5',
      '-1',
      '99999999999',
      'x',
      'Wed, 21 Oct 2026 07:28:00 GMT',
      'application/json',
      'gzip',
      '/',
    ),
    { maxKeys: 2, noNullPrototype: true },
  );
  const body = mutated({ seeds, token: jsonToken, words: [...jsonWords, ...words] });
  return fc.oneof(
    {
      weight: 40,
      arbitrary: fc.record(
        {
          status: fc.constantFrom(...statuses),
          headers,
          body,
          framing: fc.constantFrom('length', 'length', 'length', 'chunked', 'early-hints'),
        },
        { noNullPrototype: true },
      ),
    },
    {
      weight: 3,
      arbitrary: fc.record(
        {
          status: fc.constantFrom(200, 404),
          headers: fc.constant({}),
          body: fc.oneof(
            body,
            fc.constantFrom(...rawAnswers).map((text) => [text]),
          ),
          framing: fc.constantFrom('cut', 'raw', 'silent'),
        },
        { noNullPrototype: true },
      ),
    },
  );
}

/** The input as a server gives it. */
export function toAnswer({ status, headers, body, framing }: AnswerInput): Answer {
  const bytes = Buffer.from(joined(body));
  return (response) => {
    const { socket } = response;
    if (framing === 'silent' || framing === 'raw') {
      if (framing === 'raw') socket?.write(bytes);
      socket?.end();
      return;
    }
    if (framing === 'early-hints') response.writeEarlyHints({ link: '</a>; rel=preload' });
    const length =
      framing === 'chunked' ? {} : { 'content-length': bytes.length + (framing === 'cut' ? 9 : 0) };
    response.writeHead(status, { ...headers, ...length });
    if (framing === 'cut') response.write(bytes, () => socket?.destroy());
    else response.end(bytes);
  };
}
