import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CapabilityKeeper } from '../../../src/bridge/capability-keeper.ts';
import { FEATURES, roomFeatures, verdictOf } from '../../../src/bridge/capability-table.ts';
import type { SendableKind } from '../../../src/model/capabilities.ts';
import type { Enlistment } from '../../../src/storage/storage.ts';
import { BridgeWorld } from './world/bridge-world.ts';

const enlistmentOf = (kinds: readonly SendableKind[], more: Partial<Enlistment> = {}): Enlistment => ({
  interopId: 'ada',
  jid: 'ada@gk.example' as Enlistment['jid'],
  device: 1 as Enlistment['device'],
  host: '127.0.0.1',
  port: 1,
  capabilities: kinds,
  limits: { textCharacters: 1_000, stanzaBytes: 65_536, mediaBytes: 5_000_000 },
  ...more,
});

describe('what crosses', () => {
  it('where the network takes everything, all crosses that the bridge knows', () => {
    const all = enlistmentOf([
      'text',
      'media',
      'reaction',
      'edit',
      'revoke',
      'location',
      'read-marker',
      'typing',
    ]);
    const refused = FEATURES.filter((feature) => verdictOf(feature, all) === 'refuse');
    assert.deepEqual(refused, ['poll', 'call']);
  });

  it('where it takes words only, edits and places arrive as words, and the rest is refused', () => {
    const words = enlistmentOf(['text']);
    const of = (wanted: string) => FEATURES.filter((feature) => verdictOf(feature, words) === wanted);
    assert.deepEqual(of('pass'), ['text', 'formatting', 'reply', 'disappearing']);
    assert.deepEqual(of('degrade'), ['edit', 'location']);
  });

  it('clients are told levels, ages, sizes and types', () => {
    const told = roomFeatures(
      enlistmentOf(['text', 'media', 'edit', 'revoke', 'reaction'], {
        limits: {
          textCharacters: 500,
          stanzaBytes: 65_536,
          mediaBytes: 5_000_000,
          editS: 900,
          deleteS: 7_200,
          oneReactionEach: true,
        },
        media: { image: { bytes: 1_000_000, types: ['image/jpeg'] } },
      }),
    ) as { file: Record<string, unknown> } & Record<string, unknown>;
    assert.deepEqual(told.file['m.image'], {
      mime_types: { 'image/jpeg': 2 },
      caption: 2,
      max_size: 1_000_000,
    });
    assert.equal((told.file['m.file'] as { max_size: number }).max_size, 5_000_000);
    assert.deepEqual(
      [
        told.max_text_length,
        told.edit,
        told.edit_max_age,
        told.delete_max_age,
        told.reaction_count,
        told.poll,
      ],
      [500, 2, 900, 7_200, 1, -2],
    );
    assert.equal(told.typing_notifications, false);
  });
});

describe('what the network accepts now', () => {
  it('is learnt at a login, followed at once, and told to the rooms; it is not asked for again soon', async () => {
    const world = await BridgeWorld.create();
    const account = await world.enlisted();
    const room = await world.portal(account, world.contact('bob').jid);
    const limits = { textCharacters: 77, stanzaBytes: 65_536, mediaBytes: 1 };
    world.gatekeeper.capabilitiesNow = { kinds: new Set(['text', 'edit']), limits, media: {} };
    const keeper = new CapabilityKeeper(world.parts);
    keeper.start();
    keeper.wake(account.id);
    await world.until(
      async () => (await world.account(account.id))?.enlistment?.limits.textCharacters === 77,
    );
    await world.until(() => world.homeserver.states.length > 0);
    const [told] = world.homeserver.states;
    assert.equal(told?.room, room);
    assert.equal(told?.type, 'com.beeper.room_features');
    assert.equal(told?.content.max_text_length, 77);
    world.gatekeeper.capabilitiesNow = { kinds: new Set(['text']), limits, media: {} };
    const asked = world.gatekeeper.selfCalls;
    keeper.wake(account.id);
    await keeper.stop();
    assert.equal(world.gatekeeper.selfCalls, asked);
    await world.close();
  });
});
