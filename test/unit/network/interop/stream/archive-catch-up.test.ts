import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../../../../src/ambient/clock.ts';
import { systemRandom } from '../../../../../src/ambient/random.ts';
import type { Clock } from '../../../../../src/model/ambient.ts';
import { ArchiveCatchUp } from '../../../../../src/network/interop/stream/archive-catch-up.ts';
import { NS_SM } from '../../../../../src/network/interop/stream/namespaces.ts';
import { readStanza } from '../../../../../src/network/interop/stream/stanza-xml.ts';
import { RecordingLog } from '../../../../doubles/recording-log.ts';
import { ARCHIVED_AT, end, refuse, result, ScriptedArchive } from './scripted-archive.ts';
import { createWorld, incoming, until, type World, type WorldOptions } from './stream-world.ts';

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => String(from + index));
const ids = (world: World) => world.store.inbox.map(({ id }) => id);
const inbound = (all: readonly string[]) => all.map((n) => `in${n}`);
const isCaughtUp = (world: World) => () => world.store.session?.isCaughtUp === true;
const warnings = (world: World) =>
  world.log.entries.filter(({ level }) => level === 'warn').map(({ message }) => message);

async function worldWith(archive: ScriptedArchive, options: WorldOptions = {}): Promise<World> {
  return await createWorld({ ...options, behaviour: { ...archive.behaviour, ...options.behaviour } });
}

/** A clock whose long pauses are short, and which tests may set forward. */
function hastyClock(): Clock & { aheadMs: number } {
  const clock = {
    aheadMs: 0,
    nowMs: () => systemClock.nowMs() + clock.aheadMs,
    sleep: (ms: number, signal?: AbortSignal) =>
      systemClock.sleep([1000, 2000, 4000, 8000].includes(ms) ? 5 : ms, signal),
  };
  return clock;
}

