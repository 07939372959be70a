import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../../src/ambient/clock.ts';
import { systemRandom } from '../../../src/ambient/random.ts';
import { createIssuer, type IssuerSettings } from '../../../src/identity/identity.ts';
import { hasCode } from '../../../src/model/errors.ts';
import { matrixUserId } from '../../../src/model/ids.ts';
import { Database } from '../../../src/storage/database.ts';
import { IssuerKeys } from '../../../src/storage/issuer-keys.ts';
import { Sealer } from '../../../src/storage/sealer.ts';
import { heldClock } from '../../doubles/held-clock.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { issuerSuite } from '../../suites/issuer.ts';

async function openSqlite() {
  const folder = await mkdtemp(path.join(tmpdir(), 'issuer-'));
  const database = await Database.open({ type: 'sqlite', file: path.join(folder, 'test.db') });
  await database.migrate();
  const sealer = new Sealer({ masterKey: Buffer.alloc(32, 1), random: systemRandom, clock: systemClock });
  await database.transaction(async (tx) => await sealer.prepare(tx));
  const close = async () => {
    await database.close();
    await rm(folder, { recursive: true });
  };
  return { database, sealer, close };
}

issuerSuite('sqlite', openSqlite);

const settings: IssuerSettings = {
  issuer: 'https://bridge.example/',
  pushEndpoint: 'https://bridge.example/interop/v1/push',
  mediaBase: 'https://bridge.example/interop/v1/media',
  rotationDays: 30,
  jwksMaxAgeS: 600,
  tokenLifetimeS: 300,
};

/** A clock that also counts how often someone went to sleep. */
function countingClock() {
  const held = heldClock(Date.UTC(2026, 0, 1));
  const clock = {
    ...held,
    sleeps: 0,
    sleep: async (ms: number, signal?: AbortSignal) => {
      clock.sleeps++;
      await held.sleep(ms, signal);
    },
  };
  return clock;
}

async function openIssuer() {
  const { database, sealer, close } = await openSqlite();
  const [clock, log] = [countingClock(), new RecordingLog()];
  const world = { clock, log, failing: false };
  const unreliable: Pick<Database, 'transaction'> = {
    transaction: async (run) => {
      if (world.failing) throw new Error('connection lost');
      return await database.transaction(run);
    },
  };
  const keys = new IssuerKeys({ sealer });
  const issuer = createIssuer({ settings, database: unreliable, keys, clock, random: systemRandom, log });
  return Object.assign(world, {
    issuer,
    [Symbol.asyncDispose]: async () => {
      await issuer.stop();
      await close();
    },
  });
}

/** Waits, a turn of the event loop at a time, until `holds`. */
async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, 'the condition did not come true');
    await systemClock.sleep(1);
  }
}

test('the discovery document is the profile’s, with one slash before each path', async () => {
  await using world = await openIssuer();
  assert.deepEqual(world.issuer.discovery(), {
    issuer: 'https://bridge.example/',
    jwks_uri: 'https://bridge.example/.well-known/jwks.json',
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
    response_types_supported: ['none'],
    interop: {
      push_endpoint: 'https://bridge.example/interop/v1/push',
      media_base: 'https://bridge.example/interop/v1/media',
      versions: [1],
    },
  });
});

test('a started issuer rotates by itself, through failures of the database, until it is stopped', async () => {
  await using world = await openIssuer();
  const { issuer, clock, log } = world;
  const published = () => log.entries.filter((entry) => entry.message === 'issuer key published').length;
  await issuer.start();
  await issuer.start();
  await until(() => clock.sleeps === 1);
  world.failing = true;
  clock.advance(60_000);
  await until(() => clock.sleeps === 2);
  assert.deepEqual(
    log.entries.map((entry) => entry.level),
    ['info', 'warn'],
  );
  world.failing = false;
  clock.advance(30 * 86_400_000);
  await until(() => clock.sleeps === 3);
  assert.equal(published(), 2);
  await issuer.stop();
  clock.advance(60 * 86_400_000);
  assert.equal(clock.sleeps, 3);
});

test('an issuer that cannot read its keys does not start, and may try again', async () => {
  await using world = await openIssuer();
  const { issuer, clock } = world;
  world.failing = true;
  await assert.rejects(issuer.start(), (failure) => hasCode(failure, 'identity/keysUnavailable'));
  assert.equal(clock.sleeps, 0);
  world.failing = false;
  await issuer.start();
  assert.equal((await issuer.jwks()).maxAgeS, 600);
});

test('a token for an identity key that is none is refused', async () => {
  await using world = await openIssuer();
  const request = { audience: 'https://gk.example', subject: matrixUserId('@a:hs'), scope: 'api' } as const;
  await assert.rejects(world.issuer.mintProof({ ...request, signalIdentity: Buffer.alloc(32) }), (failure) =>
    hasCode(failure, 'identity/badProofRequest'),
  );
});

for (const wrong of [
  { tokenLifetimeS: 301 },
  { tokenLifetimeS: 0 },
  { jwksMaxAgeS: 0 },
  { rotationDays: Number.NaN },
]) {
  test(`settings that break the profile are refused: ${JSON.stringify(wrong)}`, () => {
    const deps = {
      database: {} as Database,
      keys: {} as IssuerKeys,
      clock: heldClock(),
      random: systemRandom,
    };
    assert.throws(
      () => createIssuer({ ...deps, settings: { ...settings, ...wrong }, log: new RecordingLog() }),
      (failure) => hasCode(failure, 'identity/badSettings'),
    );
  });
}
