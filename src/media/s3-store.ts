/**
 * A bucket of an S3 server. Four requests are needed, so there is no client but Node's own and a library that signs
 * (Signature Version 4). Whole objects in one PUT: S3 takes 5 GB so.
 */
import http from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import aws4 from 'aws4';
import { BridgeError } from '../model/errors.ts';
import { mediaErrors } from './errors.ts';
import type { FinishedFile, MediaStore } from './media-store.ts';
import { readFrom } from './spool.ts';

/** One bucket; it must exist. */
export type S3Settings = Readonly<{
  /** Base URL, without the bucket. */
  endpoint: string;
  region: string;
  bucket: string;
  /** Before each object's name; may be empty. */
  prefix: string;
  accessKeyId: string;
  secretAccessKey: string;
}>;

type S3Request = Readonly<{
  method: 'GET' | 'PUT' | 'DELETE' | 'HEAD';
  /** Of an object, or '' for the bucket. */
  object: string;
  headers?: Readonly<Record<string, string | number>>;
  body?: FinishedFile;
}>;

/** Between two bytes, in either direction. */
const SILENCE_MS = 60_000;
const NO_BODY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

export class S3Store implements MediaStore {
  readonly #settings: S3Settings;
  readonly #endpoint: URL;

  constructor(deps: { settings: S3Settings }) {
    this.#settings = deps.settings;
    this.#endpoint = new URL(deps.settings.endpoint);
  }

  /** Asks for the bucket: wrong credentials should show at the start. */
  async start(): Promise<void> {
    await this.#send({ method: 'HEAD', object: '' });
  }

  async put(id: string, file: FinishedFile): Promise<void> {
    await this.#send({ method: 'PUT', object: id, body: file });
  }

  async read(id: string, { start, end }: { start: number; end: number }): Promise<Readable> {
    const range = `bytes=${start}-${end - 1}`;
    const answer = await this.#open({ method: 'GET', object: id, headers: { Range: range } });
    if (answer.statusCode === 206 && Number(answer.headers['content-length']) === end - start) return answer;
    answer.destroy();
    throw mediaErrors.unavailable({ why: 's3 range', status: answer.statusCode });
  }

  async delete(id: string): Promise<void> {
    try {
      await this.#send({ method: 'DELETE', object: id });
    } catch (failure) {
      // Amazon says 204 for one that is not there, others 404.
      if (!(failure instanceof BridgeError) || failure.code !== 'media/gone') throw failure;
    }
  }

  async #send(request: S3Request): Promise<void> {
    const answer = await this.#open(request);
    // What it says is of no use; an endless answer ends with the connection.
    answer.destroy();
  }

  /** @returns an answer of 2xx whose body has not been read. */
  async #open(request: S3Request): Promise<http.IncomingMessage> {
    let answer: http.IncomingMessage;
    try {
      answer = await this.#exchange(request);
    } catch (cause) {
      throw mediaErrors.unavailable({ why: 's3', host: this.#endpoint.host }, cause);
    }
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    answer.destroy();
    // Where an object was named: a bucket that is not there is a fault of the configuration.
    if (status === 404 && request.method !== 'PUT' && request.object !== '')
      throw mediaErrors.gone({ why: 's3', status });
    const isPassing = status >= 500 || status === 408 || status === 429;
    throw (isPassing ? mediaErrors.unavailable : mediaErrors.refused)({ why: 's3', status });
  }

  async #exchange({ method, object, headers, body }: S3Request): Promise<http.IncomingMessage> {
    const { bucket, prefix, region, accessKeyId, secretAccessKey } = this.#settings;
    const { protocol, hostname, port, pathname } = this.#endpoint;
    const name = object === '' ? '' : `/${prefix}${object}`;
    const signed = aws4.sign(
      {
        service: 's3',
        region,
        method,
        hostname,
        ...(port === '' ? {} : { port: Number(port) }),
        path: encodeURI(`${pathname.replace(/\/$/, '')}/${bucket}${name}`),
        headers: {
          ...headers,
          // Known before it is sent, so that the server checks every byte of it.
          'X-Amz-Content-Sha256': body?.sha256.toString('hex') ?? NO_BODY_SHA256,
          ...(body === undefined ? {} : { 'Content-Length': body.sizeBytes }),
        },
      },
      { accessKeyId, secretAccessKey },
    );
    const client = protocol === 'https:' ? https : http;
    const { path, headers: signedHeaders } = signed;
    const outgoing = client.request({
      method,
      hostname: hostname.replace(/^\[|\]$/g, ''),
      port,
      path,
      headers: signedHeaders,
      timeout: SILENCE_MS,
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('silence')));
    const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
      outgoing.once('response', resolve);
      // May come again once the promise is settled, and then changes nothing.
      outgoing.on('error', reject);
      outgoing.on('close', () => reject(new Error('closed')));
    });
    if (body === undefined) outgoing.end();
    else {
      pipeline(readFrom(body.path, 0, body.sizeBytes), outgoing).catch(() => {
        /* ends the request, which is told above; a server that refuses answers before it has read all */
      });
    }
    return await answered;
  }
}