describe('a session bound anew', () => {
  it('gets all that was archived, page after page, once, in order, and says so durably', async () => {
    const archive = new ScriptedArchive();
    for (const n of numbers(0, 250)) archive.add(n);
    await using world = await worldWith(archive);
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(ids(world), inbound(numbers(0, 250)));
    assert.equal(world.store.archiveId, 'a249');
    assert.deepEqual(
      archive.queries.map(({ type, to, after, start, max }) => [type, to, after, start, max]),
      [undefined, 'a99', 'a199'].map((after) => ['set', 'me@gk.test', after, undefined, 100]),
    );
    for (const { queryId } of archive.queries) assert.match(queryId, /^[0-9a-f]{32}$/);
    assert.equal(new Set(archive.queries.map(({ queryId }) => queryId)).size, 3);
    // The features, 250 results, three ends.
    assert.equal(world.store.session?.handled, 254);
    assert.deepEqual(warnings(world), []);
  });

  it('keeps of an archived message what its sender wrote, the archive id and the time', async () => {
    const archive = new ScriptedArchive();
    const forged = `<stanza-id xmlns='urn:xmpp:sid:0' by='me@gk.test' id='forged'/>`;
    archive.addMessage(`id='x' from='bob@gk.test/p' type='chat'`, `<body>é &amp; ü</body>${forged}`, 'real');
    await using world = await worldWith(archive);
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(world.store.inbox, [
      {
        from: 'bob@gk.test/p',
        id: 'x',
        digest: world.store.inbox[0]?.digest,
        archiveId: 'real',
        delayedAtMs: Date.parse(ARCHIVED_AT),
        xml: `<message xmlns="jabber:client" id="x" from="bob@gk.test/p" type="chat"><body>é &amp; ü</body><stanza-id xmlns="urn:xmpp:sid:0" by="me@gk.test" id="forged"/></message>`,
      },
    ]);
    assert.equal(world.store.archiveId, 'real');
  });

  it('is there before it asks, so that nothing falls between archive and delivery', async () => {
    const archive = new ScriptedArchive();
    await using world = await worldWith(archive);
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    const received = world.server.last?.received ?? [];
    const presence = received.findIndex(({ name }) => name === 'presence');
    const query = received.findIndex((element) => element.getChild('query', 'urn:xmpp:mam:2') !== undefined);
    assert(presence !== -1 && presence < query);
  });

  it('asks only for what comes after the last durable archive id, live ones included', async () => {
    const archive = new ScriptedArchive();
    archive.add(0);
    await using world = await worldWith(archive);
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    archive.addLive(world.server.last, 1);
    await until(() => world.store.archiveId === 'a1', 'the live one is durable');
    world.server.sessions.clear();
    archive.add(2);
    world.server.last?.cut();
    await until(() => world.store.begun === 2 && isCaughtUp(world)(), 'caught up again');
    assert.deepEqual(
      archive.queries.map(({ after }) => after),
      [undefined, 'a1'],
    );
    assert.deepEqual(ids(world), ['in0', 'in1', 'in2']);
    assert.equal(world.store.repeats, 0);
  });

  it('passes over what our own account sent, and does not ask for it again', async () => {
    const archive = new ScriptedArchive();
    archive.add(0);
    archive.addMessage(`from='me@gk.test/drawbridge' to='bob@gk.test' id='o1'`, '<body>x</body>', 'own1');
    archive.addMessage(`from='ME@gk.test' to='me@gk.test' id='o2'`, '<body>x</body>', 'own2');
    await using world = await worldWith(archive);
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(ids(world), ['in0']);
    assert.equal(world.store.archiveId, 'own2');
  });

  it('takes a message that fits, though what the archive wraps around it does not', async () => {
    const archive = new ScriptedArchive();
    const head = `<message xmlns="jabber:client" id="big" from="bob@gk.test/p"><body></body></message>`;
    const text = 'x'.repeat(256 * 1024 - head.length);
    archive.addMessage(`id='big' from='bob@gk.test/p'`, `<body>${text}</body>`, 'a0');
    archive.addMessage(`id='bigger' from='bob@gk.test/p'`, `<body>${text}xxxxxxxx</body>`, 'a1');
    archive.addMessage(`id='huge' from='bob@gk.test/p'`, `<body>${text.repeat(2)}</body>`, 'a2');
    await using world = await worldWith(archive);
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(ids(world), ['big', 'bigger']);
    assert.match(world.store.inbox[1]?.xml ?? '', /<discarded /, 'who sent it is told');
    assert.deepEqual(warnings(world).sort(), ['message refused', 'stanza refused']);
    // The last one never came, but the end of the page names it: it must not be fetched for ever.
    assert.equal(world.store.archiveId, 'a2');
  });

  it('asks nothing where no archive is announced', async () => {
    await using world = await createWorld({ behaviour: { announcesStanzaIds: true } });
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    world.server.last?.deliver(incoming(1));
    await until(() => world.store.inbox.length === 1, 'inbox');
    assert.equal(
      world.server.last?.received.some((element) => element.getChild('query', 'urn:xmpp:mam:2')),
      false,
    );
  });

  it('goes on where the account has no archive after all', async () => {
    for (const condition of ['service-unavailable', 'feature-not-implemented']) {
      const archive = new ScriptedArchive();
      archive.onQuery = (query, connection) => {
        refuse(query, connection, condition);
        return true;
      };
      await using world = await worldWith(archive);
      world.stream.start();
      await until(isCaughtUp(world), 'caught up');
      assert.deepEqual(warnings(world), []);
    }
  });
});

