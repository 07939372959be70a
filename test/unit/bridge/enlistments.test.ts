import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { interopIdHash } from '../../../src/bridge/derived-ids.ts';
import { matrixErrors } from '../../../src/matrix/errors.ts';
import { networkErrors } from '../../../src/network/errors.ts';
import type { Account } from '../../../src/storage/storage.ts';
import { ADA, BridgeWorld, MANAGEMENT } from './world/bridge-world.ts';
import { type CoreParts, coreParts } from './world/core-parts.ts';
import { FAULT_MODES } from './world/fault-points.ts';
import { GK } from './world/gatekeeper-double.ts';

describe('enlistments', () => {
  let world: BridgeWorld;
  let core: CoreParts;

  beforeEach(async () => {
    world = await BridgeWorld.create();
    await world.managementRoom();
    core = coreParts(world);
    await core.begin();
  });
  afterEach(async () => {
    await world.close();
  });

  const answers = () => world.homeserver.bodies(MANAGEMENT);
  const stateOf = async ({ id }: Account) => (await world.account(id))?.state;
  const said = (pattern: RegExp) => () => answers().some((text) => pattern.test(text));
  const restart = async () => {
    await world.stopCores();
    world.faults.revive();
    core = coreParts(world);
    await core.begin();
  };

  it('an account is enlisted with its own keys, its link opens, and the person reads its id', async () => {
    const account = await world.agreed();
    core.enlistments.wake(account.id);
    await world.until(said(/Your id there is interop-1/));
    assert.equal(await stateOf(account), 'active');
    assert.equal(core.links.get(account.id)?.status.kind, 'online');
    const [call] = world.gatekeeper.enlistCalls;
    assert.deepEqual([call?.user, call?.termsVersion], [ADA, '1']);
    const key = await world.tx(async (tx) => await world.network.signal.identityKey(tx, account));
    assert.deepEqual(new Uint8Array(call?.device.identityKey ?? []), new Uint8Array(key));
  });

  it('the keys that went with the enlistment count as uploaded, so that none is offered twice', async () => {
    const account = await world.agreed();
    core.enlistments.wake(account.id);
    await world.until(async () => (await stateOf(account)) === 'active');
    const again = await world.tx(
      async (tx) => await world.network.signal.topUp(tx, account, { prekeys: 4, kyber: 4 }),
    );
    assert.deepEqual([again.prekeys, again.kyberPrekeys], [[], []]);
  });

  it('a push finds the account by its id, which stands nowhere in clear', async () => {
    const account = await world.agreed();
    core.enlistments.wake(account.id);
    await world.until(async () => (await stateOf(account)) === 'active');
    const found = await world.tx(async (tx) => {
      const hash = interopIdHash(await world.storage.idSecret(tx), GK, 'interop-1');
      return await world.storage.accounts.findByInteropIdHash(tx, GK, hash);
    });
    assert.equal(found?.id, account.id);
  });

  it('an answer that was lost is asked for again, and the same ids come', async () => {
    const account = await world.agreed();
    world.faults.plan(0, 'dies');
    // The first points are reading the account and its keys; this one lies between the answer and its being stored.
    for (let at = 0; world.faults.firedAt !== 'enlist, answer lost'; at += 1) {
      assert.ok(at < 40);
      await restart();
      world.faults.plan(at, 'dies');
      core.enlistments.wake(account.id);
      await world.until(() => world.faults.isDead);
    }
    assert.equal(await stateOf(account), 'enlisting');
    const registered = world.gatekeeper.registered.get(ADA)?.ids;
    await restart();
    core.enlistments.wake(account.id);
    await world.until(async () => (await stateOf(account)) === 'active');
    const { enlistment } = (await world.account(account.id)) ?? {};
    assert.deepEqual([enlistment?.interopId, enlistment?.jid], [registered?.interopId, registered?.jid]);
    assert.equal(world.gatekeeper.registered.size, 1);
    await world.until(said(/You are connected/));
  });

  it('while the gatekeeper cannot be reached it is asked again, with growing pauses, and nobody is told it failed', async () => {
    const account = await world.agreed();
    let asked = 0;
    world.gatekeeper.fail = (step) => {
      if (step !== 'enlist') return undefined;
      asked += 1;
      return asked <= 3 ? networkErrors.unreachable() : undefined;
    };
    const begunMs = world.clock.nowMs();
    core.enlistments.wake(account.id);
    await world.until(async () => (await stateOf(account)) === 'active', 250);
    assert.equal(asked, 4);
    assert.ok(world.clock.nowMs() - begunMs >= 3_500, 'half of 1, 2 and 4 seconds at the least');
    await world.until(said(/You are connected/));
    assert.equal(answers().length, 1);
  });

  for (const [name, refusal] of [
    ['never', networkErrors.identityInUse()],
    ['after-user', networkErrors.regionNotAllowed()],
  ] as const) {
    it(`a refusal (${name}) ends it: the keys are destroyed, the account is gone, the person reads why`, async () => {
      const account = await world.agreed();
      world.gatekeeper.fail = () => refusal;
      core.enlistments.wake(account.id);
      await world.until(async () => (await stateOf(account)) === undefined);
      assert.match(
        answers()[0] ?? '',
        /^Gatekeeper did not accept the connection: Gatekeeper .*Nothing of you is kept there\.$/,
      );
      assert.deepEqual(await left(), { signal_identities: 0, signal_prekeys: 0, data_keys: 0 });
      assert.equal(world.gatekeeper.enlistCalls.length, 0);
    });
  }

  it('an opt-out while the enlistment is under way is carried through after it', async () => {
    const account = await world.agreed();
    world.gatekeeper.whileEnlisting = async () => {
      world.gatekeeper.whileEnlisting = undefined;
      await world.tx(async (tx) => await world.storage.accounts.saveState(tx, account.id, 'leaving'));
    };
    core.enlistments.wake(account.id);
    await world.until(said(/You are disconnected from Gatekeeper/));
    assert.equal(await stateOf(account), undefined);
    assert.equal(world.gatekeeper.registered.size, 0);
    assert.ok(!said(/You are connected/)(), 'nobody is welcomed who has left');
  });

  it('an opt-out whose enlistment was never answered asks for the ids, to take the account away there', async () => {
    const account = await world.agreed();
    await world.tx(async (tx) => {
      await world.storage.accounts.saveAsked(tx, account.id);
      await world.storage.accounts.saveState(tx, account.id, 'leaving');
    });
    core.enlistments.wake(account.id);
    await world.until(said(/You are disconnected/));
    assert.deepEqual(world.gatekeeper.unenlistCalls, ['interop-1']);
  });

  it('an opt-out before the gatekeeper was ever asked does not tell it of the person', async () => {
    const account = await world.agreed();
    await world.tx(async (tx) => await world.storage.accounts.saveState(tx, account.id, 'leaving'));
    core.enlistments.wake(account.id);
    await world.until(said(/You are disconnected/));
    assert.deepEqual([world.gatekeeper.enlistCalls, world.gatekeeper.unenlistCalls], [[], []]);
  });

  it('opting out takes back rooms, rows and keys, and answers with a proof', async () => {
    const account = await world.enlisted();
    const contact = world.contact();
    const room = await world.portal(account, contact.jid);
    await core.links.open(account.id);
    await world.push(world.event(room, 'waits'));
    await world.tx(async (tx) => await world.storage.accounts.saveState(tx, account.id, 'leaving'));
    core.enlistments.wake(account.id);
    await world.until(said(/You are disconnected/));
    const proof = answers().at(-1) ?? '';
    assert.match(proof, /Un-enlisted: Gatekeeper confirmed at 2026-01-01T00:00:00\.\d{3}Z/);
    assert.match(proof, /Rooms I left: 1/);
    const bot = world.parts.matrix.botUserId;
    const ghost = world.parts.matrix.ghostUserId(GK, contact.jid);
    assert.deepEqual(
      world.homeserver.left.map(({ as }) => as),
      [ghost, bot],
    );
    assert.equal(core.links.get(account.id), undefined);
    assert.deepEqual(await left(), { signal_identities: 0, signal_prekeys: 0, data_keys: 0 });
    assert.equal(await world.tx(async (tx) => await world.storage.matrixInbox.findNext(tx, room)), undefined);
  });

  it('a gatekeeper that did not know the account any more is told as such', async () => {
    const account = await world.enlisted();
    world.gatekeeper.registered.clear();
    await world.tx(async (tx) => await world.storage.accounts.saveState(tx, account.id, 'leaving'));
    core.enlistments.wake(account.id);
    await world.until(said(/Gatekeeper did not know you any more/));
  });

  it('an opt-out that cannot reach the gatekeeper goes on; the person reads so once', async () => {
    const account = await world.enlisted();
    await world.tx(async (tx) => await world.storage.accounts.saveState(tx, account.id, 'leaving'));
    let asked = 0;
    world.gatekeeper.fail = (step) => {
      asked += 1;
      return step === 'unenlist' && asked <= 3 ? networkErrors.unreachable() : undefined;
    };
    core.enlistments.wake(account.id);
    await world.until(said(/You are disconnected/), 1_000);
    assert.equal(answers().length, 2);
    assert.match(answers()[0] ?? '', /cannot be reached to disconnect you: .* I keep trying/);
  });

  for (const [mode, when] of FAULT_MODES) {
    it(`${when}, an opt-out is carried through and leaves nothing`, async () => {
      let account: Account | undefined;
      let friends = 0;
      const isGone = async () => account !== undefined && (await stateOf(account)) === undefined;
      const faults = await world.atEveryPoint(
        mode,
        async () => {
          const id = account?.id ?? ('' as never);
          core.enlistments.wake(id);
          await world.until(async () => world.faults.isDead || (await isGone()), 1_000);
          if (world.faults.isDead) {
            await restart();
            core.enlistments.wake(id);
          }
          await world.until(isGone, 1_000);
          await world.stopCores();
          assert.deepEqual(await left(), { signal_identities: 0, signal_prekeys: 0, data_keys: 0 });
          assert.equal(world.gatekeeper.registered.size, 0);
        },
        async () => {
          core = coreParts(world);
          await core.begin();
          account = await world.enlisted();
          await world.portal(account, world.contact(`friend-${friends++}`).jid);
          const { id } = account;
          await world.tx(async (tx) => await world.storage.accounts.saveState(tx, id, 'leaving'));
        },
      );
      assert.ok(faults >= 20, String(faults));
    });
  }

  it('what fails after the answer was stored is done later: the link opens and the person reads it, once', async () => {
    const account = await world.agreed();
    let isBroken = true;
    world.homeserver.failSend = () =>
      isBroken ? matrixErrors.homeserverUnreachable({ request: 'send' }) : undefined;
    core.enlistments.wake(account.id);
    await world.until(async () => (await stateOf(account)) === 'active');
    isBroken = false;
    await world.until(said(/You are connected/), 1_000);
    assert.equal(answers().length, 1);
    assert.equal(core.links.get(account.id)?.status.kind, 'online');
    assert.equal(world.gatekeeper.enlistCalls.length, 1);
  });

  /** Rows that would hold something of an account. */
  async function left() {
    return await world.tx(async (tx) => ({
      signal_identities: (await tx('signal_identities')).length,
      signal_prekeys: (await tx('signal_prekeys')).length,
      data_keys: (await tx('data_keys').whereNot({ id: 'deployment' })).length,
    }));
  }
});
