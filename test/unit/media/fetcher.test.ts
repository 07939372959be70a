import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { AttachmentEncryptor } from '../../../src/media/attachment-cipher.ts';
import type { Address } from '../../../src/media/pinned-request.ts';
import { MediaWorld, NETWORK } from './media-world.ts';
import { collect, inPieces } from './pieces.ts';

const PLAINTEXT = randomBytes(90_000);
const KEY = randomBytes(64);

async function attachment(file = PLAINTEXT) {
  const encryptor = new AttachmentEncryptor({ key: KEY, iv: randomBytes(16) });
  const bytes = await collect(encryptor.encrypt(inPieces(file)));
  return { bytes, key: KEY, ...encryptor.facts };
}
const FILE = await attachment();

/** The server at 127.0.0.1, and a bridge that knows it by that name, and by others that `resolve` knows. */
async function world(
  t: TestContext,
  listener: RequestListener,
  names: Readonly<Record<string, readonly Address[]>> = {},
) {
  const server: Server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = (server.address() as { port: number }).port;
  const base = `http://127.0.0.1:${port}`;
  const asked: string[] = [];
  const media = await MediaWorld.start({
    sources: new Map([
      [
        NETWORK,
        {
          hosts: [
            base,
            `http://localhost:${port}`,
            ...Object.keys(names).map((name) => `http://${name}:${port}`),
          ],
        },
      ],
    ]),
    resolve: async (name) => {
      asked.push(name);
      return names[name] ?? [{ address: '127.0.0.1', family: 4 }];
    },
  });
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await media[Symbol.asyncDispose]();
  });
  const fetch = async (
    url = `${base}/file`,
    changes: Partial<typeof FILE> = {},
    signal = AbortSignal.timeout(20_000),
  ) => await media.media.fetch({ network: NETWORK, file: { ...FILE, url, ...changes }, signal });
  /** What must hold after each failure: nothing is kept, and it was counted. */
  const refused = async (code: string, fetching = fetch()) => {
    await assert.rejects(fetching, (failure: Error & { code?: string; facts?: object }) => {
      assert.equal(failure.code, code, String(failure.cause ?? failure));
      assert.ok(!JSON.stringify([failure.message, failure.facts]).includes('/file'));
      return true;
    });
    assert.deepEqual((await media.files()).spool, []);
    assert.deepEqual(media.counted.at(-1), ['fetched', code]);
  };
  return { media, base, port, asked, fetch, refused };
}

const serving =
  (bytes: Buffer, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) => {
    response.writeHead(200, { 'Content-Length': bytes.length, ...headers }).end(bytes);
  };

