/** What the issuer and its table promise on every database. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose';
import { systemRandom } from '../../src/ambient/random.ts';
import { createIssuer, type Issuer, type IssuerSettings } from '../../src/identity/identity.ts';
import { hasCode } from '../../src/model/errors.ts';
import { matrixUserId } from '../../src/model/ids.ts';
import type { Database } from '../../src/storage/database.ts';
import { IssuerKeys } from '../../src/storage/issuer-keys.ts';
import type { Sealer } from '../../src/storage/sealer.ts';
import { heldClock } from '../doubles/held-clock.ts';
import { RecordingLog } from '../doubles/recording-log.ts';

/** A migrated, empty database whose sealer is prepared. */
export type OpenDatabase = () => Promise<{ database: Database; sealer: Sealer; close: () => Promise<void> }>;

const DAY_MS = 86_400_000;
const settings: IssuerSettings = {
  issuer: 'https://bridge.example',
  pushEndpoint: 'https://bridge.example/interop/v1/push',
  mediaBase: 'https://bridge.example/interop/v1/media',
  rotationDays: 30,
  jwksMaxAgeS: 600,
  tokenLifetimeS: 300,
};
const request = {
  audience: 'https://gk.example',
  subject: matrixUserId('@alice:hs.example'),
  scope: 'connect',
  signalIdentity: Buffer.alloc(33, 5),
} as const;

class Bench {
  readonly database: Database;
  readonly keys: IssuerKeys;
  readonly clock = heldClock(Date.UTC(2026, 0, 1));
  readonly log = new RecordingLog();
  readonly #close: () => Promise<void>;

  constructor(opened: Awaited<ReturnType<OpenDatabase>>) {
    this.database = opened.database;
    this.keys = new IssuerKeys({ sealer: opened.sealer });
    this.#close = opened.close;
  }

  issuer(
    changes: Partial<IssuerSettings> = {},
    database: Pick<Database, 'transaction'> = this.database,
  ): Issuer {
    const { clock, log, keys } = this;
    return createIssuer({
      settings: { ...settings, ...changes },
      database,
      keys,
      clock,
      random: systemRandom,
      log,
    });
  }

