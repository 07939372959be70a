/**
 * What we lean on in @xmpp/client: a new version that behaves in another way fails here first, not in an account's
 * connection. The library is driven without a socket, by the events that our parser gives it.
 */
import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type Element, xml } from '@xmpp/client';
import { contactId } from '../../../../../src/model/ids.ts';
import {
  createLibraryClient,
  endLibraryClient,
  type LibraryDeps,
} from '../../../../../src/network/interop/stream/library-client.ts';
import { NS_BIND, NS_SASL, NS_STREAMS } from '../../../../../src/network/interop/stream/namespaces.ts';
import { readStanza } from '../../../../../src/network/interop/stream/stanza-xml.ts';
import { until } from './stream-world.ts';

interface Driven {
  readonly client: ReturnType<typeof createLibraryClient>;
  /** All that the library wrote. */
  readonly written: string[];
  readonly parsers: EventEmitter[];
  readonly errors: unknown[];
  readonly online: number[];
  give(element: Element): void;
}

function drive(change: Partial<LibraryDeps> = {}, jid = 'me@gk.test'): Driven {
  const written: string[] = [];
  const parsers: EventEmitter[] = [];
  const errors: unknown[] = [];
  const online: number[] = [];
  const client = createLibraryClient({
    settings: { jid: contactId(jid), host: 'h.test', port: 5223, resource: 'drawbridge' },
    timeoutMs: 60_000,
    token: async () => 'token',
    connect: async () => undefined,
    isSecure: () => true,
    write: async (text) => {
      written.push(text);
    },
    onStream: (parser) => parsers.push(parser),
    onOnline: () => online.push(1),
    onError: (failure) => errors.push(failure),
    ...change,
  });
  const give = (element: Element) => parsers.at(-1)?.emit('element', element);
  return { client, written, parsers, errors, online, give };
}

const header = () => xml('stream', { xmlns: NS_STREAMS, version: '1.0' });
const features = (...children: Element[]) => xml('features', { xmlns: NS_STREAMS }, ...children);
const mechanisms = () => features(xml('mechanisms', { xmlns: NS_SASL }, xml('mechanism', {}, 'OAUTHBEARER')));

/** Connects and opens the first stream. */
async function open(driven: Driven): Promise<void> {
  await driven.client.connect('xmpps://gk.test');
  const opened = driven.client.open({ domain: 'gk.test' });
  await until(() => driven.written.length === 1, 'header');
  await setImmediate();
  driven.parsers.at(-1)?.emit('start', header());
  await opened;
}

async function logIn(driven: Driven): Promise<void> {
  await open(driven);
  driven.give(mechanisms());
  await until(() => driven.written.length === 2, 'auth');
  driven.give(xml('success', { xmlns: NS_SASL }));
  await until(() => driven.parsers.length === 2 && driven.written.length === 3, 'second header');
  await setImmediate();
  driven.parsers.at(-1)?.emit('start', header());
}

