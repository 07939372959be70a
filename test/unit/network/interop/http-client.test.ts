import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { HttpClient } from '../../../../src/network/interop/http-client.ts';
import { StandingClock } from './samples.ts';

const file = (name: string) => readFileSync(path.join(import.meta.dirname, 'certificates', name), 'utf8');
const ca = file('ca.pem');

/** A server with a certificate for `localhost` by a private authority; counts what reaches it. */
async function secureServer() {
  const seen: string[] = [];
  const server = https.createServer(
    { key: file('localhost.key'), cert: file('localhost.pem') },
    (request, response) => {
      seen.push(request.headers.authorization ?? '');
      response.end('{}');
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  return { seen, port, [Symbol.asyncDispose]: close };
}

const ask = (port: number, host: string, trusted?: string) => {
  const client = new HttpClient({
    clock: new StandingClock(),
    timeoutMs: 5_000,
    ...(trusted === undefined ? {} : { ca: trusted }),
  });
  const url = new URL(`https://${host}:${port}/`);
  return client.send({ method: 'GET', url, token: 'secret', maxAnswerBytes: 100 });
};

test('a private authority is trusted when it is configured', async () => {
  await using server = await secureServer();
  const answer = await ask(server.port, 'localhost', ca);
  assert.deepEqual([answer.status, answer.body.toString()], [200, '{}']);
});

test('an authority that is not configured is not trusted, and no token leaves', async () => {
  await using server = await secureServer();
  await assert.rejects(ask(server.port, 'localhost'), { code: 'network/untrusted', arrived: 'no' });
  assert.deepEqual(server.seen, []);
});

test('a certificate for another name is not trusted, and no token leaves', async () => {
  await using server = await secureServer();
  await assert.rejects(ask(server.port, '127.0.0.1', ca), { code: 'network/untrusted', arrived: 'no' });
  assert.deepEqual(server.seen, []);
});

test('a name that does not exist is unreachable', async () => {
  await assert.rejects(ask(1, 'gatekeeper.invalid'), { code: 'network/unreachable', arrived: 'no' });
});