describe('what is delivered while the archive is read', () => {
  it('waits behind all that is archived', async () => {
    const archive = new ScriptedArchive();
    for (const n of numbers(0, 150)) archive.add(n);
    archive.onQuery = (query, connection) => {
      if (query.after === undefined) connection.deliver(incoming('early'));
      archive.answer(query, connection);
      if (query.after === undefined) archive.addLive(connection, 'late');
      return true;
    };
    await using world = await worldWith(archive);
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(ids(world), inbound([...numbers(0, 150), 'late', 'early']));
    assert.equal(world.store.repeats, 0);
    assert.equal(world.store.archiveId, 'alate');
  });

  it('is not acknowledged before it is stored, nor is what came after it', async () => {
    const archive = new ScriptedArchive();
    for (const n of numbers(0, 150)) archive.add(n);
    let answerRest: (() => void) | undefined;
    archive.onQuery = (query, connection) => {
      if (query.after === undefined) connection.deliver(incoming('live'));
      if (query.after === undefined) archive.answer(query, connection);
      else answerRest = () => archive.answer(query, connection);
      return true;
    };
    await using world = await worldWith(archive);
    world.stream.start();
    await until(() => world.store.inbox.length === 100 && answerRest !== undefined, 'a page is stored');
    world.server.last?.write(`<r xmlns='${NS_SM}'/>`);
    const acks = () => world.server.last?.received.filter(({ name }) => name === 'a') ?? [];
    await until(() => acks().length > 0, 'acknowledged');
    assert.deepEqual([acks().at(-1)?.attrs.h, world.store.session?.handled], ['1', 1]);
    answerRest?.();
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(ids(world), inbound([...numbers(0, 150), 'live']));
    // The features, 150 results, two ends, the live one.
    assert.equal(world.store.session?.handled, 154);
  });

  it('comes once when the archive has it too, also without an id', async () => {
    const archive = new ScriptedArchive();
    const items = numbers(0, 5).map((n) => archive.add(n));
    const nameless = archive.addMessage(`from='bob@gk.test/p'`, '<body>x</body>', 'nameless');
    archive.onQuery = (query, connection) => {
      // As a server does that keeps for the absent what it archives as well.
      if (query.after === undefined)
        for (const item of [...items, nameless]) archive.deliver(connection, item);
      return false;
    };
    await using world = await worldWith(archive);
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(ids(world), [...inbound(numbers(0, 5)), undefined]);
    // Not even offered to the store a second time.
    assert.equal(world.store.repeats, 0);
    assert.equal(world.store.archiveId, 'nameless');
    archive.deliver(world.server.last, nameless);
    await until(() => world.store.repeats === 1, 'a repeat later on is told by its archive id');
    assert.equal(world.store.inbox.length, 6);
  });

  it('older than our place in the archive does not move it back', async () => {
    const archive = new ScriptedArchive();
    for (const n of numbers(0, 3)) archive.add(n);
    const old = archive.items[0];
    archive.onQuery = (_query, connection) => {
      if (old !== undefined) archive.deliver(connection, old);
      return false;
    };
    await using world = await worldWith(archive);
    world.store.archiveId = 'a1';
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(ids(world), inbound(['2', '0']));
    assert.equal(world.store.archiveId, 'a2');
  });

  it('is bounded: what finds no room is left to the archive, and nothing is lost or out of order', async () => {
    const archive = new ScriptedArchive();
    archive.onQuery = (query, connection) => {
      const asked = archive.queries.length;
      const [first, last] = asked === 1 ? [0, 1500] : [1498 + asked, 1499 + asked];
      // What is archived while a page is answered is not in it; and there is always more.
      if (asked <= 4) for (const n of numbers(first, last)) archive.addLive(connection, n);
      if (asked <= 4) connection.deliver(end(query, {}));
      else archive.answer(query, connection);
      return true;
    };
    await using world = await worldWith(archive);
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(ids(world), inbound(numbers(0, 1503)));
    assert.equal(world.store.repeats, 0);
    assert.equal(world.store.archiveId, 'a1502');
    // The features, live ones, and every page: all is acknowledged in the end.
    await until(() => world.store.session?.handled === world.server.last?.session?.sent, 'counted');
  });

  it('and not archived is stored though there is no room', async () => {
    const archive = new ScriptedArchive();
    let answer: (() => void) | undefined;
    archive.onQuery = (query, connection) => {
      for (const n of numbers(0, 1100)) connection.deliver(incoming(n));
      answer = () => archive.answer(query, connection);
      return true;
    };
    await using world = await worldWith(archive);
    world.stream.start();
    await until(() => world.store.inbox.length === 100, 'those without room');
    answer?.();
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(ids(world), inbound([...numbers(1000, 1100), ...numbers(0, 1000)]));
  });
});

