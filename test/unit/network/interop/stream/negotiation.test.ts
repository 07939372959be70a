import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BridgeError } from '../../../../../src/model/errors.ts';
import { OWN } from './scripted-server.ts';
import { createWorld, until, type World, type WorldOptions } from './stream-world.ts';

const timeouts = { negotiationMs: 300 };

/** Starts and gives back why the first attempt ended; nothing was sent in the clear or after login. */
async function firstEnd(
  options: WorldOptions,
  check: (world: World) => void = () => undefined,
): Promise<BridgeError> {
  // A pause so long that there is no second attempt.
  await using world = await createWorld({ fraction: 0.999, ...options });
  world.stream.start();
  await until(() => world.statuses.some((status) => status.kind === 'waiting'), 'the end of the attempt');
  const waiting = world.statuses.find((status) => status.kind === 'waiting');
  assert(waiting !== undefined);
  assert(!world.statuses.some((status) => status.kind === 'online'));
  check(world);
  await until(() => world.server.openSockets === 0, 'the socket is destroyed');
  return waiting.reason;
}

const wroteNothing = (world: World) => assert.deepEqual(world.server.last?.received ?? [], []);

describe('a server that can not be talked to', () => {
  it('is silent after TCP: a deadline ends it (case 1.13)', async () => {
    const end = await firstEnd({ behaviour: { mute: 'tcp' }, settings: { timeouts } });
    assert.deepEqual([end.code, end.facts.step], ['stream/timeout', 'connecting']);
  });

  it('is silent after TLS: a deadline ends it (case 1.13)', async () => {
    const end = await firstEnd({ behaviour: { mute: 'tls' }, settings: { timeouts } });
    assert.equal(end.code, 'stream/timeout');
  });

  it('stays silent in the middle of the login, the binding, or the enabling of stream management', async () => {
    for (const name of ['iq', 'enable']) {
      const end = await firstEnd({
        behaviour: { onElement: (element) => element.name === name },
        settings: { timeouts },
      });
      assert.equal(end.code, 'stream/timeout');
    }
  });

  it('drips: what comes meanwhile does not move the deadline (case 1.14)', async () => {
    let dripping: NodeJS.Timeout | undefined;
    try {
      const end = await firstEnd({
        behaviour: {
          onHeader: (connection) => {
            connection.write(`<stream:stream xmlns='jabber:client' a='`);
            dripping = setInterval(() => connection.write('x'), 5);
            return true;
          },
        },
        settings: { timeouts },
      });
      assert.equal(end.code, 'stream/timeout');
    } finally {
      clearInterval(dripping);
    }
  });

  it('does not listen', async () => {
    const end = await firstEnd({ settings: { port: 1 } });
    assert.deepEqual([end.code, end.facts.why], ['stream/unreachable', 'ECONNREFUSED']);
  });
});

describe('what the server must offer', () => {
  it('OAUTHBEARER; no other mechanism is used, and no token leaves us (case 1.21)', async () => {
    let tokens = 0;
    const end = await firstEnd(
      {
        behaviour: { mechanisms: ['PLAIN', 'SCRAM-SHA-1', 'ANONYMOUS', 'oauthbearer'] },
        token: async () => `token${tokens++}`,
      },
      wroteNothing,
    );
    assert.deepEqual([end.code, end.facts.feature], ['stream/featureMissing', 'OAUTHBEARER']);
    assert.equal(tokens, 0);
  });

  it('OAUTHBEARER in the old SASL: SASL2 alone is not taken up', async () => {
    const sasl2 = `<authentication xmlns='urn:xmpp:sasl:2'><mechanism>OAUTHBEARER</mechanism></authentication>`;
    const end = await firstEnd(
      {
        behaviour: {
          onHeader: (connection) => {
            connection.greet(sasl2);
            return true;
          },
        },
      },
      wroteNothing,
    );
    assert.equal(end.code, 'stream/featureMissing');
  });

  it('stream management and binding', async () => {
    const end = await firstEnd({ behaviour: { sm: false } });
    assert.deepEqual([end.code, end.facts.feature], ['stream/featureMissing', 'sm']);
  });

  it('a binding of our own JID', async () => {
    const bound = (jid: string) => ({
      onElement: (
        element: { name: string; attrs: Record<string, string> },
        connection: { write(text: string): void },
      ) => {
        if (element.name !== 'iq') return false;
        const bind = `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>${jid}</jid></bind>`;
        connection.write(`<iq type='result' id='${element.attrs.id}'>${bind}</iq>`);
        return true;
      },
    });
    for (const jid of ['mallory@gk.test/drawbridge', '', '@', `${OWN}x/drawbridge`]) {
      const end = await firstEnd({ behaviour: bound(jid) });
      assert.deepEqual([end.code, end.facts.rule], ['stream/protocolViolation', 'bound-jid']);
    }
  });
});

