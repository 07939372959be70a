import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Router } from 'express';
import { systemClock } from '../../../src/ambient/clock.ts';
import { HealthFlag } from '../../../src/http/health-flag.ts';
import { createHealthRouter, type HealthCheck } from '../../../src/http/health-router.ts';
import { createHttp } from '../../../src/http/http.ts';
import { defineErrors } from '../../../src/model/errors.ts';
import { heldClock } from '../../doubles/held-clock.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { get } from './http-client.ts';

const errors = defineErrors('probe', { away: { retry: 'later', arrived: 'no', notice: 'internal' } });

async function startHealth(checks: readonly HealthCheck[]) {
  const other = Router();
  const http = createHttp({
    listeners: [{ bindAddress: '127.0.0.1', port: 0, resources: ['health'] }],
    resources: { health: createHealthRouter(checks), public: other, appservice: other, metrics: other },
    log: new RecordingLog(),
    clock: systemClock,
  });
  const [port = 0] = await http.start();
  return { port, [Symbol.asyncDispose]: async () => await http.stop(0) };
}

test('a process that runs is live, whatever it needs', async () => {
  await using world = await startHealth([new HealthFlag('database', heldClock())]);
  for (const path of ['/live', '/_drawbridge/live']) {
    const { status, json, headers } = await get(world.port, path);
    assert.deepEqual([status, json, headers.get('cache-control')], [200, { live: true }, 'no-store']);
  }
});

test('it is ready when every check is ok, and tells each with its time and reason', async () => {
  const clock = heldClock();
  const [homeserver, database] = [new HealthFlag('homeserver', clock), new HealthFlag('database', clock)];
  await using world = await startHealth([homeserver, database]);
  database.ok();
  clock.advance(1_000);
  homeserver.failed(errors.away({ why: 'hunter2' }));
  const before = await get(world.port, '/ready');
  assert.equal(before.status, 503);
  assert.deepEqual(before.json, {
    ready: false,
    checks: {
      homeserver: { ok: false, since: '1970-01-01T00:00:00.000Z', error: 'probe/away' },
      database: { ok: true, since: '1970-01-01T00:00:00.000Z' },
    },
  });
  homeserver.ok();
  const after = await get(world.port, '/_drawbridge/ready');
  assert.equal(after.status, 200);
  assert.deepEqual((after.json as { checks: object }).checks, {
    homeserver: { ok: true, since: '1970-01-01T00:00:01.000Z' },
    database: { ok: true, since: '1970-01-01T00:00:00.000Z' },
  });
});

test('a check that throws is not ok, and hides no other one', async () => {
  const broken: HealthCheck = {
    name: 'broken',
    read: () => {
      throw new Error('hunter2');
    },
  };
  const database = new HealthFlag('database', heldClock());
  database.ok();
  await using world = await startHealth([broken, database]);
  const { status, json, text } = await get(world.port, '/ready');
  assert.equal(status, 503);
  assert.deepEqual((json as { checks: { broken: object } }).checks.broken, {
    ok: false,
    error: 'internal/unexpected',
  });
  assert.match(text, /"database":\{"ok":true/);
  assert.doesNotMatch(text, /hunter2/);
});
