import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import tls from 'node:tls';
import { systemClock } from '../../../../../src/ambient/clock.ts';
import { hasCode } from '../../../../../src/model/errors.ts';
import { streamErrors } from '../../../../../src/network/interop/stream/errors.ts';
import { type LinkAddress, TlsLink } from '../../../../../src/network/interop/stream/tls-link.ts';
import { until } from './stream-world.ts';

const fixture = (name: string) =>
  readFileSync(new URL(`../../../../fixtures/stream/${name}`, import.meta.url), 'utf8');
const ca = fixture('ca.pem');
const spki = new X509Certificate(fixture('gk.test.pem')).publicKey.export({ type: 'spki', format: 'der' });
const pin = createHash('sha256').update(spki).digest('base64');
const otherPin = createHash('sha256').update('other').digest('base64');

async function serve(
  onSocket: (socket: tls.TLSSocket) => void,
  options: tls.TlsOptions = {},
): Promise<Server> {
  const server = tls.createServer(
    { cert: fixture('gk.test.pem'), key: fixture('gk.test.key'), ...options },
    (socket) => {
      socket.on('error', () => socket.destroy());
      onSocket(socket);
    },
  );
  // A client that refuses the certificate is no event for these tests.
  server.on('tlsClientError', (_failure, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function connect(
  server: Server,
  change: Partial<LinkAddress> = {},
  onBytes: (bytes: Buffer) => void = () => undefined,
) {
  const { port } = server.address() as AddressInfo;
  return new TlsLink(
    { host: '127.0.0.1', port, domain: 'gk.test', extraCa: ca, spkiPins: [], ...change },
    onBytes,
  );
}

describe('the TLS link', () => {
  it('takes a certificate for the XMPP domain, though another host was dialled', async () => {
    const server = await serve((socket) => socket.write('hello'));
    const received: string[] = [];
    const link = connect(server, {}, (bytes) => {
      received.push(bytes.toString());
      link.destroy(streamErrors.stopped());
    });
    await link.secured;
    assert.equal((await link.closed).code, 'stream/stopped');
    assert.deepEqual(received, ['hello']);
    assert.equal(link.isSecure, false);
    server.close();
  });

  it('refuses one for the dialled host when the domain is another', async () => {
    const server = await serve(() => assert.fail('no session'));
    const link = connect(server, { domain: 'other.test' });
    await assert.rejects(link.secured, (failure) => hasCode(failure, 'stream/badCertificate'));
    assert.equal((await link.closed).facts.why, 'ERR_TLS_CERT_ALTNAME_INVALID');
    server.close();
  });

  it('refuses one of an unknown authority', async () => {
    const server = await serve(() => undefined);
    assert.equal((await connect(server, { extraCa: undefined }).closed).code, 'stream/badCertificate');
    server.close();
  });

  it('refuses a key that is not pinned, and takes one that is', async () => {
    const server = await serve(() => undefined);
    const refused = await connect(server, { spkiPins: [otherPin] }).closed;
    assert.deepEqual([refused.code, refused.facts.why], ['stream/badCertificate', 'pin']);
    const link = connect(server, { spkiPins: [otherPin, pin] });
    await link.secured;
    link.destroy(streamErrors.stopped());
    await link.closed;
    server.close();
  });

  it('speaks TLS 1.2 and 1.3 only, and to TLS only (case 1.19)', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const server = await serve(() => undefined, { minVersion: version, maxVersion: version });
      const link = connect(server);
      await link.secured;
      link.destroy(streamErrors.stopped());
      server.close();
    }
    const plain = createTcpServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.write('<?xml version="1.0"?><stream:stream>');
    });
    plain.listen(0, '127.0.0.1');
    await once(plain, 'listening');
    assert.equal((await connect(plain).closed).code, 'stream/unreachable');
    plain.close();
  });

  it('writes only while it stands', async () => {
    const server = await serve((socket) => socket.resume());
    const link = connect(server);
    await assert.rejects(link.write('x'), (failure) => hasCode(failure, 'stream/lost'));
    await link.secured;
    await link.write('x');
    link.destroy(streamErrors.stopped());
    await assert.rejects(link.write('x'), (failure) => hasCode(failure, 'stream/stopped'));
    await link.closed;
    server.close();
  });

  it('reads nothing while it is held, for whichever reason', async () => {
    const peers: tls.TLSSocket[] = [];
    const server = await serve((socket) => peers.push(socket));
    let received = 0;
    const link = connect(server, {}, (bytes) => {
      received += bytes.length;
    });
    await link.secured;
    await until(() => peers.length === 1, 'the server side');
    link.hold('a');
    link.hold('b');
    const isSent = new Promise((resolve) => peers[0]?.write(Buffer.alloc(1000), resolve));
    await isSent;
    link.release('a');
    assert.equal(link.isHeld, true);
    await setImmediate();
    assert.equal(received, 0);
    link.release('b');
    await until(() => received === 1000, 'all of it');
    link.destroy(streamErrors.stopped());
    await link.closed;
    server.close();
  });

  it('closes within its deadline though the peer never does', async () => {
    const server = await serve((socket) => socket.pause(), { allowHalfOpen: true } as tls.TlsOptions);
    const link = connect(server);
    await link.secured;
    await link.close('bye', streamErrors.stopped(), systemClock, 20);
    assert.equal((await link.closed).code, 'stream/stopped');
    server.close();
  });
});
