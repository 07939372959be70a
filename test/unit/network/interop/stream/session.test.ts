import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { xml } from '@xmpp/client';
import { hasCode } from '../../../../../src/model/errors.ts';
import { NS_SM } from '../../../../../src/network/interop/stream/namespaces.ts';
import { createWorld, incoming, outgoing, until, type World } from './stream-world.ts';

describe('a session', () => {
  it('logs in by OAUTHBEARER over TLS, binds, enables stream management, and only then says that it is there', async () => {
    await using world = await createWorld();
    world.stream.start();
    await until(
      () => world.server.last?.received.some((element) => element.name === 'presence') ?? false,
      'presence',
    );
    const { last } = world.server;
    assert(last !== undefined);
    assert.equal(
      last.sasl,
      `n,a=me@gk.test,\x01host=127.0.0.1\x01port=${world.server.port}\x01auth=Bearer token\x01\x01`,
    );
    assert.deepEqual(
      last.received
        .slice(0, 4)
        .map((element) => [element.name, element.attrs.mechanism ?? element.attrs.type]),
      [
        ['auth', 'OAUTHBEARER'],
        ['iq', 'set'],
        ['enable', undefined],
        ['iq', 'get'],
      ],
    );
    assert.equal(last.received[2]?.attrs.resume, 'true');
    assert.equal(last.received[4]?.name, 'presence');
    assert.equal(last.headers[0]?.attrs.to, 'gk.test');
    assert.equal(last.headers[0]?.attrs.from, 'me@gk.test');
    assert.equal(last.socket.alpnProtocol, 'xmpp-client');
    assert.equal((last.socket as { servername?: string }).servername, 'gk.test');
    assert.deepEqual(world.stream.status, {
      kind: 'online',
      boundJid: 'me@gk.test/drawbridge',
      resumed: false,
    });
  });

  it('sends the outbox in order and stores what comes in order', async () => {
    await using world = await createWorld();
    world.store.add(outgoing(1), outgoing(2));
    world.stream.start();
    await until(() => world.store.acked.length === 2, 'acks');
    world.store.add(outgoing(3));
    world.stream.wake();
    await until(() => world.store.acked.length === 3, 'ack');
    assert.deepEqual(world.server.messages, ['out1', 'out2', 'out3']);
    for (const n of [1, 2, 3]) world.server.last?.deliver(incoming(n));
    await until(() => world.store.inbox.length === 3, 'inbox');
    assert.deepEqual(
      world.store.inbox.map(({ id, from }) => [id, from]),
      [1, 2, 3].map((n) => [`in${n}`, 'bob@gk.test/p']),
    );
  });
});

const received = (world: World, name: string) =>
  world.server.last?.received.filter((element) => element.name === name) ?? [];
const ping = xml('ping', { xmlns: 'urn:xmpp:ping' });
const failsWith = (code: string) => (failure: unknown) => hasCode(failure, code);