describe('the login', () => {
  it('that is refused tells the condition, after the challenge of RFC 7628 too', async () => {
    const conditions: Record<string, string> = {
      'not-authorized': 'stream/notAuthorized',
      'account-disabled': 'stream/notAuthorized',
      'temporary-auth-failure': 'stream/closedByServer',
    };
    for (const [condition, code] of Object.entries(conditions)) {
      const end = await firstEnd({ behaviour: { login: () => condition } });
      assert.deepEqual([end.code, end.facts.condition], [code, condition]);
    }
    const responses: string[] = [];
    const end = await firstEnd({
      behaviour: {
        login: (response) => {
          responses.push(response);
          return responses.length === 1 ? 'challenge' : 'not-authorized';
        },
      },
    });
    assert.equal(end.code, 'stream/notAuthorized');
    assert.equal(responses[1], '\x01');
  });

  it('needs a token; a callback that fails or gives what is none ends the attempt', async () => {
    const failing = await firstEnd({ token: async () => Promise.reject(new Error('no key')) }, wroteNothing);
    assert.equal(failing.code, 'stream/tokenUnavailable');
    const odd = await firstEnd({ token: async () => 'a b' }, wroteNothing);
    assert(odd.code.startsWith('stream/'));
    assert(!odd.message.includes('a b'));
  });

  it('tries a refused token once more at once, with a fresh one, then waits for minutes', async () => {
    let tokens = 0;
    await using world = await createWorld({
      behaviour: { login: () => 'not-authorized' },
      token: async () => `token${tokens++}`,
    });
    world.stream.start();
    await until(
      () => world.statuses.filter((status) => status.kind === 'waiting').length === 2,
      'two refusals',
    );
    assert.equal(tokens, 2);
    const last = world.statuses.at(-1);
    assert(last?.kind === 'waiting' && last.retryAtMs - Date.now() > 50_000);
  });
});

describe('the certificate', () => {
  it('for another domain, expired, or of an unknown authority is refused before a byte is sent (case 1.18)', async () => {
    const cases: WorldOptions[] = [
      { behaviour: { certificate: 'other.test' } },
      { behaviour: { certificate: 'expired' } },
      { settings: { extraCa: '' } },
    ];
    for (const options of cases) {
      const end = await firstEnd(options, wroteNothing);
      assert.equal(end.code, 'stream/badCertificate');
    }
  });
});

describe('what a server may not say before login', () => {
  const violations: Record<string, string> = {
    'a stanza': '<message><body>x</body></message>',
    'a large stanza': `<features xmlns='http://etherx.jabber.org/streams'>${'<a xmlns="urn:a"/>'.repeat(1000)}`,
    'a document type': '<!DOCTYPE x>',
    'features twice': `<features xmlns='http://etherx.jabber.org/streams'/>`,
    nonsense: '&xxe;',
  };
  for (const [what, text] of Object.entries(violations)) {
    it(what, async () => {
      const end = await firstEnd({
        behaviour: {
          login: () => 'pending',
          onHeader: (connection) => {
            connection.greet();
            connection.write(text);
            return true;
          },
        },
        settings: { timeouts },
      });
      assert(
        ['stream/protocolViolation', 'stream/limitExceeded', 'stream/notWellFormed'].includes(end.code),
        end.code,
      );
    });
  }

  it('a header of another domain, version or namespace', async () => {
    const header = (attributes: string, ns = 'http://etherx.jabber.org/streams') =>
      `<stream:stream xmlns='jabber:client' xmlns:stream='${ns}' ${attributes}>`;
    for (const text of [
      header(`from='evil.test' version='1.0'`),
      header(''),
      header(`version='1.0'`, 'urn:x'),
      '<a/>',
    ]) {
      const behaviour: WorldOptions['behaviour'] = {
        onHeader: (connection) => {
          connection.write(text);
          return true;
        },
      };
      const end = await firstEnd({ behaviour });
      assert.match(end.code, /protocolViolation|limitExceeded/);
    }
  });

  it('see-other-host: it is not followed, and told as what it is (case 1.9)', async () => {
    const error = `<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>127.0.0.1:1</see-other-host></stream:error>`;
    const end = await firstEnd({
      behaviour: {
        onHeader: (connection) => {
          connection.greet();
          connection.write(error);
          return true;
        },
      },
    });
    assert.equal(end.code, 'stream/redirected');
  });

  it('a success that was not asked for gives nothing', async () => {
    const end = await firstEnd({
      behaviour: {
        mechanisms: ['OAUTHBEARER'],
        onHeader: (connection) => {
          connection.write(
            `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'><success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`,
          );
          return true;
        },
      },
    });
    assert.deepEqual([end.code, end.facts.rule], ['stream/protocolViolation', 'unexpected']);
  });
});

describe('before stream management counts', () => {
  it('a message is stored and not counted, and a forged answer to the binding is not taken', async () => {
    await using world = await createWorld({
      behaviour: {
        onElement: (element, connection) => {
          const { id } = element.attrs;
          if (element.name === 'iq' && element.getChild('bind')) {
            const bind = `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>mallory@gk.test/x</jid></bind>`;
            connection.write(`<iq type='result' id='${id}' from='mallory@gk.test/x'>${bind}</iq>`);
          }
          if (element.name === 'enable') connection.write(`<message from='bob@gk.test' id='early'/>`);
          return false;
        },
      },
    });
    world.stream.start();
    await until(() => world.store.inbox.length === 1 && world.store.session?.handled === 1, 'stored');
    assert.equal(world.store.inbox[0]?.id, 'early');
    assert.deepEqual(world.server.faults, []);
  });
});
