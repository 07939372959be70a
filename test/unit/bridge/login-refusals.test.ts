import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { networkErrors } from '../../../src/network/errors.ts';
import { streamErrors } from '../../../src/network/interop/stream/errors.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { BridgeWorld, MANAGEMENT } from './world/bridge-world.ts';
import { type CoreParts, coreParts } from './world/core-parts.ts';
import type { LinkDouble } from './world/gatekeeper-double.ts';

const REFUSED =
  'Gatekeeper does not let the bridge in with your account. What you write there waits, and nothing comes in. I keep trying, and tell you when it works again. If it lasts, ask the operator (mailto:admin@example.org).';
const RESTORED = 'Gatekeeper lets the bridge in with your account again. What waited is on its way.';

describe('a network that does not let an account in', () => {
  let world: BridgeWorld;
  let account: Account;
  let core: CoreParts;

  beforeEach(async () => {
    world = await BridgeWorld.create();
    account = await world.enlisted();
    await world.managementRoom();
    await start();
  });
  afterEach(async () => await world.close());

  const start = async () => {
    await world.stopCores();
    core = coreParts(world);
    const begun = core;
    core.links.listen({
      stored: () => undefined,
      typing: () => undefined,
      refused: () => undefined,
      online: () => undefined,
      offline: () => undefined,
      status: (id, status) => begun.refusals.note(id, status),
      rejected: async () => undefined,
      sent: () => undefined,
      givenUp: () => undefined,
    });
    await core.begin();
    await core.links.open(account.id);
  };
  const link = (): LinkDouble => {
    const found = world.gatekeeper.links.get(account.id);
    assert.ok(found !== undefined);
    return found;
  };
  const refuse = (times: number) => {
    for (let count = 0; count < times; count += 1) {
      link().lose(streamErrors.notAuthorized({ condition: 'not-authorized' }));
    }
  };
  const isNoted = async () =>
    await world.tx(
      async (tx) => (await tx('accounts').first('refused_told_at_ms')).refused_told_at_ms !== null,
    );
  const told = async () => {
    await world.allTold();
    return world.homeserver.bodies(MANAGEMENT);
  };
  /** Whatever is under way comes to its end: what is told next comes after it. */
  const settled = async (count: number) => {
    await world.until(async () => (await told()).length >= count);
    return await told();
  };

  it('is told once when it lasts, and once when it is over', async () => {
    refuse(2);
    assert.deepEqual(await settled(1), [REFUSED]);
    refuse(5);
    link().start();
    assert.deepEqual(await settled(2), [REFUSED, RESTORED]);
    // Told at another time: the same thing at the same moment would be the same saying.
    world.clock.advance(60_000);
    link().lose(streamErrors.lost());
    link().start();
    refuse(2);
    assert.deepEqual(await settled(3), [REFUSED, RESTORED, REFUSED]);
  });

  it('is not told of where the fresh token is taken', async () => {
    refuse(1);
    link().start();
    refuse(1);
    link().lose(streamErrors.unreachable());
    refuse(1);
    link().start();
    refuse(2);
    assert.deepEqual(await settled(1), [REFUSED]);
  });

  it('is told once over restarts, too', async () => {
    refuse(2);
    await world.until(isNoted);
    await told();
    // The link of a new process is refused from its first attempt on.
    world.gatekeeper.startsWith = { kind: 'waiting', reason: streamErrors.notAuthorized(), retryAtMs: 0 };
    await start();
    refuse(3);
    world.gatekeeper.startsWith = undefined;
    link().start();
    assert.deepEqual(await settled(2), [REFUSED, RESTORED]);
  });

  it('is told as the suspension that it is, where no push has said so', async () => {
    world.gatekeeper.suspended.add('interop-1');
    refuse(2);
    await world.until(async () => (await world.account(account.id))?.state === 'suspended');
    assert.deepEqual(await settled(1), [
      'Gatekeeper has suspended your connection. Messages are not bridged until it lifts that.',
    ]);
    world.gatekeeper.suspended.clear();
    core.enlistments.wake(account.id);
    await world.until(async () => (await world.account(account.id))?.state === 'active');
    assert.deepEqual((await settled(2)).slice(1), [
      'Gatekeeper has lifted the suspension. Messages are bridged again.',
    ]);
    assert.equal(core.links.get(account.id)?.status.kind, 'online');
  });

  it('is told also where the gatekeeper does not say why', async () => {
    world.gatekeeper.fail = (step) => (step === 'self' ? networkErrors.unreachable() : undefined);
    refuse(2);
    assert.deepEqual(await settled(1), [REFUSED]);
    world.gatekeeper.fail = undefined;
  });

  it('is told after a failure to note it', async () => {
    world.faults.plan(0, 'fails');
    refuse(2);
    await world.until(async () => (await told()).length === 1, 1_000);
  });
});