describe('what is acknowledged', () => {
  it('is what the store has made durable, never what only arrived', async () => {
    await using world = await createWorld();
    let release: (() => void) | undefined;
    world.stream.start();
    await world.online();
    await until(() => (world.store.session?.handled ?? 0) === 1, 'the disco answer is counted');
    world.store.before = (method) =>
      method === 'storeInbound' ? new Promise((resolve) => (release = () => resolve())) : Promise.resolve();
    world.server.last?.deliver(incoming(1));
    world.server.last?.deliver(incoming(2));
    world.server.last?.write(`<r xmlns='${NS_SM}'/>`);
    await until(() => received(world, 'a').length === 1 && release !== undefined, 'the first answer');
    assert.equal(received(world, 'a')[0]?.attrs.h, '1');
    world.store.before = async () => undefined;
    release?.();
    await until(() => received(world, 'a').at(-1)?.attrs.h === '3', 'the rest is told when it is stored');
    assert.equal(world.store.session?.handled, 3);
  });

  it('counts every stanza but stores messages only', async () => {
    await using world = await createWorld();
    world.stream.start();
    await world.online();
    const { last } = world.server;
    last?.deliver(`<presence from='bob@gk.test/p'/>`);
    last?.deliver(`<iq type='get' id='1' from='gk.test'><ping xmlns='urn:xmpp:ping'/></iq>`);
    for (const type of ['chat', 'normal', 'headline', 'error']) {
      last?.deliver(`<message type='${type}' id='${type}' from='bob@gk.test'/>`);
    }
    last?.write(`<other xmlns='urn:other'/>`);
    await until(() => world.store.inbox.length === 4, 'inbox');
    assert.equal(world.store.session?.handled, 7);
    await until(
      () => received(world, 'iq').some((iq) => iq.attrs.type === 'result' && iq.attrs.id === '1'),
      'pong',
    );
  });

  it('includes a stanza that broke a limit, so that it does not come for ever', async () => {
    await using world = await createWorld();
    world.stream.start();
    await world.online();
    const { last } = world.server;
    last?.deliver(`<message id='deep' from='bob@gk.test'>${'<a>'.repeat(40)}${'</a>'.repeat(40)}</message>`);
    last?.deliver(`<message id='bad-from' from='@@'/>`);
    last?.deliver(incoming(1));
    await until(() => world.store.inbox.length === 2, 'inbox');
    assert.equal(world.store.session?.handled, 4);
    assert.deepEqual(
      world.log.entries.filter(({ level }) => level === 'warn').map(({ message }) => message),
      ['stanza refused', 'message refused'],
    );
    assert.equal(world.server.connections.length, 1);
  });

  it('a message over a limit leaves who sent it in the store, if it is known to be a contact (case 2.11)', async () => {
    await using world = await createWorld();
    world.stream.start();
    await world.online();
    const { last } = world.server;
    const large = 'x'.repeat(300_000);
    last?.deliver(`<message id='large' from='bob@gk.test/p'><body>${large}</body></message>`);
    for (const from of [`from='me@gk.test'`, '', `from='@@'`]) {
      last?.deliver(`<message id='nobody' ${from}><body>${large}</body></message>`);
    }
    last?.deliver(`<message id='swollen' from='bob@gk.test/p'><body>${'&quot;'.repeat(1)}</body></message>`);
    await until(() => world.store.session?.handled === 6, 'all are counted');
    assert.deepEqual(
      world.store.inbox.map(({ xml: text }) => text),
      [
        '<message xmlns="jabber:client" from="bob@gk.test/p" id="large"><discarded xmlns="urn:drawbridge:discarded:1"/></message>',
        '<message xmlns="jabber:client" id="swollen" from="bob@gk.test/p"><body>"</body></message>',
      ],
    );
  });

  it('a store that is slow makes the server wait (case 4.2)', async () => {
    await using world = await createWorld();
    world.stream.start();
    await world.online();
    let release: (() => void) | undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    world.store.before = (method) => (method === 'storeInbound' ? held : Promise.resolve());
    const big = `<message from='bob@gk.test'><body>${'x'.repeat(100_000)}</body></message>`;
    for (let count = 0; count < 400; count += 1) world.server.last?.deliver(big);
    const { socket } = world.server.last ?? {};
    await until(() => (socket?.writableLength ?? 0) > 1_000_000, 'the server is left with its data');
    // What was taken in is bounded: the queue, and what the kernel holds for both sides.
    await until(() => (socket?.bytesWritten ?? 0) > 4_000_000, 'the queue is full');
    assert.equal(world.store.inbox.length, 0);
    release?.();
    await until(() => world.store.inbox.length === 400, 'all of it in the end');
    assert.equal(world.stream.status.kind, 'online');
  });

  it('a store without room makes the server wait, and what has found none comes again (case 5.3)', async () => {
    await using world = await createWorld();
    world.stream.start();
    await until(() => world.store.session?.isCaughtUp === true, 'caught up');
    world.store.full = Promise.withResolvers();
    const big = (n: number) =>
      `<message id='in${n}' from='bob@gk.test'><body>${'x'.repeat(100_000)}</body></message>`;
    for (let n = 0; n < 100; n += 1) world.server.last?.deliver(big(n));
    const { socket } = world.server.last ?? {};
    await until(() => (socket?.bytesWritten ?? 0) > 4_000_000, 'the queue is full');
    await until(() => (socket?.writableLength ?? 0) > 1_000_000, 'the server is left with its data');
    const { handled } = world.store.session ?? {};
    await world.stream.stop();
    assert.equal(world.store.inbox.length, 0);
    assert.equal(world.store.session?.handled, handled, 'nothing of it is acknowledged');
    world.store.full.resolve();
    world.store.full = undefined;
    world.restart().start();
    await until(() => world.store.inbox.length === 100, 'all of it in the end');
    assert.deepEqual(
      world.store.inbox.map(({ id }) => id),
      Array.from({ length: 100 }, (_, n) => `in${n}`),
    );
  });

  it('a store that fails ends the connection, and nothing is acknowledged', async () => {
    await using world = await createWorld();
    world.stream.start();
    await world.online();
    await until(() => (world.store.session?.handled ?? 0) === 1, 'the disco answer is counted');
    let failures = 0;
    world.store.before = async (method) => {
      if (method === 'storeInbound' && failures++ === 0) throw new Error('disk full');
    };
    world.server.last?.deliver(incoming(1));
    await until(() => world.store.inbox.length === 1, 'it comes again after the resumption');
    assert(
      world.statuses.some(
        (status) => status.kind === 'waiting' && status.reason.code === 'stream/storeFailed',
      ),
    );
    assert.equal(world.server.connections.length, 2);
    assert.deepEqual(world.server.faults, []);
  });
});

