/** Refusals of the homeserver and of a gatekeeper, translated: without a connection, so very many of them. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { toHomeserverError } from '../../../src/matrix/homeserver-error.ts';
import { toPathTemplate } from '../../../src/matrix/transport.ts';
import { BridgeError } from '../../../src/model/errors.ts';
import { hasErrorCode, toError } from '../../../src/network/interop/api-error.ts';
import { defineTarget } from '../fuzz-target.ts';
import { jsonToken, jsonWords } from '../words/json.ts';
import { mutated } from '../words/mutated.ts';
import { joined, type Pieces } from '../words/pieces.ts';

interface Input {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: Pieces;
}

const seeds = [
  '{"errcode":"M_LIMIT_EXCEEDED","error":"slow","retry_after_ms":5000}',
  '{"errcode":"M_UNKNOWN","error":"x"}',
  '{"error":"rate_limited","message":"slow","retry_after_ms":5000}',
];
const inputs: fc.Arbitrary<Input> = fc.record(
  {
    status: fc.constantFrom(400, 401, 403, 404, 408, 409, 413, 418, 429, 500, 502, 503, 504, 599, 100, 226),
    retryAfter: fc.constantFrom(
      null,
      '5',
      '0',
      '-5',
      '999999999',
      '9999999999',
      '1.5',
      'Wed, 21 Oct 2026 07:28:00 GMT',
    ),
    body: mutated({
      seeds,
      token: jsonToken,
      words: [
        ...jsonWords,
        '"M_FORBIDDEN"',
        '"M_."',
        '"errcode"',
        '"retry_after_ms"',
        '"not_enlisted"',
        '"bad_token"',
      ],
    }),
  },
  { noNullPrototype: true },
);

/** Always one of our errors, and no wait without end. */
export const errorAnswer = defineTarget<Input>({
  name: 'error-answer',
  weight: 80,
  inputs,
  open: () => ({
    run: ({ status, retryAfter, body }) => {
      const text = joined(body);
      const request = `GET ${toPathTemplate(`/_matrix/client/v3/rooms/${text.slice(0, 40)}/send/a`)}`;
      checkError(
        toHomeserverError({ request, status, body: jsonOf(text), retryAfter }),
        'matrix/',
        3_600_000,
      );
      const retryAfterMs =
        retryAfter === null ? undefined : Number.parseInt(retryAfter, 10) * 1000 || undefined;
      const answer = { status, retryAfterMs, body: Buffer.from(text) };
      checkError(toError(answer), 'network/', 86_400_000);
      hasErrorCode(answer, 'not_enlisted');
    },
  }),
});

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function checkError(error: unknown, folder: string, longestMs: number): void {
  assert.ok(error instanceof BridgeError && error.code.startsWith(folder));
  const wait = error.facts.retryAfterMs ?? 0;
  assert.ok(typeof wait === 'number' && wait <= longestMs, 'a wait without end');
}
