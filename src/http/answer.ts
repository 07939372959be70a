/** What our own endpoints answer: JSON, and for a failure a code and a sentence (docs/interop-profile.md), nothing of its cause. */
import type { ServerResponse } from 'node:http';
import { BridgeError } from '../model/errors.ts';

/** A failure as it is shown: `error` of the body, its status, and a sentence. */
export type Refusal = Readonly<{ status: number; error: string; message: string }>;

export const REFUSALS = {
  badRequest: { status: 400, error: 'bad_request', message: 'The request cannot be understood.' },
  badToken: { status: 401, error: 'bad_token', message: 'The token is missing or not valid.' },
  notFound: { status: 404, error: 'not_found', message: 'There is nothing here.' },
  notEnlisted: { status: 404, error: 'not_enlisted', message: 'No such account is enlisted here.' },
  tooLarge: { status: 413, error: 'too_large', message: 'The body is larger than allowed here.' },
  badRange: { status: 416, error: 'bad_range', message: 'The file has no such bytes.' },
  internal: { status: 500, error: 'internal', message: 'Something failed; it has been logged.' },
  unavailable: { status: 503, error: 'unavailable', message: 'Not now; try again later.' },
} as const satisfies Record<string, Refusal>;

/** Sends `body` as JSON. Headers that were set before stay. */
export function answer(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(text);
}

/** Refuses, and lets nothing on the way remember it. */
export function refuse(response: ServerResponse, { status, error, message }: Refusal): void {
  response.setHeader('Cache-Control', 'no-store');
  answer(response, status, { error, message });
}

/** How a thrown failure is shown. What a library says about the request keeps its status; the rest is ours. */
export function refusalOf(failure: unknown): Refusal {
  if (failure instanceof BridgeError) {
    return failure.retry === 'later' ? REFUSALS.unavailable : REFUSALS.internal;
  }
  const status = failure instanceof Error ? (failure as { status?: unknown }).status : undefined;
  return typeof status === 'number' && status >= 400 && status < 500
    ? REFUSALS.badRequest
    : REFUSALS.internal;
}