describe('what is stored with a message', () => {
  const forged = `<stanza-id xmlns='urn:xmpp:sid:0' by='me@gk.test' id='forged'/>`;
  it('an archive id, if our account announces the feature', async () => {
    await using world = await createWorld({ behaviour: { announcesStanzaIds: true } });
    world.stream.start();
    await world.online();
    world.server.last?.deliver(
      `<message from='bob@gk.test'>${forged}<stanza-id xmlns='urn:xmpp:sid:0' by='me@gk.test' id='real'/></message>`,
    );
    await until(() => world.store.inbox.length === 1, 'inbox');
    assert.equal(world.store.inbox[0]?.archiveId, 'real');
  });

  it('none, if it does not', async () => {
    await using world = await createWorld();
    world.stream.start();
    await world.online();
    world.server.last?.deliver(`<message from='bob@gk.test'>${forged}</message>`);
    await until(() => world.store.inbox.length === 1, 'inbox');
    assert.equal(world.store.inbox[0]?.archiveId, undefined);
  });
});

describe('queries', () => {
  it('are answered by the one asked, and by no forger', async () => {
    await using world = await createWorld({
      behaviour: {
        onElement: (element, connection) => {
          if (element.attrs.to !== 'keys.gk.test') return false;
          const answer = (from: string, text: string) =>
            connection.deliver(
              `<iq type='result' id='${element.attrs.id}' ${from}><a xmlns='urn:a'>${text}</a></iq>`,
            );
          answer(`from='mallory@gk.test/x'`, 'evil');
          answer('', 'evil');
          answer(`from='keys.gk.test'`, 'good');
          answer(`from='keys.gk.test'`, 'late');
          return true;
        },
      },
    });
    world.stream.start();
    await world.online();
    const answer = await world.stream.query({
      to: 'keys.gk.test',
      type: 'get',
      payload: xml('a', { xmlns: 'urn:a' }),
    });
    assert.equal(answer?.text(), 'good');
    assert.equal(
      world.log.entries.filter(({ message }) => message.startsWith('iq answer from another')).length,
      2,
    );
  });

  it('fail at once without a session, and with the session they were asked in', async () => {
    await using world = await createWorld({
      behaviour: { onElement: (element) => element.attrs.to === 'mute.gk.test' },
    });
    await assert.rejects(
      world.stream.query({ to: 'gk.test', type: 'get', payload: ping }),
      failsWith('stream/offline'),
    );
    world.stream.start();
    await world.online();
    const answer = world.stream.query({ to: 'mute.gk.test', type: 'get', payload: ping });
    await until(() => received(world, 'iq').some((iq) => iq.attrs.to === 'mute.gk.test'), 'asked');
    world.server.last?.cut();
    await assert.rejects(answer, failsWith('stream/lost'));
  });

  it('have the deadline that was asked for', async () => {
    await using world = await createWorld({
      behaviour: { onElement: (element) => element.attrs.to === 'mute.gk.test' },
    });
    world.stream.start();
    await world.online();
    const answer = world.stream.query({ to: 'mute.gk.test', type: 'get', payload: ping, timeoutMs: 20 });
    await assert.rejects(answer, failsWith('stream/timeout'));
    assert.equal(world.stream.status.kind, 'online');
  });
});

describe('a peer that is gone without a word', () => {
  const timeouts = { pingIntervalMs: 20, pingMs: 50 };
  it('is pinged when it is quiet, and left when it does not answer', async () => {
    let isMute = false;
    await using world = await createWorld({
      settings: { timeouts },
      behaviour: {
        onElement: (element) => isMute && element.name === 'iq' && element.attrs.to === 'gk.test',
      },
    });
    world.stream.start();
    await until(() => received(world, 'iq').filter((iq) => iq.getChild('ping')).length >= 2, 'pings');
    assert.equal(world.server.connections.length, 1);
    isMute = true;
    await until(() => world.statuses.some((status) => status.kind === 'waiting'), 'left');
    const waiting = world.statuses.find((status) => status.kind === 'waiting');
    assert.deepEqual([waiting?.reason.code, waiting?.reason.facts], ['stream/timeout', { step: 'ping' }]);
  });

  it('is left too when it answers pings but acknowledges nothing', async () => {
    await using world = await createWorld({
      settings: { timeouts },
      behaviour: { onElement: (element) => element.name === 'r' },
    });
    world.store.add(outgoing(1));
    world.stream.start();
    await until(() => world.statuses.some((status) => status.kind === 'waiting'), 'left');
    const waiting = world.statuses.find((status) => status.kind === 'waiting');
    assert.deepEqual(waiting?.reason.facts, { step: 'ack' });
  });
});

