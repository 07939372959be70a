import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { keyNames } from '../../../src/bridge/prekey-keeper.ts';
import { networkErrors } from '../../../src/network/errors.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { BridgeWorld } from './world/bridge-world.ts';
import { type CoreParts, coreParts } from './world/core-parts.ts';
import type { LinkDouble } from './world/gatekeeper-double.ts';

const DAY_MS = 24 * 60 * 60_000;

describe('the keeper of prekeys', () => {
  let world: BridgeWorld;
  let account: Account;
  let core: CoreParts;

  beforeEach(async () => {
    world = await BridgeWorld.create();
    account = await world.enlisted();
    core = coreParts(world);
    await core.links.open(account.id);
    const device = await world.tx(async (tx) => await world.network.signal.publicDevice(tx, account));
    await world.tx(
      async (tx) =>
        await world.network.signal.confirmUploaded(tx, account, [
          ...keyNames(device),
          { kind: 'signed', id: device.signedPrekey.id },
          { kind: 'last-resort', id: device.kyberLastResort.id },
        ]),
    );
  });
  afterEach(async () => {
    await core.prekeys.stop();
    await world.close();
  });

  const link = (): LinkDouble => {
    const found = world.gatekeeper.links.get(account.id);
    assert.ok(found !== undefined);
    return found;
  };
  /** How often the keys service was asked what is left. */
  const counting = () => {
    const asked = { times: 0 };
    world.gatekeeper.fail = (step) => {
      if (step === 'count') asked.times += 1;
      return undefined;
    };
    return asked;
  };
  const looks = () => world.log.entries.filter(({ message }) => message === 'one-time keys uploaded').length;

  it('uploads nothing while enough is left', async () => {
    const asked = counting();
    core.prekeys.wake(account.id);
    await world.until(() => asked.times > 0);
    await core.prekeys.stop();
    assert.deepEqual([link().uploads, link().signedUploads], [[], []]);
  });

  it('fills up what runs low, and confirms it, so that no key is offered twice', async () => {
    link().counts = { prekeys: 0, kyber: 0 };
    core.prekeys.wake(account.id);
    await world.until(() => looks() === 1);
    const [upload] = link().uploads;
    assert.deepEqual([upload?.prekeys.length, upload?.kyberPrekeys.length], [20, 20]);
    link().counts = { prekeys: 20, kyber: 20 };
    const rest = await world.tx(async (tx) => await world.network.signal.topUp(tx, account, link().counts));
    assert.deepEqual(rest, { prekeys: [], kyberPrekeys: [] });
  });

  it('after a failed upload offers the same keys again', async () => {
    link().counts = { prekeys: 0, kyber: 0 };
    let failures = 0;
    world.gatekeeper.fail = (step) =>
      step === 'upload prekeys' && failures++ < 2 ? networkErrors.unanswered() : undefined;
    core.prekeys.wake(account.id);
    await world.until(() => looks() === 1, 500);
    assert.equal(failures, 3);
    assert.equal(link().uploads.length, 1);
    assert.equal(link().uploads[0]?.prekeys.length, 20);
  });

  it('renews the signed pair when it is due, and once', async () => {
    world.clock.advance(7 * DAY_MS + 1);
    core.prekeys.wake(account.id);
    await world.until(() => link().signedUploads.length === 1);
    const rotated = () => world.log.entries.some(({ message }) => message === 'signed keys rotated');
    await world.until(rotated);
    core.prekeys.wake(account.id);
    const asked = counting();
    await world.until(() => asked.times > 0);
    await core.prekeys.stop();
    assert.equal(link().signedUploads.length, 1);
  });

  it('looks again after some hours by itself', async () => {
    core.prekeys.wake(account.id);
    const asked = counting();
    await world.until(() => asked.times === 1);
    await world.until(() => asked.times >= 2, 60 * 60_000);
  });

  it('leaves an account alone whose link is not online', async () => {
    await link().stop();
    const asked = counting();
    core.prekeys.wake(account.id);
    await core.prekeys.stop();
    assert.equal(asked.times, 0);
  });
});
