/** The listener that gatekeepers, and everybody else on the Internet, can reach. */
import assert from 'node:assert/strict';
import { Router } from 'express';
import fc from 'fast-check';
import { systemClock } from '../../../src/ambient/clock.ts';
import { createHttp } from '../../../src/http/http.ts';
import { createPublicRouter, type PushOutcome } from '../../../src/http/public-router.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { defineTarget } from '../fuzz-target.ts';
import { type Framing, parseAnswer, rawExchange, requestBytes } from '../raw-exchange.ts';
import { mutated } from '../words/mutated.ts';
import { joined, type Pieces } from '../words/pieces.ts';

interface Input {
  readonly head: Pieces;
  readonly bodyBytes: number;
  readonly framing: Framing;
}

const heads = [
  'POST /interop/v1/push HTTP/1.1\r\nAuthorization: Bearer accepted',
  'POST /base/interop/v1/push HTTP/1.1\r\nAuthorization: Bearer unknown',
  'GET /.well-known/jwks.json HTTP/1.1',
  'GET /base/.well-known/openid-configuration HTTP/1.1\r\nIf-None-Match: "a"',
];
const words = [
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
    '?a=b',
    '&',
    '#',
    ':',
    'http://a/b',
    'http://[',
    'GET',
    'PUT',
  ],
  ...[
    'HEAD',
    'OPTIONS',
    'DELETE',
    'bearer',
    'Basic',
    'accepted',
    'bad-token',
    'unavailable',
    'a.b.c',
    '=',
    'x'.repeat(9000),
  ],
  ...[
    'Accept: text/html',
    'Range: bytes=0-',
    'X-Forwarded-For: a',
    'HTTP/1.0',
    '__proto__',
    'constructor',
    '\u00ff',
    '\u0000',
  ],
];
const inputs: fc.Arbitrary<Input> = fc.record(
  {
    head: mutated({ seeds: heads, token: /[\w.-]+/g, words }),
    bodyBytes: fc.constantFrom(0, 1, 100, 20_000, 70_000),
    framing: fc.constantFrom<Framing>('length', 'length', 'chunked', 'cut', 'none'),
  },
  { noNullPrototype: true },
);

/** Answered with JSON and never with 500, and nothing is told as a fault of ours. */
export const publicEndpoint = defineTarget<Input>({
  name: 'public-endpoint',
  weight: 6,
  inputs,
  open: async () => {
    const log = new RecordingLog();
    const router = createPublicRouter({
      issuer: { discovery: () => ({ issuer: 'a' }), jwks: async () => ({ body: { keys: [] }, maxAgeS: 60 }) },
      onPush: async (token) =>
        ['accepted', 'unknown', 'unavailable'].includes(token) ? (token as PushOutcome) : 'bad-token',
      basePath: '/base',
    });
    const other = Router();
    const http = createHttp({
      listeners: [{ bindAddress: '127.0.0.1', port: 0, resources: ['public'] }],
      resources: { public: router, appservice: other, health: other, metrics: other },
      log,
      clock: systemClock,
    });
    const [port = 0] = await http.start();
    return {
      run: async ({ head, bodyBytes, framing }) => {
        log.entries.length = 0;
        const lines = joined(head).replace(/[\r\n]+(?!Authorization|If-None-Match)/g, ' ');
        const bytes = requestBytes(lines, Buffer.alloc(bodyBytes, 'x'), framing);
        const answer = await rawExchange(port, bytes, framing === 'cut');
        if (framing !== 'cut' && answer !== '' && !isPassedOver(answer)) {
          const { status } = parseAnswer(answer);
          assert.ok(status < 500 || status === 503, `status ${status}`);
        }
        assert.deepEqual(
          log.entries.filter(({ level }) => level === 'error'),
          [],
          'told as our own fault',
        );
      },
      close: async () => await http.stop(0),
    };
  },
});

/** COMPAT express 4: a target without a path, such as `http://`, passes over all that is mounted; express answers in HTML. */
function isPassedOver(answer: string): boolean {
  return /^HTTP\/1\.1 404 Not Found\r\nContent-Security-Policy: default-src 'none'\r\n/.test(answer);
}
