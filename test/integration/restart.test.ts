/** What is said while one of the parts is away arrives in order, once, in the sessions that there were. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BridgeWorld, numbered, textsOf } from './bridge-world.ts';

const EACH_WAY = 10;

describe('a restart', () => {
  let bridge: BridgeWorld;
  let room: string;
  let alice: string;
  const toBob: string[] = [];
  const fromBob: string[] = [];

  const aliceSays = async (bodies: readonly string[]) => {
    toBob.push(...bodies);
    for (const body of bodies) await bridge.alice.say(room, body);
  };
  const bobSays = async (bodies: readonly string[]) => {
    fromBob.push(...bodies);
    for (const text of bodies) await bridge.bob.send(alice, { text });
  };
  const bothSay = async (name: string) => {
    await Promise.all([
      aliceSays(numbered(`${name}, to`, EACH_WAY)),
      bobSays(numbered(`${name}, from`, EACH_WAY)),
    ]);
  };
  const allArrived = async () => {
    await bridge.phoneShows(bridge.bob, toBob);
    await bridge.roomShows(room, fromBob);
  };
  /** Neither side began a session anew, and nothing was unreadable, while `work` ran. */
  const keepingSessions = async (work: () => Promise<void>) => {
    const [received, kinds] = [bridge.bob.received.length, bridge.botSaid(room).length];
    await work();
    const types = bridge.bob.received.slice(received).map(({ encType }) => encType);
    assert.ok(types.length > 0);
    assert.deepEqual(new Set(types), new Set(['message']));
    assert.deepEqual(bridge.bob.events.of('undecryptable'), []);
    assert.deepEqual(bridge.bob.events.of('retry-asked'), []);
    assert.equal(bridge.botSaid(room).length, kinds, 'the bot had nothing to say');
  };

  before(async () => {
    bridge = await BridgeWorld.start();
    room = await bridge.startChat('bob');
    alice = await bridge.aliceJid();
    await aliceSays(['first']);
    await bridge.phoneShows(bridge.bob, toBob);
    // From the answer on, the session is confirmed: what follows are messages, not prekey messages.
    await bobSays(['answer']);
    await bridge.roomShows(room, fromBob);
  });
  after(async () => await bridge?.stop());

  for (const [how, end] of [
    ['in order', 'stop'],
    ['by kill -9', 'kill'],
  ] as const) {
    it(`of the bridge ${how} between two messages keeps the sessions`, async () => {
      await keepingSessions(async () => {
        await aliceSays([`before ${end}`]);
        await bridge.phoneShows(bridge.bob, toBob);
        await bridge.world.bridge[end]();
        await bridge.world.bridge.start();
        await aliceSays([`after ${end}`]);
        await bobSays([`back after ${end}`]);
        await allArrived();
      });
    });

    it(`of the bridge ${how}: what is sent meanwhile arrives in order, once`, async () => {
      await keepingSessions(async () => {
        await bridge.world.bridge[end]();
        await bothSay(`away by ${end}`);
        await bridge.world.bridge.start();
        await allArrived();
      });
    });

    it(`of the bridge ${how} in the middle of both ways' messages loses and doubles none`, async () => {
      await keepingSessions(async () => {
        const sending = bothSay(`amid ${end}`);
        await bridge.until(() => textsOf(bridge.bob).includes(`amid ${end}, to 2`), 'some have crossed');
        await bridge.world.bridge[end]();
        await bridge.world.bridge.start();
        await sending;
        await allArrived();
      });
    });
  }

  it('of Synapse: what the contact sends meanwhile arrives in order, once, and the way out works again', async () => {
    await keepingSessions(async () => {
      await bridge.world.synapse.stop();
      await bobSays(numbered('while Synapse was away', EACH_WAY));
      await bridge.world.synapse.restart();
      await aliceSays(numbered('Synapse is back', EACH_WAY));
      await allArrived();
    });
  });

  it('of Synapse by kill -9, and twice: the same', async () => {
    await keepingSessions(async () => {
      for (const round of [1, 2]) {
        await bridge.world.synapse.kill();
        await bobSays(numbered(`while Synapse was dead ${round}`, 3));
        await bridge.world.synapse.restart();
        await aliceSays(numbered(`Synapse lives ${round}`, 3));
        await allArrived();
      }
    });
  });

  for (const end of ['stop', 'kill'] as const) {
    it(`of Prosody by ${end}: what both send meanwhile arrives in order, once`, async () => {
      await keepingSessions(async () => {
        await bridge.world.gatekeeper.prosody[end]();
        await bothSay(`Prosody away by ${end}`);
        await bridge.world.gatekeeper.prosody.restart();
        await allArrived();
      });
    });
  }

  it('of everything around the bridge at once: the same', async () => {
    await keepingSessions(async () => {
      await Promise.all([bridge.world.synapse.kill(), bridge.world.gatekeeper.prosody.kill()]);
      await bobSays(numbered('alone', 3));
      await Promise.all([bridge.world.synapse.restart(), bridge.world.gatekeeper.prosody.restart()]);
      await aliceSays(numbered('together', 3));
      await allArrived();
    });
  });
});
