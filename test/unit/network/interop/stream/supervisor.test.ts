import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { xml } from '@xmpp/client';
import { NS_SM } from '../../../../../src/network/interop/stream/namespaces.ts';
import type { Connection } from './scripted-server.ts';
import { createWorld, incoming, outgoing, until, type World } from './stream-world.ts';

const streamError = (condition: string) =>
  `<stream:error><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>`;
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);
const reasons = (world: World) =>
  world.statuses.flatMap((status) => (status.kind === 'waiting' ? [status.reason.code] : []));

describe('after a cut', () => {
  it('the session is resumed, and what was not acknowledged goes again, once, in order, under the same ids', async () => {
    let drops = true;
    await using world = await createWorld({
      behaviour: {
        // The first three messages get lost on their way; the server never sees them.
        onElement: (element, connection) => {
          if (!drops || element.name !== 'message') return false;
          if (connection.session) connection.session.received -= 1;
          if (element.attrs.id === 'out3') connection.cut();
          return true;
        },
      },
    });
    world.store.add(...[1, 2, 3].map(outgoing));
    world.stream.start();
    await until(() => world.server.connections.length === 1 && world.server.openSockets === 0, 'cut');
    drops = false;
    world.store.add(outgoing(4));
    await until(() => world.store.acked.length === 4, 'acked');
    assert.deepEqual(world.server.messages, ['out1', 'out2', 'out3', 'out4']);
    assert.equal(world.store.begun, 1);
  });

  it('a queue of queries and rows keeps its numbers right though queries are not sent again', async () => {
    await using world = await createWorld();
    world.stream.start();
    await world.online();
    const { last } = world.server;
    assert(last !== undefined);
    // The server stops listening: rows and queries between them stay unhandled.
    last.socket.pause();
    const query = world.stream.query({ to: 'gk.test', type: 'get', payload: xml('ping') });
    query.catch(() => undefined);
    world.store.add(outgoing(1));
    world.stream.wake();
    await until(() => world.store.rows[0]?.number !== undefined, 'numbered');
    const before = world.store.rows[0]?.number;
    last.cut();
    await until(() => world.store.acked.length === 1, 'acked');
    assert(Number(world.store.rows[0]?.number) < Number(before));
    world.store.add(outgoing(2));
    world.stream.wake();
    await until(() => world.store.acked.length === 2, 'acked');
    assert.deepEqual(world.server.messages, ['out1', 'out2']);
    assert.equal(world.store.begun, 1);
  });

  it('what is worth nothing later is counted and not sent again; it goes nowhere while not online', async () => {
    const state =
      "<message to='bob@gk.test'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>";
    await using world = await createWorld();
    assert.equal(world.stream.sendNow(state), false);
    world.stream.start();
    await world.online();
    assert.equal(world.stream.sendNow(state), true);
    world.store.add(outgoing(1));
    world.stream.wake();
    await until(() => world.store.acked.length === 1, 'acked');
    world.server.last?.cut();
    world.store.add(outgoing(2));
    await until(() => world.store.acked.length === 2, 'acked');
    // The state has no id.
    assert.deepEqual(world.server.messages.toSorted(), ['', 'out1', 'out2']);
    assert.equal(world.store.begun, 1);
  });

  it('a refused resumption binds anew; what the server had handled is not sent again, all else is', async () => {
    await using world = await createWorld({
      behaviour: { onElement: (element) => element.name === 'r' || element.attrs.id === 'out3' },
    });
    world.store.add(...[1, 2].map(outgoing));
    world.stream.start();
    await until(() => world.server.messages.length === 2, 'two arrived, unacknowledged');
    world.server.behaviour.knowsSessions = false;
    world.store.add(outgoing(4));
    world.server.last?.cut();
    world.server.behaviour.onElement = () => false;
    await until(() => world.store.acked.length === 3, 'acked');
    assert.deepEqual(world.server.messages, ['out1', 'out2', 'out4']);
    assert.equal(world.store.begun, 2);
  });

  it('a server that has forgotten all gets all that is unacknowledged, in order', async () => {
    await using world = await createWorld({ behaviour: { onElement: (element) => element.name === 'r' } });
    world.store.add(...[1, 2].map(outgoing));
    world.stream.start();
    await until(() => world.server.messages.length === 2, 'two arrived, unacknowledged');
    world.server.sessions.clear();
    world.store.add(outgoing(3));
    world.server.behaviour.onElement = () => false;
    world.server.last?.cut();
    await until(() => world.store.acked.length === 3, 'acked');
    assert.deepEqual(world.server.messages, ['out1', 'out2', 'out1', 'out2', 'out3']);
  });
});

