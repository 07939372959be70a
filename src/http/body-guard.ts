import type { NextFunction, Request, Response } from 'express';
import { REFUSALS, refuse } from './answer.ts';

/**
 * Reads a request's body to its end and throws it away: of what stands behind it, nothing takes one. A body above the
 * limit is refused as soon as that is known, and the connection closed. (body-parser would first read all of it.)
 * @param limit bytes.
 */
export function bodyGuard(limit: number) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const tooLarge = (): void => {
      request.removeAllListeners('data').removeAllListeners('end').pause();
      response.setHeader('Connection', 'close');
      refuse(response, REFUSALS.tooLarge);
    };
    // RFC 9112 §6.3: without either of the two headers a request has no body. Node has checked that it is a number.
    if (Number(request.headers['content-length'] ?? 0) > limit) {
      tooLarge();
      return;
    }
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > limit) tooLarge();
    });
    // When the client goes away before the end, nobody is left to be answered.
    request.once('end', () => next());
  };
}
