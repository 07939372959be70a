import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { MatrixMedia } from '../../../src/matrix/media.ts';
import { Transport } from '../../../src/matrix/transport.ts';
import { matrixUserId } from '../../../src/model/ids.ts';
import { heldClock } from '../../doubles/held-clock.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { collect, inPieces } from '../media/pieces.ts';
import { listening } from './listening.ts';

const FILE = randomBytes(100_000);
const GHOST = matrixUserId('@_interop_gk_bob:m.example');
const MXC = 'mxc://remote.example:8448/abc_DEF-1';

type Seen = { method: string; url: string; headers: IncomingMessage['headers'] };

async function world(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const seen: Seen[] = [];
  const listener: RequestListener = (request, response) => {
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers });
    answer(request, response);
  };
  const clock = heldClock();
  const transport = new Transport({
    settings: {
      homeserverUrl: await listening(t, listener),
      domain: 'm.example',
      appserviceId: 'drawbridge',
      botLocalpart: 'bot',
      botDisplayName: 'Bot',
      ghostPrefix: '_interop_',
      asToken: 'as-token-secret',
      hsToken: 'hs-token-secret',
      maxBodyBytes: 1000,
      requestTimeoutMs: 300,
    },
    clock,
    log: new RecordingLog(),
    metrics: { request: () => undefined },
  });
  const media = new MatrixMedia({ transport, clock });
  const signal = AbortSignal.timeout(10_000);
  const download = async (maxBytes = 1_000_000, mxc = MXC) => await media.download({ mxc, maxBytes, signal });
  const upload = async (
    source: AsyncIterable<Uint8Array> = inPieces(FILE, [7, 70_000]),
    sizeBytes = FILE.length,
  ) => await media.upload({ as: GHOST, file: { source, sizeBytes, contentType: 'image/png' }, signal });
  return { seen, media, clock, transport, download, upload };
}

const refusal = (response: ServerResponse, status: number, errcode: string) =>
  response.writeHead(status).end(JSON.stringify({ errcode, error: '' }));

/** A homeserver with a limit that keeps what it gets. */
function homeserver(limit: unknown, received: Buffer[] = []) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url?.endsWith('/config')) response.end(JSON.stringify({ 'm.upload.size': limit }));
    else {
      request.on('data', (piece) => received.push(piece));
      request.on('end', () => response.end(JSON.stringify({ content_uri: 'mxc://m.example/new' })));
    }
  };
}

describe('a file of the homeserver', () => {
  it('is downloaded with our token by the authenticated path, with what is told of it', async (t) => {
    const { seen, download } = await world(t, (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'image/png', 'Content-Length': FILE.length }).end(FILE);
    });
    const { sizeBytes, contentType, body } = await download();
    assert.deepEqual([sizeBytes, contentType], [FILE.length, 'image/png']);
    assert.deepEqual(await collect(body), FILE);
    const [{ url, headers } = assert.fail()] = seen;
    assert.equal(url, '/_matrix/client/v1/media/download/remote.example%3A8448/abc_DEF-1');
    assert.equal(headers.authorization, 'Bearer as-token-secret');
  });

  it('comes by the old path where the homeserver does not know the new one, from then on at once', async (t) => {
    const { seen, download } = await world(t, (request, response) => {
      if (request.url?.startsWith('/_matrix/client/v1')) refusal(response, 404, 'M_UNRECOGNIZED');
      else response.end(FILE);
    });
    assert.deepEqual(await collect((await download()).body), FILE);
    assert.deepEqual(await collect((await download()).body), FILE);
    assert.deepEqual(
      seen.map(({ url }) => url.split('/download')[0]),
      ['/_matrix/client/v1/media', '/_matrix/media/v3', '/_matrix/media/v3'],
    );
  });

  it('is not looked for by the old path when it only is not there, or not ours to see', async (t) => {
    for (const [status, errcode, code] of [
      [404, 'M_NOT_FOUND', 'matrix/notFound'],
      [403, 'M_FORBIDDEN', 'matrix/forbidden'],
      [429, 'M_LIMIT_EXCEEDED', 'matrix/rateLimited'],
      [504, 'M_NOT_YET_UPLOADED', 'matrix/homeserverFailed'],
    ] as const) {
      const { seen, download } = await world(t, (_request, response) => refusal(response, status, errcode));
      await assert.rejects(download(), { code });
      assert.equal(seen.length, 1);
    }
  });

  it('is refused when it is larger than allowed: by what is told, and by what comes', async (t) => {
    const told = await world(t, (_request, response) => {
      response.writeHead(200, { 'Content-Length': FILE.length }).end(FILE);
    });
    await assert.rejects(told.download(99_999), { code: 'matrix/fileTooLarge' });
    const untold = await world(t, (_request, response) => response.write(FILE, () => response.end()));
    const { body, sizeBytes } = await untold.download(99_999);
    assert.equal(sizeBytes, undefined);
    await assert.rejects(collect(body), { code: 'matrix/fileTooLarge' });
  });

  it('that breaks off, stands still or is redirected is no file', async (t) => {
    const broken = await world(t, (_request, response) => {
      response.writeHead(200, { 'Content-Length': FILE.length });
      response.write(FILE.subarray(0, 10), () => response.destroy());
    });
    await assert.rejects(collect((await broken.download()).body), { code: 'matrix/answerLost' });
    const silent = await world(t, (_request, response) => {
      response.writeHead(200, { 'Content-Length': FILE.length }).write('x');
    });
    await assert.rejects(collect((await silent.download()).body), { code: 'matrix/answerLost' });
    const redirect = await world(t, (_request, response) => {
      response.writeHead(307, { Location: 'http://169.254.169.254/' }).end();
    });
    await assert.rejects(redirect.download(), { code: 'matrix/badAnswer' });
  });

  it('that has no sound URI is not asked for', async (t) => {
    const { seen, download } = await world(t, () => assert.fail('asked'));
    for (const mxc of [
      '',
      'https://m.example/x',
      'mxc://m.example',
      'mxc://m.example/../x',
      'mxc://m.example/a/b',
      'mxc://a b/c',
    ]) {
      await assert.rejects(download(1, mxc), { code: 'matrix/badEvent' });
    }
    assert.deepEqual(seen, []);
  });

  it('ends when the bridge stops', async (t) => {
    const made: { transport?: Transport } = {};
    const { transport, download } = await world(t, () => made.transport?.stop());
    made.transport = transport;
    await assert.rejects(download(), { code: 'matrix/answerLost' });
  });
});