/** Cuts at random moments, both ways, with whatever was half written. */
async function runCuts(world: World, restart: boolean): Promise<void> {
  const count = 300;
  const partSize = count / 12;
  let current = world.stream;
  current.start();
  await world.online();
  for (let cut = 0; cut < 12; cut += 1) {
    const last = world.server.last;
    const part = numbers(count).slice(cut * partSize, (cut + 1) * partSize);
    for (const n of part) {
      world.store.add(outgoing(n));
      const session = [...world.server.sessions.values()].at(-1);
      if (last?.session !== undefined && !last.socket.destroyed) last.deliver(incoming(n));
      else if (session !== undefined) {
        session.sent += 1;
        session.unacked.push(incoming(n));
      }
      if (n % 7 === 0) current.wake();
      if (n % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (let turns = Math.floor(Math.random() * 30); turns > 0; turns -= 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    world.server.last?.cut();
    if (restart && cut % 3 === 2) {
      await current.stop();
      current = world.restart();
      current.start();
    }
    await until(
      () => current.status.kind === 'online' && !world.server.last?.socket.destroyed,
      'online again',
    );
    current.wake();
  }
  await until(() => world.store.acked.length === count, 'all acknowledged');
  await until(() => world.store.inbox.length >= count, 'all received');
  assert.deepEqual(
    world.server.messages,
    numbers(count).map((n) => `out${n}`),
    'each once, in order',
  );
  assert.deepEqual(
    world.store.inbox.map(({ id }) => id),
    numbers(count).map((n) => `in${n}`),
    'each once, in order',
  );
  assert.deepEqual(world.server.faults, []);
  assert.equal(world.store.begun, 1);
  assert.equal(world.store.repeats, 0);
}

describe('with cuts at random', () => {
  for (const round of numbers(5)) {
    it(`nothing is lost, doubled or out of order (${round})`, async () => {
      await using world = await createWorld();
      await runCuts(world, false);
    });
    it(`nor over restarts of the daemon (${round})`, async () => {
      await using world = await createWorld();
      await runCuts(world, true);
    });
  }
});

describe('a server that counts wrongly', () => {
  it('acknowledging more than was sent is told so, and the session is begun anew (case 1.8)', async () => {
    await using world = await createWorld();
    world.store.add(outgoing(1));
    world.stream.start();
    await until(() => world.store.acked.length === 1, 'acked');
    const first = world.server.last;
    first?.write(`<a xmlns='${NS_SM}' h='4294967295'/>`);
    await until(
      () => world.server.connections.length === 2 && world.stream.status.kind === 'online',
      'again',
    );
    assert.deepEqual(reasons(world), ['stream/handledCountTooHigh']);
    const error = first?.received.at(-1);
    assert(error?.getChild('handled-count-too-high', NS_SM));
    assert.equal(world.store.begun, 2);
  });

  it('also when it does so on resumption', async () => {
    await using world = await createWorld();
    world.stream.start();
    await world.online();
    const session = [...world.server.sessions.values()][0];
    assert(session !== undefined);
    session.received += 1000;
    world.server.last?.cut();
    await until(() => world.store.begun === 2 && world.stream.status.kind === 'online', 'begun anew');
    assert.deepEqual(reasons(world), ['stream/lost', 'stream/handledCountTooHigh']);
  });

  it('an acknowledgement that is no number ends the stream (case 1.8)', async () => {
    for (const h of ['', `h='x'`, `h='-1'`, `h='99999999999999999999'`]) {
      await using world = await createWorld({ fraction: 0.999 });
      world.stream.start();
      await world.online();
      world.server.last?.write(`<a xmlns='${NS_SM}' ${h}/>`);
      await until(() => world.stream.status.kind === 'waiting', 'left');
      assert.deepEqual(reasons(world), ['stream/protocolViolation']);
    }
  });
});

describe('what a server throws at us after login', () => {
  const attacks: Record<string, (connection: Connection) => void> = {
    'an unknown entity': (connection) => connection.write('<message>&xxe;</message>'),
    'a reference to NUL': (connection) => connection.write('<message>&#0;</message>'),
    'a document type': (connection) => connection.write('<!DOCTYPE a [<!ENTITY b "c">]>'),
    'bytes that are no UTF-8': (connection) =>
      connection.write(new Uint8Array([0x3c, 0x61, 0x3e, 0xff, 0xfe])),
    '100,000 elements in one another (case 1.2)': (connection) =>
      connection.write(`<message>${'<a>'.repeat(100_000)}`),
    '50 MB of text': (connection) => {
      connection.write('<message><body>');
      for (let part = 0; part < 50; part += 1) connection.write('x'.repeat(1_000_000));
    },
    '50 MB of attribute': (connection) => {
      connection.write('<message id="');
      for (let part = 0; part < 50; part += 1) connection.write('x'.repeat(1_000_000));
    },
    'a wrong end tag': (connection) => connection.write('<message></iq>'),
    'see-other-host (case 1.9)': (connection) => connection.write(streamError('see-other-host')),
    'the end of the stream': (connection) => connection.write('</stream:stream>'),
  };
  for (const [what, attack] of Object.entries(attacks)) {
    it(`${what} costs the connection, and nothing is stored`, async () => {
      await using world = await createWorld({ fraction: 0.999 });
      world.stream.start();
      await world.online();
      const first = world.server.last;
      if (first !== undefined) attack(first);
      await until(() => world.stream.status.kind === 'waiting', 'left');
      await until(() => world.server.openSockets === 0, 'the socket is destroyed');
      assert.deepEqual(world.store.inbox, []);
    });
  }

  it('characters split over packets arrive whole', async () => {
    await using world = await createWorld();
    world.stream.start();
    await world.online();
    // An answer in between the bytes would break them.
    await until(() => world.store.session?.handled === 1, 'the disco answer is counted');
    const { last } = world.server;
    last?.socket.setNoDelay(true);
    for (const byte of Buffer.from(`<message from='bob@gk.test'><body>é😀漢</body></message>`)) {
      last?.write(new Uint8Array([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => world.store.inbox.length === 1, 'inbox');
    assert.match(world.store.inbox[0]?.xml ?? '', /<body>é😀漢<\/body>/);
  });

  it('a flood of pings that it never reads the answers to does not fill the memory (case 1.15)', async () => {
    await using world = await createWorld();
    world.stream.start();
    await world.online();
    const { last } = world.server;
    last?.socket.pause();
    const pings =
      `<iq type='get' id='${'x'.repeat(900)}' from='gk.test'><ping xmlns='urn:xmpp:ping'/></iq>`.repeat(1000);
    for (let part = 0; part < 40; part += 1) last?.write(pings);
    await until(() => (last?.socket.writableLength ?? 0) > 1_000_000, 'the server is left with its data');
    last?.cut();
    await until(() => world.server.connections.length === 2 && world.stream.status.kind === 'online', 'back');
  });
});

describe('what the server ends the stream for', () => {
  it('conflict: it stops, says why, and starts only when told to', async () => {
    await using world = await createWorld();
    world.stream.start();
    await world.online();
    world.server.last?.write(streamError('conflict'));
    await until(() => world.stream.status.kind === 'stopped', 'stopped');
    assert(world.stream.status.kind === 'stopped');
    assert.equal(world.stream.status.reason?.code, 'stream/conflict');
    await until(() => world.server.openSockets === 0, 'closed');
    assert.equal(world.server.connections.length, 1);
    world.stream.start();
    await world.online();
    assert.equal(world.server.connections.length, 2);
  });

  it('shutdown: it comes back', async () => {
    await using world = await createWorld();
    world.stream.start();
    await world.online();
    world.server.last?.write(streamError('system-shutdown'));
    await until(() => world.server.connections.length === 2 && world.stream.status.kind === 'online', 'back');
    assert.deepEqual(reasons(world), ['stream/closedByServer']);
  });

  it('right after a resumption, as a server with a broken parser does: the next session is a new one', async () => {
    await using world = await createWorld();
    world.store.add(outgoing(1));
    world.stream.start();
    await until(() => world.store.acked.length === 1, 'acked');
    let errors = 0;
    const session = world.server.sessions.get('sm0');
    world.server.last?.cut();
    world.server.behaviour.onElement = (element, connection) => {
      if (element.name !== 'resume') return false;
      errors += 1;
      connection.write(`<resumed xmlns='${NS_SM}' h='${session?.received}' previd='sm0'/>`);
      connection.write(streamError('not-well-formed'));
      return true;
    };
    await until(() => world.store.begun === 2 && world.stream.status.kind === 'online', 'begun anew');
    assert.equal(errors, 1);
  });

  it('a stanza that it can not bear: the row is found, rejected, and the others arrive in order (case 1.20)', async () => {
    await using world = await createWorld({
      behaviour: {
        onElement: (element, connection) => {
          if (element.attrs.id !== 'outpoison') return false;
          connection.write(streamError('policy-violation'));
          connection.socket.end();
          return true;
        },
      },
    });
    world.store.add(outgoing(1), outgoing(2), outgoing('poison'), outgoing(3), outgoing(4));
    world.stream.start();
    await until(() => world.store.acked.length === 4, 'all others');
    assert.deepEqual(world.store.rejected, [{ rowId: 'row2', code: 'stream/stanzaRejected' }]);
    const arrived = world.server.messages.filter((id, index, all) => all.indexOf(id) === index);
    assert.deepEqual(arrived, ['out1', 'out2', 'out3', 'out4']);
    assert.equal(world.server.connections.length, 3);
    // Caution ends with the suspects.
    world.store.add(...numbers(20).map((n) => outgoing(`later${n}`)));
    world.stream.wake();
    await until(() => world.store.acked.length === 24, 'later');
  });
});

describe('coming back', () => {
  it('uses a fresh token and destroys the old socket each time', async () => {
    let tokens = 0;
    await using world = await createWorld({ token: async () => `token${tokens++}` });
    world.stream.start();
    for (const attempt of [1, 2, 3]) {
      const isBack = () =>
        world.server.last?.received.some(({ name }) => name === 'presence' || name === 'resume') === true;
      await until(() => world.server.connections.length === attempt && isBack(), 'back');
      await until(
        () => world.stream.status.kind === 'online' && world.server.openSockets === 1,
        'one socket',
      );
      assert.equal(tokens, attempt);
      world.server.last?.cut();
    }
  });

  it('says until when it waits', async () => {
    await using world = await createWorld({ fraction: 0.999, settings: { port: 1 } });
    const beforeMs = Date.now();
    world.stream.start();
    await until(() => world.stream.status.kind === 'waiting', 'waiting');
    assert(world.stream.status.kind === 'waiting');
    assert(world.stream.status.retryAtMs >= beforeMs);
    await until(() => reasons(world).length >= 3, 'tries again and again');
    await world.stream.stop();
  });

  it('survives a store that fails while connecting', async () => {
    await using world = await createWorld();
    const failing = new Set(['load', 'begin', 'nextOutbound']);
    world.store.before = async (method) => {
      if (failing.delete(method)) throw new Error(`no ${method}`);
    };
    world.store.add(outgoing(1));
    world.stream.start();
    await until(() => world.store.acked.length === 1, 'acked');
    assert.deepEqual(new Set(reasons(world)), new Set(['stream/storeFailed']));
    assert.deepEqual(world.server.messages, ['out1']);
  });
});