describe('the fetcher', () => {
  it('gives a whole file that is what was sent, as often as it is read, and keeps it encrypted until then', async (t) => {
    const { media, fetch } = await world(t, serving(FILE.bytes));
    const fetched = await fetch();
    assert.deepEqual(await collect(fetched.open()), PLAINTEXT);
    assert.deepEqual(await collect(fetched.open()), PLAINTEXT);
    assert.equal(fetched.sizeBytes, PLAINTEXT.length);
    assert.equal((await media.files()).spool.length, 1);
    await fetched.discard();
    await fetched.discard();
    assert.deepEqual((await media.files()).spool, []);
    assert.deepEqual(media.counted, [['fetched', FILE.bytes.length]]);
  });

  it('an empty file is a file', async (t) => {
    const empty = await attachment(Buffer.alloc(0));
    const { base, fetch } = await world(t, serving(empty.bytes));
    const fetched = await fetch(`${base}/file`, empty);
    assert.deepEqual(await collect(fetched.open()), Buffer.alloc(0));
  });

  it('a file comes also without a length, and from another of the hosts that the first one names', async (t) => {
    const { fetch } = await world(t, (request, response) => {
      if (request.url === '/file') {
        response.writeHead(302, { Location: `http://localhost:${request.socket.localPort}/there` }).end();
      } else response.write(FILE.bytes, () => response.end());
    });
    assert.deepEqual(await collect((await fetch()).open()), PLAINTEXT);
  });

  it('only the network’s own hosts are asked, by their scheme and port', async (t) => {
    let requests = 0;
    const { port, refused, fetch } = await world(t, () => {
      requests += 1;
    });
    const urls = [
      'not a URL',
      '',
      'file:///etc/passwd',
      `https://127.0.0.1:${port}/file`,
      `http://127.0.0.1:${port === 65_535 ? 1 : port + 1}/file`,
      `http://user:secret@127.0.0.1:${port}/file`,
      `http://127.0.0.1.evil.example:${port}/file`,
      `http://[::1]:${port}/file`,
      `http://169.254.169.254/file`,
    ];
    for (const url of urls) await refused('media/notAllowed', fetch(url));
    assert.equal(requests, 0);
  });

  for (const target of [
    'http://169.254.169.254/latest',
    'http://127.0.0.1:1/',
    'https://evil.example/',
    '//x',
    'http://[',
  ]) {
    it(`a redirect off the network’s hosts is not followed: ${target}`, async (t) => {
      const { refused } = await world(t, (_request, response) => {
        response.writeHead(307, { Location: target }).end();
      });
      await refused('media/notAllowed');
    });
  }

  it('redirects that lead round are given up', async (t) => {
    const { refused } = await world(t, (_request, response) => {
      response.writeHead(302, { Location: '/file' }).end();
    });
    await refused('media/refused');
  });

  it('a name of a host that leads to an address that is not public is refused, also where another address is', async (t) => {
    let requests = 0;
    const names = {
      'inside.example': [{ address: '127.0.0.1', family: 4 }],
      'metadata.example': [{ address: '169.254.169.254', family: 4 }],
      'mixed.example': [
        { address: '93.184.215.14', family: 4 },
        { address: '::ffff:127.0.0.1', family: 6 },
      ],
      'nowhere.example': [],
    };
    const made = await world(
      t,
      () => {
        requests += 1;
      },
      names,
    );
    for (const name of Object.keys(names))
      await made.refused('media/notAllowed', made.fetch(`http://${name}:${made.port}/file`));
    assert.equal(requests, 0);
  });

  it('a name is resolved once, and the connection goes to what was judged, whatever it says then', async (t) => {
    const { port, asked, fetch } = await world(t, serving(FILE.bytes));
    await fetch(`http://localhost:${port}/file`);
    assert.deepEqual(asked, ['localhost']);
  });

  it('bytes that are not those of the digest are refused: changed, cut, lengthened', async (t) => {
    const changed = Buffer.from(FILE.bytes);
    changed[5_000] = (changed[5_000] ?? 0) ^ 1;
    for (const bytes of [changed, FILE.bytes.subarray(0, 5_000), Buffer.concat([FILE.bytes, Buffer.of(1)])]) {
      const { refused } = await world(t, serving(bytes));
      await refused('media/damaged');
    }
  });

  it('a digest over bytes whose MAC is not the key’s does not help', async (t) => {
    const { base, refused, fetch } = await world(t, serving(FILE.bytes));
    await refused('media/damaged', fetch(`${base}/file`, { key: randomBytes(64) }));
  });

  it('a file that is larger than was told is refused by its length, and where that lies by its bytes', async (t) => {
    const large = randomBytes(400_000);
    const told = await world(t, serving(large));
    await told.refused('media/damaged');
    const untold = await world(t, (_request, response) => response.write(large, () => response.end()));
    await untold.refused('media/tooLarge');
  });

  it('a size that the file cannot have is told when it is read', async (t) => {
    const { base, fetch } = await world(t, serving(FILE.bytes));
    const fetched = await fetch(`${base}/file`, { sizeBytes: PLAINTEXT.length + 5_000 });
    await assert.rejects(collect(fetched.open()), { code: 'media/damaged' });
  });

  it('a file over our limit is not asked for', async (t) => {
    let requests = 0;
    const { base, refused, fetch } = await world(t, () => {
      requests += 1;
    });
    await refused('media/tooLarge', fetch(`${base}/file`, { sizeBytes: 1_000_001 }));
    assert.equal(requests, 0);
  });

  it('a body that ends before its length does is tried again later', async (t) => {
    const { refused } = await world(t, (_request, response) => {
      response.writeHead(200, { 'Content-Length': FILE.bytes.length });
      response.write(FILE.bytes.subarray(0, 70_000), () => response.destroy());
    });
    await refused('media/unavailable');
  });

  it('a host that drips, or says nothing at all, is given up after one span', async (t) => {
    for (const isDripping of [true, false]) {
      let asked = false;
      const { media, refused } = await world(t, (_request, response) => {
        asked = true;
        if (!isDripping) return;
        response.writeHead(200, { 'Content-Length': FILE.bytes.length });
        const drip = setInterval(() => response.write('x'), 5);
        response.on('close', () => clearInterval(drip));
      });
      const refusal = refused('media/tooSlow');
      const deadline = Date.now() + 5_000;
      while (!asked && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
      media.clock.advance(20_000);
      await refusal;
    }
  });

  it('what the host answers decides whether it is asked again', async (t) => {
    const codes = {
      404: 'gone',
      410: 'gone',
      403: 'refused',
      206: 'refused',
      429: 'unavailable',
      503: 'unavailable',
    };
    for (const [status, code] of Object.entries(codes)) {
      const { refused } = await world(t, (_request, response) => response.writeHead(Number(status)).end());
      await refused(`media/${code}`);
    }
  });

  it('what is not HTTP, and a host that is not there, are tried again later', async (t) => {
    const garbage = await world(t, (request) => request.socket.end('nonsense\r\n\r\n'));
    await garbage.refused('media/unavailable');
  });

  it('the caller’s signal ends it with its reason', async (t) => {
    const stop = new AbortController();
    const { base, media, fetch } = await world(t, () => stop.abort(new Error('stopped')));
    await assert.rejects(fetch(`${base}/file`, {}, stop.signal), /stopped/);
    assert.deepEqual((await media.files()).spool, []);
  });

  it('compression is neither asked for nor undone', async (t) => {
    let accepts: string | undefined;
    const { fetch } = await world(t, (request, response) => {
      accepts = String(request.headers['accept-encoding']);
      serving(FILE.bytes, { 'Content-Encoding': 'gzip' })(request, response);
    });
    assert.deepEqual(await collect((await fetch()).open()), PLAINTEXT);
    assert.equal(accepts, 'identity');
    assert.equal(createHash('sha256').update(FILE.bytes).digest('hex'), FILE.digest.toString('hex'));
  });
});
