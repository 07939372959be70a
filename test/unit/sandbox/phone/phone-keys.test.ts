import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { systemClock } from '../../../../src/ambient/clock.ts';
import { systemRandom } from '../../../../src/ambient/random.ts';
import { PhoneKeys } from '../../../../src/sandbox/phone/phone-keys.ts';

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'phone-keys-'));
});
after(() => rm(dir, { recursive: true }));

const open = (file: string | undefined) =>
  new PhoneKeys({ file, clock: systemClock, random: systemRandom, onIdentityChange: () => undefined });

test('a second start finds the same identity and keys, in a file for its owner only', async () => {
  const file = join(dir, 'bob.json');
  const first = open(file);
  const { prekeys } = first.makeOneTime(2);
  const second = open(file);
  assert.deepEqual(second.device(), first.device());
  const [key] = prekeys;
  assert.ok(key);
  assert.equal((await second.prekeys.getPreKey(key.id)).id(), key.id);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test('ids are never given twice, also not after a restart', () => {
  const file = join(dir, 'carol.json');
  const ids = ['first', 'second'].flatMap(() => {
    const { prekeys, kyber } = open(file).makeOneTime(3);
    return [...prekeys, ...kyber].map(({ id }) => id);
  });
  assert.equal(new Set(ids).size, 12);
});

test('a used one-time key is gone, the last-resort key stays', async () => {
  const keys = open(undefined);
  const { kyber } = keys.makeOneTime(1);
  const oneTime = kyber[0]?.id ?? -1;
  const lastResort = (keys.device().kyber_last_resort as { id: number }).id;
  for (const id of [oneTime, lastResort]) await keys.kyber.markKyberPreKeyUsed(id, 0, undefined as never);
  await assert.rejects(keys.kyber.getKyberPreKey(oneTime));
  assert.equal((await keys.kyber.getKyberPreKey(lastResort)).id(), lastResort);
});

test('a reset makes another identity', () => {
  const keys = open(undefined);
  const before = keys.device().identity_key;
  keys.reset();
  assert.notEqual(keys.device().identity_key, before);
});
