import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { freePort } from '../../../../src/sandbox/toolbox/free-port.ts';

test('a server can listen on the port that is told', async () => {
  const server = createServer();
  server.listen(await freePort(), '127.0.0.1');
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
});

test('a port in use is not told', async () => {
  const server = createServer();
  server.listen(await freePort(), '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  for (let count = 0; count < 20; count += 1) assert.notEqual(await freePort(), address.port);
  server.close();
  await once(server, 'close');
});
