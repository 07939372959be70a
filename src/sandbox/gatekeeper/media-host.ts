/** Where phones leave encrypted files and a third party fetches them: a plain store in memory, by ids that cannot be guessed. */

import express from 'express';
import type { Random } from '../../model/ambient.ts';
import { listen } from './http-server.ts';

/** A file of the sandbox; larger ones are for benchmarks, which have a host of their own. */
const MOST_BYTES = 64 * 1024 * 1024;

export interface MediaHost {
  /** Its origin: `POST /media` takes a file and answers with its URL, `GET /media/{id}` gives it out. */
  readonly url: string;
  /** Takes a file away, as its expiry does. */
  forget(url: string): void;
  close(): Promise<void>;
}

/** Listens on 127.0.0.1. */
export async function startMediaHost({ random }: { readonly random: Random }): Promise<MediaHost> {
  const files = new Map<string, Buffer>();
  const app = express();
  app.disable('x-powered-by');
  app.post('/media', express.raw({ limit: MOST_BYTES, type: () => true }), (request, response) => {
    const id = random.bytes(32).toString('base64url');
    files.set(id, request.body as Buffer);
    response.status(201).json({ url: `${host.url}/media/${id}` });
  });
  app.get('/media/:id', (request, response) => {
    const file = files.get(request.params.id);
    if (file === undefined) response.sendStatus(404);
    else response.type('application/octet-stream').send(file);
  });
  const host = await listen(app, 0);
  return {
    url: host.url,
    forget: (url) => void files.delete(url.slice(url.lastIndexOf('/') + 1)),
    close: async () => await host.close(),
  };
}
