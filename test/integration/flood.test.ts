/** The short form of `npm run test:flood`: what comes while a part is away is bounded here, and none of it is lost. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type Chat,
  floodWhileHomeserverIsAway,
  openChat,
  setLimits,
  trafficWhileBridgeIsAway,
} from '../flood/flood-cases.ts';
import { BridgeWorld } from './bridge-world.ts';

const MOST_GROWTH_BYTES = 40 * 1024 * 1024;

describe('a flood', () => {
  let bridge: BridgeWorld;
  let chat: Chat;

  before(async () => {
    bridge = await BridgeWorld.start();
    await setLimits(bridge, { contact_messages: 200 });
    chat = await openChat(bridge);
  });
  after(async () => await bridge?.stop());

  it('of a contact while the homeserver is away waits with the network: bounded here, all there afterwards, in order, once (case 5.1)', async (t) => {
    const { rssGrowthBytes, perSecond } = await floodWhileHomeserverIsAway(chat, 500);
    t.diagnostic(
      `grew by ${(rssGrowthBytes / 1024 / 1024).toFixed(1)} MiB; ${perSecond.toFixed(1)} a second`,
    );
    assert.ok(rssGrowthBytes < MOST_GROWTH_BYTES, `the daemon grew by ${rssGrowthBytes} bytes`);
  });

  it('both ways while the bridge is away comes from the archive and the homeserver, in order, once (case 5.6)', async (t) => {
    const { inboundPerSecond, outboundPerSecond } = await trafficWhileBridgeIsAway(chat, 100);
    t.diagnostic(`${inboundPerSecond.toFixed(1)} in, ${outboundPerSecond.toFixed(1)} out a second`);
  });
});
