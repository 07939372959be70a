import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type KeyTimes,
  knownUntilMs,
  leadMs,
  planRotation,
  type RotationRules,
  signerAt,
} from '../../../src/identity/rotation.ts';

const rules: RotationRules = {
  rotationMs: 100_000,
  cacheMs: 10_000,
  refreshMs: 2_000,
  tokenLifetimeMs: 5_000,
};
const first = { kid: 'first', signsFromMs: 0 };
const second = { kid: 'second', signsFromMs: 100_000 };

test('without a key the first one is made and signs at once', () => {
  assert.deepEqual(planRotation([], 7, rules), { publish: { signsFromMs: 7, after: undefined }, drop: [] });
});

test('the next key is made when the lead before the end of the rotation begins, not earlier', () => {
  const dueMs = 100_000 - leadMs(rules);
  assert.deepEqual(planRotation([first], dueMs - 1, rules), { drop: [] });
  assert.deepEqual(planRotation([first], dueMs, rules), {
    publish: { signsFromMs: 100_000, after: first },
    drop: [],
  });
});

test('a rotation that comes late still publishes the next key its whole lead before', () => {
  const { publish } = planRotation([first], 5_000_000, rules);
  assert.deepEqual(publish, { signsFromMs: 5_000_000 + leadMs(rules), after: first });
});

test('while the next key waits no other one is made', () => {
  assert.deepEqual(planRotation([first, second], 99_000, rules), { drop: [] });
});

test('the last key stays until its newest token has expired for every clock, then it goes', () => {
  assert.deepEqual(planRotation([second, first], 105_000, rules).drop, []);
  assert.deepEqual(planRotation([second, first], 105_000 + 121_000, rules).drop, [first]);
});

test('the key that signs is the newest one whose time has come; with the clock set back the oldest', () => {
  assert.equal(signerAt([second, first], 99_999), first);
  assert.equal(signerAt([second, first], 100_000), second);
  assert.equal(signerAt([second, first], -1), first);
  assert.equal(signerAt([], 0), undefined);
});

test('a rotation shorter than the lead is lengthened to it', () => {
  const hasty = { ...rules, rotationMs: 1 };
  assert.equal(planRotation([first], 1, hasty).publish?.signsFromMs, 1 + leadMs(hasty));
});

/** Processes that share a table, and gatekeepers that fetch from any of them, step by step. */
class World {
  readonly rules: RotationRules;
  readonly processes: { keys: readonly KeyTimes[]; readAtMs: number }[];
  nowMs = 1_000_000;
  #table: readonly KeyTimes[] = [];
  #made = 0;
  readonly #publishedAtMs = new Map<string, number>();
  readonly #tokens: { kid: string; expiresMs: number }[] = [];
  readonly #caches: { kids: ReadonlySet<string>; untilMs: number }[] = [];

  constructor(of: RotationRules, processes: number) {
    this.rules = of;
    this.processes = Array.from({ length: processes }, () => ({ keys: [], readAtMs: 0 }));
    for (const index of this.processes.keys()) this.tick(index);
  }

  tick(index: number): void {
    const plan = planRotation(this.#table, this.nowMs, this.rules);
    const made = plan.publish && { kid: `k${++this.#made}`, signsFromMs: plan.publish.signsFromMs };
    if (made) this.#publishedAtMs.set(made.kid, this.nowMs);
    this.#table = [...this.#table.filter((key) => !plan.drop.includes(key)), ...(made ? [made] : [])];
    this.processes[index] = { keys: this.#table, readAtMs: this.nowMs };
  }

  fetch(index: number): void {
    this.#ensureFresh(index);
    const { keys, readAtMs } = this.#process(index);
    const maxAgeMs = Math.min(
      this.rules.cacheMs,
      Math.max(0, knownUntilMs(readAtMs, this.rules) - this.nowMs),
    );
    this.#caches.push({ kids: new Set(keys.map((key) => key.kid)), untilMs: this.nowMs + maxAgeMs });
  }

  mint(index: number): void {
    this.#ensureFresh(index);
    const signer = signerAt(this.#process(index).keys, this.nowMs);
    assert.ok(signer, 'there is always a key that signs');
    const publishedMs = this.#publishedAtMs.get(signer.kid) ?? Number.NaN;
    assert.ok(
      signer.kid === 'k1' || this.nowMs - publishedMs >= 2 * this.rules.cacheMs,
      'published too late',
    );
    this.#tokens.push({ kid: signer.kid, expiresMs: this.nowMs + this.rules.tokenLifetimeMs });
  }

  check(): void {
    const valid = this.#tokens.filter((token) => token.expiresMs >= this.nowMs);
    for (const cache of this.#caches.filter((held) => held.untilMs >= this.nowMs)) {
      for (const { kid } of valid)
        assert.ok(cache.kids.has(kid), `${kid} is not in a JWKS that is still cached`);
    }
    assert.ok(
      this.#table.length <=
        4 + this.rules.tokenLifetimeMs / this.rules.cacheMs + 120_000 / this.rules.cacheMs,
    );
  }

  #ensureFresh(index: number): void {
    if (knownUntilMs(this.#process(index).readAtMs, this.rules) <= this.nowMs) this.tick(index);
  }

  #process(index: number): { keys: readonly KeyTimes[]; readAtMs: number } {
    const process = this.processes[index];
    assert.ok(process);
    return process;
  }
}

const anyRules = fc
  .record({
    rotationMs: fc.integer({ min: 1, max: 500_000 }),
    cacheMs: fc.integer({ min: 1_000, max: 60_000 }),
    refreshPart: fc.integer({ min: 1, max: 8 }),
    tokenLifetimeMs: fc.integer({ min: 1_000, max: 300_000 }),
  })
  .map(({ refreshPart, ...times }) => ({ ...times, refreshMs: Math.ceil(times.cacheMs / refreshPart) }));

const anyStep = fc.record({
  waitParts: fc.integer({ min: 0, max: 40 }),
  process: fc.integer({ min: 0, max: 2 }),
  action: fc.constantFrom('tick', 'fetch', 'mint'),
});

test('at any time a token is verifiable with every JWKS that is still cached', () => {
  fc.assert(
    fc.property(anyRules, fc.array(anyStep, { minLength: 50, maxLength: 200 }), (of, steps) => {
      const world = new World(of, 3);
      for (const step of steps) {
        // Up to ten refreshes at once: process 0 never misses its ticks, the others hang as they like.
        for (let part = 0; part < step.waitParts; part++) {
          world.nowMs += Math.ceil(of.refreshMs / 4);
          if (part % 4 === 0) world.tick(0);
          world.check();
        }
        world[step.action as 'tick' | 'fetch' | 'mint'](step.process);
        world.check();
      }
    }),
    { numRuns: 150 },
  );
});

test('after a time with no process running a token is verifiable with every JWKS that is still cached', () => {
  fc.assert(
    fc.property(anyRules, fc.array(anyStep, { minLength: 20, maxLength: 60 }), (of, steps) => {
      const world = new World(of, 3);
      for (const step of steps) {
        world.nowMs += Math.ceil((step.waitParts * (of.rotationMs + of.cacheMs)) / 20);
        world.check();
        world[step.action as 'tick' | 'fetch' | 'mint'](step.process);
        world.check();
      }
    }),
  );
});