describe('outbox rows', () => {
  it('are numbered durably before they are written', async () => {
    await using world = await createWorld();
    let release: (() => void) | undefined;
    world.store.before = (method) =>
      method === 'markSent' ? new Promise((resolve) => (release = resolve)) : Promise.resolve();
    world.store.add(outgoing(1));
    world.stream.start();
    await until(() => release !== undefined, 'numbering');
    assert.deepEqual(world.server.messages, []);
    release?.();
    await until(() => world.store.acked.length === 1, 'ack');
    // The presence was the first stanza of the session, the question for features waits behind or before it.
    assert.equal(world.store.session?.sent, world.store.rows[0]?.number);
  });

  it('that are no message within the limits are rejected and hold nothing up', async () => {
    await using world = await createWorld();
    const bad = [
      '<iq type="get"/>',
      '<message>',
      'x',
      '<message/><message/>',
      `<message>${'x'.repeat(300_000)}</message>`,
    ];
    world.store.add(...bad, outgoing(1));
    world.stream.start();
    await until(() => world.store.acked.length === 1, 'ack');
    assert.deepEqual(
      world.store.rejected.map(({ code }) => code),
      bad.map(() => 'stream/badStanza'),
    );
    assert.deepEqual(world.server.messages, ['out1']);
    assert.equal(world.server.connections.length, 1);
  });

  it('wait while too many are unacknowledged', async () => {
    let acknowledges = false;
    await using world = await createWorld({
      behaviour: { onElement: (element) => element.name === 'r' && !acknowledges },
    });
    world.store.add(...Array.from({ length: 500 }, (_, index) => outgoing(index)));
    world.stream.start();
    await until(() => world.server.messages.length === 200, 'a window full');
    acknowledges = true;
    world.server.last?.write(`<a xmlns='${NS_SM}' h='${world.server.last.session?.received}'/>`);
    await until(() => world.store.acked.length === 500, 'the rest');
    assert.deepEqual(
      world.server.messages,
      Array.from({ length: 500 }, (_, index) => `out${index}`),
    );
  });
});

describe('stop', () => {
  it('stores and acknowledges what has come, and leaves the session for a resumption', async () => {
    await using world = await createWorld();
    world.stream.start();
    await world.online();
    await until(() => (world.store.session?.handled ?? 0) === 1, 'the disco answer is counted');
    const first = world.server.last;
    first?.deliver(incoming(1));
    await until(() => world.store.inbox.length === 1, 'inbox');
    await world.stream.stop();
    assert.equal(world.stream.status.kind, 'stopped');
    await until(() => world.server.openSockets === 0, 'closed');
    assert.equal(first?.received.at(-1)?.name, 'a');
    assert.equal(first?.session?.unacked.length, 0);
    first?.session?.unacked.push(incoming(2));
    if (first?.session) first.session.sent += 1;
    world.store.add(outgoing(1));
    const again = world.restart();
    again.start();
    await until(() => world.store.inbox.length === 2 && world.store.acked.length === 1, 'resumed');
    assert.deepEqual(again.status, { kind: 'online', boundJid: 'me@gk.test/drawbridge', resumed: true });
    assert.equal(world.server.last?.received.find((element) => element.name === 'resume')?.attrs.h, '2');
    // The first connection may have been lost before its presence was.
    assert.equal(received(world, 'presence').length, 1);
    assert.deepEqual(world.server.faults, []);
  });

  it('ends a session that could not be resumed', async () => {
    await using world = await createWorld({ behaviour: { resumable: false } });
    world.stream.start();
    await world.online();
    let hasEnded = false;
    world.server.last?.socket.once('end', () => (hasEnded = true));
    await world.stream.stop();
    await until(() => hasEnded && world.server.openSockets === 0, 'closed');
    assert.equal(world.store.session?.smId, undefined);
  });

  it('does not wait for a store that hangs', async () => {
    await using world = await createWorld({ settings: { timeouts: { stopMs: 50 } } });
    world.stream.start();
    await world.online();
    world.store.before = (method) =>
      method === 'storeInbound' ? new Promise(() => undefined) : Promise.resolve();
    world.server.last?.deliver(incoming(1));
    await world.stream.stop();
    await until(() => world.server.openSockets === 0, 'closed');
    assert.deepEqual(world.store.inbox, []);
  });

  it('before start, twice, and while connecting is harmless', async () => {
    await using world = await createWorld({ behaviour: { mute: 'tcp' } });
    await world.stream.stop();
    world.stream.start();
    world.stream.start();
    await until(() => world.server.tcpConnections === 1, 'connecting');
    await Promise.all([world.stream.stop(), world.stream.stop()]);
    await until(() => world.server.openSockets === 0, 'closed');
    assert.deepEqual(world.stream.status, { kind: 'stopped' });
  });
});