describe('a cut', () => {
  for (const isKnown of [true, false]) {
    const how = isKnown ? 'that is resumed' : 'that is not';
    it(`in the middle of a page: the session ${how} goes on after the last durable id`, async () => {
      const archive = new ScriptedArchive();
      for (const n of numbers(0, 250)) archive.add(n);
      archive.onQuery = (query, connection) => {
        if (archive.queries.length !== 2) return false;
        connection.deliver(incoming('live'));
        for (const item of archive.page(query).page.slice(0, 30))
          connection.deliver(result(item, query.queryId));
        return true;
      };
      await using world = await worldWith(archive);
      world.stream.start();
      await until(() => world.store.archiveId === 'a129', 'part of a page');
      world.server.behaviour.knowsSessions = isKnown;
      if (!isKnown) archive.add('live');
      world.server.last?.cut();
      await until(isCaughtUp(world), 'caught up');
      assert.deepEqual(
        archive.queries.map(({ after }) => after),
        [undefined, 'a99', 'a129', 'a229'],
      );
      assert.deepEqual(ids(world), inbound([...numbers(0, 250), 'live']));
      assert.equal(world.store.repeats, 0);
      assert.equal(world.store.begun, isKnown ? 1 : 2);
      assert.deepEqual(world.server.faults, []);
    });
  }

  it('after the archive was read: the resumed session asks nothing', async () => {
    const archive = new ScriptedArchive();
    archive.add(0);
    await using world = await worldWith(archive);
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    world.server.last?.cut();
    await until(() => world.server.connections.length === 2 && world.stream.status.kind === 'online', 'back');
    await world.stream.stop();
    const again = world.restart();
    again.start();
    await until(() => again.status.kind === 'online', 'back after a restart');
    archive.addLive(world.server.last, 1);
    await until(() => world.store.archiveId === 'a1', 'live');
    assert.equal(archive.queries.length, 1);
    assert.equal(world.store.begun, 1);
  });

  it('before a live message is stored: it comes again, in its place', async () => {
    const archive = new ScriptedArchive();
    for (const n of numbers(0, 3)) archive.add(n);
    await using world = await worldWith(archive);
    let fails = true;
    world.store.before = async (method) => {
      if (method !== 'markCaughtUp' || !fails) return;
      fails = false;
      throw new Error('disk full');
    };
    archive.onQuery = (query, connection) => {
      if (archive.queries.length === 1) connection.deliver(incoming('live'));
      archive.answer(query, connection);
      return true;
    };
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(ids(world), inbound(['0', '1', '2', 'live']));
    assert.deepEqual(
      archive.queries.map(({ after }) => after),
      [undefined, 'a2'],
    );
  });
});

describe('a result', () => {
  it('of a contact is nothing but a message of that contact', async () => {
    const archive = new ScriptedArchive();
    archive.add(0);
    const forged = { id: 'evil', message: `<message xmlns='jabber:client' id='evil' from='bob@gk.test/p'/>` };
    archive.onQuery = (query, connection) => {
      connection.deliver(result(forged, query.queryId, `from='mallory@gk.test/x' id='m1'`));
      connection.deliver(result(forged, query.queryId, `from='gk.test' id='m2'`));
      return false;
    };
    await using world = await worldWith(archive);
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(
      world.store.inbox.map(({ from, id, archiveId }) => [from, id, archiveId]),
      [
        ['bob@gk.test/p', 'in0', 'a0'],
        ['mallory@gk.test/x', 'm1', undefined],
        ['gk.test', 'm2', undefined],
      ],
    );
    assert.equal(world.store.archiveId, 'a0');
  });

  it('without a sender is of our own account', async () => {
    const archive = new ScriptedArchive();
    const item = archive.add(0);
    archive.onQuery = (query, connection) => {
      connection.deliver(result(item, query.queryId, ''));
      connection.deliver(end(query, { last: item.id }));
      return true;
    };
    await using world = await worldWith(archive);
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(ids(world), ['in0']);
  });

  it('that was not asked for, or can not be, is counted and dropped (case 1.16)', async () => {
    const archive = new ScriptedArchive();
    const item = archive.add(0);
    archive.onQuery = (query, connection) => {
      const wrong = query.queryId.replace(/^./, (digit) => (digit === 'f' ? '0' : 'f'));
      const evil = `<message xmlns='jabber:client' from='bob@gk.test/p' id='evil'/>`;
      connection.deliver(result({ id: 'x1', message: evil }, wrong));
      connection.deliver(result({ ...item, id: '' }, query.queryId));
      connection.deliver(result({ ...item, id: 'x'.repeat(256) }, query.queryId));
      connection.deliver(result({ ...item, message: '' }, query.queryId));
      connection.deliver(`<message from='me@gk.test'><result xmlns='urn:xmpp:mam:2'/></message>`);
      return false;
    };
    await using world = await worldWith(archive);
    world.server.behaviour.onElement = ((before) => (element, connection) => {
      if (element.name === 'presence') connection.deliver(result({ ...item, id: 'x2' }, ''));
      return before(element, connection);
    })(world.server.behaviour.onElement);
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    world.server.last?.deliver(result({ ...item, id: 'x3' }, archive.queries[0]?.queryId ?? ''));
    await until(() => world.store.session?.handled === world.server.last?.session?.sent, 'counted');
    assert.deepEqual(ids(world), ['in0']);
    assert.equal(world.store.archiveId, 'a0');
  });

  it('too many in a page are left for the next page', async () => {
    const archive = new ScriptedArchive();
    for (const n of numbers(0, 250)) archive.add(n);
    archive.onQuery = (query, connection) => {
      archive.answer({ ...query, max: 1000 }, connection);
      return true;
    };
    await using world = await worldWith(archive);
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(ids(world), inbound(numbers(0, 250)));
    assert.deepEqual(
      archive.queries.map(({ after }) => after),
      [undefined, 'a99', 'a199'],
    );
    assert.equal(world.store.repeats, 0);
  });
});