describe('@xmpp/client, as we use it', () => {
  it('writes the header that our transport makes, with the domain filled in', async () => {
    const driven = drive();
    await open(driven);
    assert.equal(
      driven.written[0],
      '<?xml version="1.0"?><stream:stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams" version="1.0" from="me@gk.test" to="gk.test">',
    );
  });

  it('answers the mechanisms with OAUTHBEARER, its response byte for byte in base64', async () => {
    const driven = drive({}, 'zoë😀@gk.test');
    await open(driven);
    driven.give(mechanisms());
    await until(() => driven.written.length === 2, 'auth');
    const auth = readStanza(driven.written[1] ?? '');
    assert(auth.is('auth', NS_SASL));
    assert.equal(auth.attrs.mechanism, 'OAUTHBEARER');
    assert.equal(
      Buffer.from(auth.text(), 'base64').toString('utf8'),
      'n,a=zoë😀@gk.test,\x01host=h.test\x01port=5223\x01auth=Bearer token\x01\x01',
    );
  });

  it('asks for no token and sends nothing where TLS does not stand', async () => {
    let tokens = 0;
    const driven = drive({ isSecure: () => false, token: async () => `${tokens++}` });
    await open(driven);
    driven.give(mechanisms());
    await until(() => driven.errors.length === 1, 'error');
    assert.equal(driven.written.length, 1);
    assert.equal(tokens, 0);
  });

  it('begins a new stream with a new parser after success, and none before', async () => {
    const driven = drive();
    await logIn(driven);
    assert.equal(driven.parsers.length, 2);
    assert.match(driven.written[2] ?? '', /^<\?xml version="1.0"\?><stream:stream /);
  });

  it('gives a refusal as an error with its condition', async () => {
    const driven = drive();
    await open(driven);
    driven.give(mechanisms());
    await until(() => driven.written.length === 2, 'auth');
    driven.give(xml('challenge', { xmlns: NS_SASL }, Buffer.from('{}').toString('base64')));
    await until(() => driven.written.length === 3, 'response');
    assert.equal(Buffer.from(readStanza(driven.written[2] ?? '').text(), 'base64').toString(), '\x01');
    driven.give(xml('failure', { xmlns: NS_SASL }, xml('not-authorized')));
    await until(() => driven.errors.length === 1, 'error');
    const [failure] = driven.errors;
    assert(failure instanceof Error && failure.name === 'SASLError' && 'condition' in failure);
    assert.equal(failure.condition, 'not-authorized');
    assert.equal(driven.parsers.length, 1);
  });

  it('binds our resource, tells that it is online once, and sends nothing of its own after', async () => {
    const driven = drive();
    await logIn(driven);
    driven.give(features(xml('bind', { xmlns: NS_BIND })));
    await until(() => driven.written.length === 4, 'bind');
    const iq = readStanza(driven.written[3] ?? '');
    assert.equal(iq.attrs.type, 'set');
    assert.equal(iq.attrs.to, undefined);
    assert.equal(iq.getChild('bind', NS_BIND)?.getChildText('resource'), 'drawbridge');
    const jid = xml('jid', {}, 'me@gk.test/drawbridge');
    driven.give(xml('iq', { type: 'result', id: iq.attrs.id }, xml('bind', { xmlns: NS_BIND }, jid)));
    await until(() => driven.online.length === 1, 'online');
    assert.equal(driven.written.length, 4);
    assert.deepEqual(driven.errors, []);
    assert.equal(driven.client.iqCaller.handlers.size, 0);
  });

  it('reports what it can not handle as an error, never as a rejection that nobody sees', async () => {
    const driven = drive();
    await logIn(driven);
    driven.give(features(xml('bind', { xmlns: NS_BIND })));
    await until(() => driven.written.length === 4, 'bind');
    const { id } = readStanza(driven.written[3] ?? '').attrs;
    driven.give(xml('iq', { type: 'result', id }));
    await until(() => driven.errors.length === 1, 'error');
  });

  it('stops all its waiting when it is ended: a stream that does not open, an answer that does not come', async () => {
    const opening = drive();
    await opening.client.connect('xmpps://gk.test');
    const opened = opening.client.open({ domain: 'gk.test' });
    const reason = new Error('over');
    await until(() => opening.written.length === 1, 'header');
    await setImmediate();
    endLibraryClient(opening.client, reason);
    await assert.rejects(opened, reason);
    const binding = drive();
    await logIn(binding);
    binding.give(features(xml('bind', { xmlns: NS_BIND })));
    await until(() => binding.written.length === 4, 'bind');
    endLibraryClient(binding.client, reason);
    await until(() => binding.client.iqCaller.handlers.size === 0, 'no answer is awaited');
    await until(() => binding.errors.length === 2, 'the error of the ending and that of the binding');
  });

  it('does not connect again of itself', async () => {
    const driven = drive();
    await open(driven);
    assert.equal(driven.client.listenerCount('disconnect'), drivenWithoutReconnect());
  });
});

/** Listeners of `disconnect` with reconnecting taken off twice over: as many as with it off once. */
function drivenWithoutReconnect(): number {
  const { client } = drive();
  client.reconnect.stop();
  return client.listenerCount('disconnect');
}
