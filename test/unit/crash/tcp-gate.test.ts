import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { it, type TestContext } from 'node:test';
import { TcpGate } from '../../crash/tcp-gate.ts';

/** A server that says everything back, behind a gate. */
async function world(t: TestContext) {
  const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const gate = await TcpGate.open(typeof address === 'object' && address !== null ? address.port : 0);
  t.after(async () => {
    await gate.close();
    server.close();
  });
  const dial = async () => {
    const socket = connect(gate.port, '127.0.0.1');
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  return { gate, dial };
}

async function echo(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [said] = await once(socket, 'data');
  return String(said);
}

it('carries what is said both ways', async (t) => {
  const { dial } = await world(t);
  assert.equal(await echo(await dial(), 'hello'), 'hello');
});

it('a cut connection sees a reset, and a new one passes', async (t) => {
  const { gate, dial } = await world(t);
  const socket = await dial();
  await echo(socket, 'hello');
  const broken = once(socket, 'error');
  gate.cut();
  const [failure] = await broken;
  assert.equal(failure.code, 'ECONNRESET');
  assert.equal(await echo(await dial(), 'again'), 'again');
});

it('a mute connection stays so without an end, and what is new after it is healed passes', async (t) => {
  const { gate, dial } = await world(t);
  const before = await dial();
  await echo(before, 'hello');
  gate.swallow();
  const during = await dial();
  for (const socket of [before, during]) {
    socket.on('data', () => assert.fail('nothing comes out of a black hole'));
    socket.on('close', () => assert.fail('nobody is told of a black hole'));
    socket.write('anybody there?');
  }
  gate.heal();
  assert.equal(await echo(await dial(), 'again'), 'again');
  for (const socket of [before, during]) socket.removeAllListeners('close');
});