describe('an archive', () => {
  it('that has forgotten our place is asked from a time on that is surely remembered here', async () => {
    const archive = new ScriptedArchive();
    for (const n of numbers(0, 120)) archive.add(n);
    await using world = await worldWith(archive);
    world.store.archiveId = 'expired';
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(ids(world), inbound(numbers(0, 120)));
    assert.equal(world.store.archiveId, 'a119');
    const [first, second, third] = archive.queries;
    assert.deepEqual([first?.after, first?.start, second?.after], ['expired', undefined, undefined]);
    assert.deepEqual([third?.after, third?.start], ['a99', second?.start]);
    const daysBack = (Date.now() - Date.parse(second?.start ?? '')) / (24 * 60 * 60_000);
    assert(daysBack > 28.9 && daysBack < 29.1);
    assert.deepEqual(warnings(world), ['archive does not know our place: asked from an earlier time']);
  });

  it('that never ends holds live messages for ten minutes at most (case 1.16)', async () => {
    const archive = new ScriptedArchive();
    const clock = hastyClock();
    archive.onQuery = (query, connection) => {
      const n = archive.queries.length;
      connection.deliver(result(archive.add(n), query.queryId));
      connection.deliver(end(query, { isComplete: false, last: `a${n}` }));
      clock.aheadMs += 3 * 60_000;
      if (n === 1) connection.deliver(incoming('live'));
      return true;
    };
    await using world = await worldWith(archive, { clock });
    world.stream.start();
    await until(() => ids(world).includes('inlive'), 'live');
    assert.deepEqual(warnings(world), ['archive long: live messages wait no longer']);
    const pages = archive.queries.length;
    await until(() => archive.queries.length > pages + 2, 'it is asked on, slowly');
    assert.equal(world.store.session?.isCaughtUp, false);
    assert.equal(warnings(world).length, 1);
  });

  it('is not asked on while the store has no room, however long, and that does not count against it (case 5.4)', async () => {
    const archive = new ScriptedArchive();
    for (let n = 0; n < 250; n += 1) archive.add(n);
    const clock = hastyClock();
    await using world = await worldWith(archive, { clock });
    world.store.full = Promise.withResolvers();
    world.stream.start();
    await world.online();
    await until(() => world.server.last?.received.some(({ name }) => name === 'presence') ?? false, 'there');
    archive.addLive(world.server.last, 'live');
    // Time that passes before is not that of the wait.
    await until(() => world.store.waitsForRoom, 'waiting for room');
    clock.aheadMs = 60 * 60_000;
    assert.deepEqual(archive.queries, []);
    world.store.full.resolve();
    world.store.full = undefined;
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(
      world.store.inbox.map(({ id }) => id),
      [...Array.from({ length: 250 }, (_, n) => `in${n}`), 'inlive'],
    );
    assert.deepEqual(warnings(world), []);
  });

  it('that does not move on, is in trouble, or asks for patience holds nothing up, and is asked again', async () => {
    const faults: Record<string, (...args: Parameters<ScriptedArchive['onQuery']>) => void> = {
      'the same page': (query, connection) =>
        connection.deliver(end(query, { isComplete: false, last: 'a0' })),
      'no end': (query, connection) =>
        connection.deliver(`<iq type='result' id='${query.iqId}' from='me@gk.test'/>`),
      'an internal error': (query, connection) => refuse(query, connection, 'internal-server-error'),
      patience: (query, connection) => refuse(query, connection, 'resource-constraint', 'wait'),
    };
    for (const [what, fault] of Object.entries(faults)) {
      const archive = new ScriptedArchive();
      archive.add(0);
      archive.add(1);
      let isBroken = true;
      archive.onQuery = (query, connection) => {
        if (isBroken) fault(query, connection);
        return isBroken;
      };
      await using world = await worldWith(archive, { clock: hastyClock() });
      world.store.archiveId = 'a0';
      world.stream.start();
      await until(() => archive.queries.length === 3, `asked again: ${what}`);
      archive.addLive(world.server.last, 2);
      await until(() => ids(world).includes('in2'), 'live');
      // Were it moved, number 1 would never be asked for again.
      assert.equal(world.store.archiveId, 'a0', what);
      assert.equal(world.store.session?.isCaughtUp, false);
      isBroken = false;
      await until(isCaughtUp(world), 'caught up');
      assert.deepEqual(ids(world), inbound(['2', '1']), what);
      assert.equal(world.store.archiveId, 'a2');
      assert.equal(world.store.repeats, 1);
    }
  });

  it('that is mute has a deadline for each page; what comes after it is dropped', async () => {
    const archive = new ScriptedArchive();
    const item = archive.add(0);
    archive.onQuery = () => archive.queries.length === 1;
    await using world = await worldWith(archive, {
      clock: hastyClock(),
      settings: { timeouts: { archivePageMs: 60 } },
    });
    world.stream.start();
    await until(() => archive.queries.length > 0, 'asked');
    world.server.last?.deliver(incoming('live'));
    await until(() => ids(world).includes('inlive'), 'live');
    world.server.last?.deliver(result({ ...item, id: 'late' }, archive.queries[0]?.queryId ?? ''));
    await until(isCaughtUp(world), 'caught up');
    assert.deepEqual(ids(world), inbound(['live', '0']));
    assert.equal(world.store.archiveId, 'a0');
    assert.deepEqual(warnings(world), ['archive not read: asked again later']);
  });

  it('that is slow but brings something is waited for', async () => {
    const archive = new ScriptedArchive();
    for (const n of numbers(0, 5)) archive.add(n);
    archive.onQuery = (query, connection) => {
      void (async () => {
        for (const item of archive.page(query).page) {
          await systemClock.sleep(60);
          connection.deliver(result(item, query.queryId));
        }
        connection.deliver(end(query, { last: 'a4' }));
      })();
      return true;
    };
    await using world = await worldWith(archive, { settings: { timeouts: { archivePageMs: 200 } } });
    world.stream.start();
    await until(isCaughtUp(world), 'caught up');
    assert.equal(archive.queries.length, 1);
    assert.deepEqual(ids(world), inbound(numbers(0, 5)));
  });
});

