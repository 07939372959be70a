import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { Log } from '../../../../src/model/ambient.ts';
import { messageId, networkId } from '../../../../src/model/ids.ts';
import { createInteropAdapter } from '../../../../src/network/interop/interop.ts';
import type { LinkStatus, LinkStore } from '../../../../src/network/network.ts';
import { StandingClock, sampleAccount } from './samples.ts';

const silent: Log = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silent,
};

const adapter = createInteropAdapter({
  settings: {
    id: networkId('gk'),
    displayName: 'Example',
    apiUrl: 'http://127.0.0.1:1',
    audience: 'https://gk.example',
    domain: 'gk.example',
    gatekeeperJwksUrl: 'http://127.0.0.1:1/jwks.json',
    issuer: 'https://bridge.example.org',
  },
  proof: async () => assert.fail('no proof is needed before TLS stands'),
  clock: new StandingClock(),
  random: { bytes: randomBytes, uuid: randomUUID, fraction: () => 0.5 },
  log: silent,
});

const emptyStore: LinkStore = {
  load: async () => undefined,
  begin: async () => undefined,
  storeInbound: async () => undefined,
  whenRoom: async () => undefined,
  findArchiveId: async () => undefined,
  markCaughtUp: async () => undefined,
  nextOutbound: async () => [],
  markSent: async () => undefined,
  markAcked: async () => undefined,
  listUnacked: async () => [],
  reject: async () => undefined,
};

test('the adapter carries the parts of the profile', () => {
  assert.equal(adapter.id, 'gk');
  assert.equal(adapter.displayName, 'Example');
  assert.deepEqual(adapter.inspectIdentifier('@bob'), { kind: 'username', value: 'bob' });
  const message = {
    id: messageId('00'.repeat(16)),
    sentAtMs: 1,
    expiresInS: 0,
    content: { kind: 'text', body: 'hi', ranges: [] },
  } as const;
  assert.deepEqual(adapter.codec.decode(adapter.codec.encode(message)), message);
  const stranger = {
    from: 'bob@evil.example',
    xml: '<message><body>x</body></message>',
    delayedAtMs: undefined,
  };
  assert.equal(adapter.stanzas.read(stranger, sampleAccount).kind, 'ignored');
});

test('a wake-up cannot be judged while the keys cannot be fetched', async () => {
  const token = `${Buffer.from('{"alg":"ES256"}').toString('base64url')}.e30.AA`;
  await assert.rejects(adapter.verifyPush(token), { code: 'network/unreachable' });
});

test('a link does nothing before its start, tells each state, and stops', async () => {
  const listener = net.createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const statuses: LinkStatus[] = [];
  let onWaiting: () => void = () => undefined;
  const waiting = new Promise<void>((resolve) => {
    onWaiting = resolve;
  });
  const link = adapter.openLink(
    { ...sampleAccount, port },
    {
      store: emptyStore,
      onStatus: (status) => {
        statuses.push(status);
        if (status.kind === 'waiting') onWaiting();
      },
    },
  );
  assert.equal(link.status.kind, 'stopped');
  await assert.rejects(link.keys.count(), { code: 'stream/offline' });
  link.start();
  await waiting;
  await link.stop();
  assert.equal(link.status.kind, 'stopped');
  assert.deepEqual([...new Set(statuses.map(({ kind }) => kind))], ['connecting', 'waiting', 'stopped']);
  listener.close();
  await once(listener, 'close');
});