  async verify(token: string, jwks: object) {
    const options = {
      currentDate: new Date(this.clock.nowMs()),
      algorithms: ['ES256'],
      issuer: settings.issuer,
    };
    return await jwtVerify(token, createLocalJWKSet(jwks as JSONWebKeySet), options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

/** Declares the tests. */
export function issuerSuite(label: string, open: OpenDatabase): void {
  const bench = async () => new Bench(await open());

  test(`${label}: a proof token has the claims of the profile and no others`, async () => {
    await using world = await bench();
    const issuer = world.issuer();
    await issuer.tick();
    const token = await issuer.mintProof({ ...request, interopId: 'i-1' });
    const { payload, protectedHeader } = await world.verify(token, (await issuer.jwks()).body);
    const iat = Math.floor(world.clock.nowMs() / 1000);
    const { jti, ...rest } = payload;
    assert.deepEqual(rest, {
      iss: 'https://bridge.example',
      aud: 'https://gk.example',
      sub: '@alice:hs.example',
      iat,
      nbf: iat,
      exp: iat + 300,
      scope: 'connect',
      cnf: { signal_identity: createHash('sha256').update(request.signalIdentity).digest('base64url') },
      interop_id: 'i-1',
    });
    assert.equal(Buffer.from(jti ?? '', 'base64url').length, 16);
    assert.deepEqual({ ...protectedHeader, kid: '' }, { alg: 'ES256', typ: 'JWT', kid: '' });
  });

  test(`${label}: every token has a jti of its own, and before enlistment no interop_id`, async () => {
    await using world = await bench();
    const issuer = world.issuer();
    await issuer.tick();
    const tokens = await Promise.all(Array.from({ length: 20 }, () => issuer.mintProof(request)));
    assert.equal(new Set(tokens.map((token) => decodeJwt(token).jti)).size, 20);
    assert.ok(tokens.every((token) => !('interop_id' in decodeJwt(token))));
  });

  test(`${label}: the JWKS shows public halves only, each with kid, alg and use`, async () => {
    await using world = await bench();
    const issuer = world.issuer();
    await issuer.tick();
    const { body, maxAgeS } = await issuer.jwks();
    assert.equal(maxAgeS, 600);
    const [key, ...others] = (body as JSONWebKeySet).keys;
    assert.deepEqual(others, []);
    assert.deepEqual(Object.keys(key ?? {}).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  });

  test(`${label}: a restart keeps the key`, async () => {
    await using world = await bench();
    const before = world.issuer();
    await before.tick();
    const after = world.issuer();
    await after.tick();
    assert.deepEqual((await after.jwks()).body, (await before.jwks()).body);
  });

  test(`${label}: processes that start and rotate at the same time agree on one key each time`, async () => {
    await using world = await bench();
    const issuers = Array.from({ length: 4 }, () => world.issuer());
    for (const kids of [1, 2]) {
      await Promise.all(issuers.map((issuer) => issuer.tick()));
      await Promise.all(issuers.map((issuer) => issuer.tick()));
      const bodies = await Promise.all(issuers.map(async (issuer) => (await issuer.jwks()).body));
      for (const body of bodies) assert.deepEqual(body, bodies[0]);
      assert.equal((bodies[0] as JSONWebKeySet).keys.length, kids);
      world.clock.advance(30 * DAY_MS - 1_200_000);
    }
  });

  test(`${label}: through a rotation every JWKS within its cache lifetime verifies every valid token`, async () => {
    await using world = await bench();
    const [one, other] = [world.issuer(), world.issuer()];
    await one.tick();
    await other.tick();
    const caches: { kids: readonly unknown[]; untilMs: number }[] = [];
    const tokens: { kid: unknown; untilMs: number }[] = [];
    world.clock.advance(30 * DAY_MS - 40 * 60_000);
    for (let minute = 0; minute < 80; minute++) {
      world.clock.advance(60_000);
      const nowMs = world.clock.nowMs();
      await (minute % 2 === 0 ? one : other).tick();
      for (const issuer of [one, other]) {
        const { body, maxAgeS } = await issuer.jwks();
        const kids = (body as JSONWebKeySet).keys.map((key) => key.kid);
        caches.push({ kids, untilMs: nowMs + maxAgeS * 1000 });
        const { protectedHeader } = await world.verify(await issuer.mintProof(request), body);
        tokens.push({ kid: protectedHeader.kid, untilMs: nowMs + 300_000 });
      }
      const valid = tokens.filter(({ untilMs }) => untilMs > nowMs);
      for (const cache of caches.filter(({ untilMs }) => untilMs >= nowMs)) {
        assert.ok(valid.every(({ kid }) => cache.kids.includes(kid)));
      }
    }
    assert.equal(new Set(tokens.map(({ kid }) => kid)).size, 2);
    assert.deepEqual(caches.at(-1)?.kids, [tokens.at(-1)?.kid], 'the first key is gone');
  });

  test(`${label}: nothing of a private key can be read in the table`, async () => {
    await using world = await bench();
    const issuer = world.issuer();
    await issuer.tick();
    await world.database.transaction(async (tx) => {
      const [key] = await world.keys.list(tx);
      assert.ok(key);
      const pkcs8 = await world.keys.getPrivate(tx, key.kid);
      const row: unknown = await tx('issuer_keys').where({ kid: key.kid }).first();
      const { sealed_private, ...rest } = row as { sealed_private: Buffer };
      // RFC 5915: the 32 bytes of the private scalar stand behind the version and their tag.
      const scalar = pkcs8.subarray(36, 68);
      assert.equal(sealed_private.indexOf(scalar), -1);
      assert.doesNotMatch(JSON.stringify(rest), new RegExp(scalar.toString('base64url')));
    });
  });

  test(`${label}: a key that someone else wrote into the table is never published`, async () => {
    await using world = await bench();
    const issuer = world.issuer();
    await issuer.tick();
    const honest = (await issuer.jwks()).body;
    await world.database.transaction(async (tx) => {
      const [key] = await world.keys.list(tx);
      assert.ok(key);
      const pkcs8 = await world.keys.getPrivate(tx, key.kid);
      await world.keys.insert(tx, { ...key, kid: 'theirs' }, pkcs8);
    });
    await assert.rejects(issuer.tick(), (failure) => hasCode((failure as Error).cause, 'identity/keyForged'));
    assert.deepEqual((await issuer.jwks()).body, honest);
  });

  test(`${label}: while the database fails the issuer signs with what it knows, and stops before that is unsafe`, async () => {
    await using world = await bench();
    let broken = false;
    const database: Pick<Database, 'transaction'> = {
      transaction: async (work) => {
        if (broken) throw new Error('connection lost');
        return await world.database.transaction(work);
      },
    };
    const issuer = world.issuer({}, database);
    await issuer.tick();
    broken = true;
    world.clock.advance(900_000);
    await issuer.mintProof(request);
    assert.equal((await issuer.jwks()).maxAgeS, 300);
    world.clock.advance(300_000);
    const unavailable = (failure: unknown) => hasCode(failure, 'identity/keysUnavailable');
    await assert.rejects(issuer.mintProof(request), unavailable);
    await assert.rejects(issuer.jwks(), unavailable);
    broken = false;
    await issuer.mintProof(request);
  });

  test(`${label}: the records come back as they were inserted, in the order in which they sign`, async () => {
    await using world = await bench();
    const record = { alg: 'ES256', publicJwk: '{}', createdAtMs: 1, signsUntilMs: undefined } as const;
    await world.database.transaction(async (tx) => {
      await world.keys.lock(tx);
      await world.keys.insert(tx, { ...record, kid: 'b', signsFromMs: 20 }, Buffer.from('private b'));
      await world.keys.insert(tx, { ...record, kid: 'a', signsFromMs: 10 }, Buffer.from('private a'));
      await world.keys.saveSignsUntil(tx, 'a', 20);
      assert.deepEqual(await world.keys.list(tx), [
        { ...record, kid: 'a', signsFromMs: 10, signsUntilMs: 20 },
        { ...record, kid: 'b', signsFromMs: 20 },
      ]);
      assert.equal((await world.keys.getPrivate(tx, 'b')).toString(), 'private b');
      await world.keys.delete(tx, 'b');
      await world.keys.delete(tx, 'b');
      assert.deepEqual(
        (await world.keys.list(tx)).map((key) => key.kid),
        ['a'],
      );
      await assert.rejects(world.keys.getPrivate(tx, 'b'), (failure) =>
        hasCode(failure, 'storage/rowMissing'),
      );
    });
  });

  test(`${label}: a sealed key that was moved to another row does not open`, async () => {
    await using world = await bench();
    const record = { alg: 'ES256', publicJwk: '{}', createdAtMs: 1, signsUntilMs: undefined } as const;
    await world.database.transaction(async (tx) => {
      await world.keys.insert(tx, { ...record, kid: 'a', signsFromMs: 10 }, Buffer.from('private a'));
      await tx('issuer_keys').where({ kid: 'a' }).update({ kid: 'c' });
      await assert.rejects(world.keys.getPrivate(tx, 'c'), (failure) =>
        hasCode(failure, 'storage/sealBroken'),
      );
    });
  });
}
