/** Serves one file, as the host of a network would from a machine of its own: `node file-server.ts <path>`; prints its port. */
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

if (import.meta.main) {
  const file = process.argv[2] ?? '';
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Length': statSync(file).size });
    createReadStream(file, { highWaterMark: 262_144 }).pipe(response);
  });
  server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
}
