/** The listener that the homeserver pushes to: whatever a socket can carry. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { createIntake } from '../../../src/matrix/intake.ts';
import type { AppserviceTransaction } from '../../../src/matrix/matrix.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { defineTarget } from '../fuzz-target.ts';
import { type Framing, parseAnswer, rawExchange, requestBytes } from '../raw-exchange.ts';
import { jsonToken } from '../words/json.ts';
import { eventSeeds, eventWords } from '../words/matrix.ts';
import { mutated } from '../words/mutated.ts';
import { joined, type Pieces } from '../words/pieces.ts';

const TOKEN = 'hs-token-of-the-test';
const MAX_BODY_BYTES = 100_000;

interface Input {
  readonly head: Pieces;
  readonly body: Pieces;
  readonly framing: Framing;
}

const bodies = [
  `{"events":[${eventSeeds.slice(0, 3).join(',')}]}`,
  `{"events":[${eventSeeds[7]}],"ephemeral":[{"type":"m.typing"}],"de.sorunome.msc2409.to_device":[{"type":"x"}]}`,
  '{"events":[],"transaction_id":"1"}',
];
const heads = [
  `PUT /_matrix/app/v1/transactions/17 HTTP/1.1\r\nAuthorization: Bearer ${TOKEN}`,
  `PUT /_matrix/app/v1/transactions/17?access_token=${TOKEN} HTTP/1.1`,
  `GET /_matrix/app/v1/users/%40_interop_gk_bob%3Am.example HTTP/1.1\r\nAuthorization: Bearer ${TOKEN}`,
  `POST /_matrix/app/v1/ping HTTP/1.1\r\nAuthorization: Bearer ${TOKEN}`,
];
const headWords = [
  ...[
    '/',
    '//',
    '*',
    '%',
    '%00',
    '%zz',
    '%ff',
    '%2F',
    '..',
    '?',
    '&',
    '#',
    '=',
    ':',
    'http://a/b',
    'GET',
    'DELETE',
    'OPTIONS',
  ],
  ...[
    'HEAD',
    'PATCH',
    'users',
    'rooms',
    'thirdparty',
    'protocol',
    'ping',
    'constructor',
    '__proto__',
    'access_token',
  ],
  ...[
    'Bearer',
    'Basic',
    TOKEN,
    'Expect: 100-continue',
    'Upgrade: h2c',
    'HTTP/1.0',
    'x'.repeat(256),
    '\u00ff',
    '\u0000',
  ],
];

const inputs: fc.Arbitrary<Input> = fc.record(
  {
    head: mutated({ seeds: heads, token: /[\w.-]+/g, words: headWords }),
    body: mutated({ seeds: bodies, token: jsonToken, words: eventWords }),
    framing: fc.constantFrom<Framing>('length', 'length', 'length', 'chunked', 'cut', 'none'),
  },
  { noNullPrototype: true },
);

/** Answered with JSON and never with 500; nothing is stored without the token; the next request is served as ever. */
export const transaction = defineTarget<Input>({
  name: 'transaction',
  weight: 10,
  inputs,
  open: async () => {
    const log = new RecordingLog();
    const stored: AppserviceTransaction[] = [];
    const server = createServer(
      createIntake({
        settings: { hsToken: TOKEN, maxBodyBytes: MAX_BODY_BYTES },
        sink: {
          store: async (all) => {
            stored.push(all);
          },
        },
        log,
        isOurs: (user) => user.startsWith('@_interop_'),
      }),
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return {
      run: async ({ head, body, framing }) => {
        stored.length = 0;
        log.entries.length = 0;
        // A line break in the wrong place makes two requests of one, and Node's parser is not what is tested.
        const lines = joined(head).replace(/[\r\n]+(?!Authorization)/g, ' ');
        const bytes = requestBytes(lines, Buffer.from(joined(body)), framing);
        const answer = await rawExchange(port, bytes, framing === 'cut');
        if (framing !== 'cut' && answer !== '') checkAnswer(answer);
        assert.deepEqual(
          log.entries.filter(({ level }) => level === 'error'),
          [],
          'told as our own fault',
        );
        if (stored.length > 0) assert.ok(lines.includes(TOKEN), 'stored without the token');
      },
      close: async () => {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      },
    };
  },
});

function checkAnswer(answer: string): void {
  // To HEAD there is no body; Node's own refusals have none either.
  const { status, body } = parseAnswer(answer.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, ''));
  assert.ok([200, 400, 401, 403, 404, 405, 413, 417, 431].includes(status), `status ${status}`);
  if (body !== undefined && status !== 200) assert.match(JSON.stringify(body), /"errcode":"M_[A-Z_]+"/);
}