describe('the bound of what is waited for', () => {
  it('is 50,000 results, however fast they come', async () => {
    const log = new RecordingLog();
    const released: string[] = [];
    const over = new AbortController();
    const queue = {
      arrivals: 0,
      push: () => undefined,
      release: async ({ kind }: { kind: string }) => {
        released.push(kind);
        over.abort();
        return true;
      },
    };
    let asked = 0;
    const catchUp = new ArchiveCatchUp({
      store: { findArchiveId: async () => undefined, whenRoom: async () => undefined },
      queue,
      features: Promise.resolve({ stanzaIds: true, archive: true }),
      ask: async (payload) => {
        asked += 1;
        for (const n of numbers(0, 100)) {
          const item = {
            id: `a${asked}-${n}`,
            message: `<message xmlns='jabber:client' from='bob@gk.test'/>`,
          };
          assert(catchUp.read(readStanza(result(item, payload.attrs.queryid ?? ''))) !== undefined);
        }
        return readStanza(
          end({ iqId: 'x' }, { isComplete: false, last: `a${asked}-99` }),
        ).getChildElements()[0];
      },
      isHeld: () => false,
      pageMs: 60_000,
      clock: systemClock,
      random: systemRandom,
      log,
    });
    await catchUp.run(over.signal);
    assert.equal(asked, 500);
    assert.deepEqual(released, ['behind']);
    assert.deepEqual(log.entries.at(-1)?.facts, { results: 50_000 });
  });
});