describe('an upload', () => {
  it('carries the file as it comes, with its length and type, in the name of the ghost', async (t) => {
    const received: Buffer[] = [];
    const { seen, upload } = await world(t, homeserver(1_000_000, received));
    assert.equal(await upload(), 'mxc://m.example/new');
    assert.deepEqual(Buffer.concat(received), FILE);
    const [, { method, url, headers } = assert.fail()] = seen;
    assert.deepEqual(
      [method, url],
      ['POST', `/_matrix/media/v3/upload?user_id=${encodeURIComponent(GHOST)}`],
    );
    assert.deepEqual([headers['content-length'], headers['content-type']], ['100000', 'image/png']);
  });

  it('over the homeserver’s limit is not begun; the limit is asked for again after an hour', async (t) => {
    const { seen, upload, clock } = await world(t, homeserver(FILE.length - 1));
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await assert.rejects(upload(), { code: 'matrix/fileTooLarge', facts: { limitBytes: FILE.length - 1 } });
    }
    assert.equal(seen.length, 1);
    clock.advance(60 * 60_000);
    await assert.rejects(upload(), { code: 'matrix/fileTooLarge' });
    assert.deepEqual(
      seen.map(({ url }) => url),
      Array.from({ length: 2 }, () => '/_matrix/client/v1/media/config'),
    );
  });

  it('goes where no limit is told, and a refusal for its size is one', async (t) => {
    const { upload } = await world(t, homeserver('much'));
    assert.equal(await upload(), 'mxc://m.example/new');
    const strict = await world(t, (request, response) => {
      if (request.url?.endsWith('/config')) response.end('{}');
      else request.resume().on('end', () => refusal(response, 413, 'M_TOO_LARGE'));
    });
    await assert.rejects(strict.upload(), { code: 'matrix/fileTooLarge' });
  });

  it('whose source fails fails with that, and one of another length than told is not completed', async (t) => {
    const { upload } = await world(t, homeserver(1_000_000));
    const failing = (async function* () {
      yield FILE.subarray(0, 10);
      throw new Error('the source');
    })();
    await assert.rejects(upload(failing), /the source/);
    await assert.rejects(upload(inPieces(FILE), FILE.length + 1), { code: 'matrix/badUpload' });
    await assert.rejects(upload(inPieces(FILE), FILE.length - 1), { code: 'matrix/badUpload' });
  });

  it('that is answered with something else than a URI is none', async (t) => {
    for (const answer of ['', '[]', '{"content_uri":"https://x"}', 'x'.repeat(100_000)]) {
      const { upload } = await world(t, (request, response) => {
        if (request.url?.endsWith('/config')) response.end('{}');
        else request.resume().on('end', () => response.end(answer));
      });
      await assert.rejects(upload(), { code: 'matrix/badAnswer' });
    }
  });
});
