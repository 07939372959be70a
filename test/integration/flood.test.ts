/** The short form of `npm run test:flood`: what comes while a part is away is bounded here, and none of it is lost. */
import { after, before, describe, it } from 'node:test';
import { type Chat, openChat, setLimits, trafficWhileBridgeIsAway } from '../flood/flood-cases.ts';
import { BridgeWorld } from './bridge-world.ts';

describe('a flood', () => {
  let bridge: BridgeWorld;
  let chat: Chat;

  before(async () => {
    bridge = await BridgeWorld.start();
    await setLimits(bridge, { contact_messages: 200 });
    chat = await openChat(bridge);
  });
  after(async () => await bridge?.stop());

  it('both ways while the bridge is away comes from the archive and the homeserver, in order, once (case 5.6)', async (t) => {
    const { inboundPerSecond, outboundPerSecond } = await trafficWhileBridgeIsAway(chat, 100);
    t.diagnostic(`${inboundPerSecond.toFixed(1)} in, ${outboundPerSecond.toFixed(1)} out a second`);
  });
});
