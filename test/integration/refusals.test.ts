/** A gatekeeper that refuses: a login, a suspended account, an opt-out. What the person reads, and that nothing is lost by it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BridgeWorld, LONG_MS } from './bridge-world.ts';

describe('a gatekeeper that refuses', () => {
  let bridge: BridgeWorld;
  let room: string;

  before(async () => {
    bridge = await BridgeWorld.start();
    room = await bridge.startChat('bob');
    await bridge.alice.say(room, 'begun');
    await bridge.phoneShows(bridge.bob, ['begun']);
  });
  after(async () => await bridge?.stop());

  const saidTo = (start: string) =>
    bridge.botSaid(bridge.management).filter((body) => body.startsWith(start));
  const reads = async (start: string, count = 1) =>
    await bridge.until(() => saidTo(start).length >= count, `the bot says "${start}"`);

  it('a login: a fresh token once, then patience; the person reads it once, and once that it works again', async () => {
    const { faults, prosody } = bridge.world.gatekeeper;
    const since = (await bridge.bridgeLog()).length;
    faults.loginsRefused = true;
    await prosody.restart();
    await reads('Gatekeeper does not let the bridge in');
    const refused = (await bridge.bridgeLog())
      .slice(since)
      .filter(({ msg, code }) => msg === 'stream ended' && code === 'stream/notAuthorized');
    assert.equal(refused.length, 2);
    const [first, second] = refused.map((line) => Number(line.retryInMs));
    assert.equal(first, 0, 'a fresh token at once');
    assert.ok(second !== undefined && second >= 60_000, 'then slowly');
    const asked = await bridge.alice.say(room, 'meanwhile');
    const waiting = await bridge.answerTo(asked);
    assert.match(waiting.body, /^⏳ Your message waits: Gatekeeper does not let you in\./);
    await bridge.world.bridge.stop();
    await bridge.world.bridge.start('live');
    await bridge.logShows(
      ({ msg, code, retryInMs }) =>
        msg === 'stream ended' && code === 'stream/notAuthorized' && Number(retryInMs) > 0,
      'the second refusal of the new run',
      since,
    );
    faults.loginsRefused = false;
    await bridge.world.bridge.stop();
    await bridge.world.bridge.start();
    await reads('Gatekeeper lets the bridge in');
    await bridge.phoneShows(bridge.bob, ['begun', 'meanwhile']);
    assert.equal(saidTo('Gatekeeper does not let').length, 1);
    assert.equal(saidTo('Gatekeeper lets').length, 1);
  });

  it('a suspended account, of which no push has told: it is found out, told, and lifted', async () => {
    const { gatekeeper } = bridge.world;
    const [enlistee] = bridge.enlistees();
    assert.ok(enlistee !== undefined);
    gatekeeper.faults.pushMute = true;
    await gatekeeper.suspend(enlistee.localpart, 'complaints');
    await reads('Gatekeeper has suspended your connection');
    const refused = await bridge.alice.say(room, 'while suspended');
    assert.match((await bridge.answerTo(refused)).body, /Gatekeeper has suspended your connection/);
    gatekeeper.faults.pushMute = false;
    await gatekeeper.resume(enlistee.localpart);
    // What a contact writes makes the gatekeeper wake us, and the bridge looks at the account.
    await bridge.bob.send(await bridge.aliceJid(), { text: 'are you back' });
    await reads('Gatekeeper has lifted the suspension');
    await bridge.roomShows(room, ['are you back']);
    const retried = await bridge.command('!bridge retry', room);
    assert.match(retried.body, /^Your message is on its way again/);
    await bridge.phoneShows(bridge.bob, ['begun', 'meanwhile', 'while suspended']);
    await bridge.alice.seeMessage(
      ({ body, replyTo }) => replyTo === refused && body === 'Your message was sent after all, late.',
      LONG_MS,
    );
    assert.equal(saidTo('Gatekeeper does not let').length, 1, 'the suspension alone was told');
  });

  it('an opt-out: what is held here is destroyed all the same, and the proof says what was not confirmed', async () => {
    bridge.world.gatekeeper.faults.api = 'region';
    await bridge.command('opt-out');
    await bridge.command('yes');
    await reads('You are disconnected from Gatekeeper.');
    const [proof] = saidTo('You are disconnected');
    assert.match(proof ?? '', /Un-enlisted: Gatekeeper did not confirm it \(network\/regionNotAllowed\)/);
    assert.equal(bridge.enlistees().length, 1, 'the gatekeeper holds what it refused to delete');
    bridge.world.gatekeeper.faults.api = 'none';
    assert.match((await bridge.command('status')).body, /^You are not connected/);
    await bridge.optIn();
    await bridge.command('opt-out');
    await bridge.command('yes');
    await reads('You are disconnected from Gatekeeper.', 2);
    assert.match(saidTo('You are disconnected')[1] ?? '', /Un-enlisted: Gatekeeper confirmed at /);
    assert.equal(bridge.enlistees().length, 0);
  });
});
