import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Router } from 'express';
import { systemClock } from '../../../src/ambient/clock.ts';
import { createHttp } from '../../../src/http/http.ts';
import { METRICS } from '../../../src/http/metric-table.ts';
import { createMetrics, createMetricsRouter, metricsReference } from '../../../src/http/metrics.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';
import { get } from './http-client.ts';

function makeMetrics() {
  const log = new RecordingLog();
  return { metrics: createMetrics({ version: '1.2.3', log }), log };
}

/** The lines of a scrape that begin with `name`. */
function samples(text: string, name: string): readonly string[] {
  return text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
}

test('every metric of the table is told with its help, beside those of the process', async () => {
  const text = await makeMetrics().metrics.scrape();
  for (const { name, help } of Object.values(METRICS))
    assert.ok(text.includes(`# HELP ${name} ${help}`), name);
  assert.match(text, /^process_resident_memory_bytes \d+/m);
  assert.match(text, /^nodejs_eventloop_lag_seconds /m);
  assert.deepEqual(samples(text, 'app_version'), ['app_version{version="1.2.3"} 1']);
});

test('names are of one kind, counters of ours end in _total, and no name stands twice', () => {
  const names = Object.values(METRICS).map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, kind } of Object.values(METRICS)) {
    assert.match(name, /^[a-z][a-z_]*$/);
    if (name.startsWith('drawbridge_')) assert.equal(name.endsWith('_total'), kind === 'counter', name);
  }
});

test('a message counts under its network, leg and outcome, and its time under the side it came from', async () => {
  const { metrics } = makeMetrics();
  metrics.message({ network: 'wa', leg: 'outbound', outcome: 'delivered', seconds: 0.02 });
  metrics.message({ network: 'wa', leg: 'inbound', outcome: 'delivered', seconds: 0.2 });
  metrics.message({ network: 'wa', leg: 'inbound', outcome: 'unreadable' });
  const text = await metrics.scrape();
  assert.deepEqual(samples(text, 'drawbridge_messages_total'), [
    'drawbridge_messages_total{network="wa",leg="outbound",outcome="delivered"} 1',
    'drawbridge_messages_total{network="wa",leg="inbound",outcome="delivered"} 1',
    'drawbridge_messages_total{network="wa",leg="inbound",outcome="unreadable"} 1',
  ]);
  assert.deepEqual(samples(text, 'matrix_request_seconds_sum'), [
    'matrix_request_seconds_sum{outcome="delivered"} 0.02',
  ]);
  assert.deepEqual(samples(text, 'remote_request_seconds_count'), [
    'remote_request_seconds_count{outcome="delivered"} 1',
  ]);
});

test('requests count once, failed ones also under their code', async () => {
  const { metrics } = makeMetrics();
  metrics.homeserver.request('PUT /send', 'ok', 0.1);
  metrics.homeserver.request('PUT /send', 'matrix/rateLimited', 0.1);
  metrics.homeserver.badEvent();
  metrics.push('accepted');
  metrics.error('signal/undecryptable');
  const text = await metrics.scrape();
  assert.deepEqual(samples(text, 'matrix_api_calls'), ['matrix_api_calls{method="PUT /send"} 2']);
  assert.deepEqual(samples(text, 'matrix_api_calls_failed'), [
    'matrix_api_calls_failed{method="PUT /send",code="matrix/rateLimited"} 1',
  ]);
  assert.deepEqual(samples(text, 'drawbridge_matrix_bad_events_total'), [
    'drawbridge_matrix_bad_events_total 1',
  ]);
  assert.deepEqual(samples(text, 'drawbridge_pushes_total'), [
    'drawbridge_pushes_total{outcome="accepted"} 1',
  ]);
  assert.deepEqual(samples(text, 'drawbridge_errors_total'), [
    'drawbridge_errors_total{code="signal/undecryptable"} 1',
  ]);
});

test('a duration that is no number, or below zero, fails nobody', async () => {
  const { metrics } = makeMetrics();
  for (const seconds of [Number.NaN, Number.POSITIVE_INFINITY, -3]) {
    metrics.message({ network: 'wa', leg: 'inbound', outcome: 'delivered', seconds });
  }
  const text = await metrics.scrape();
  assert.deepEqual(samples(text, 'remote_request_seconds_sum'), [
    'remote_request_seconds_sum{outcome="delivered"} 0',
  ]);
});

test('a gauge that is set forgets what is no longer among its values', async () => {
  const { metrics } = makeMetrics();
  metrics.set('links', [
    { network: 'wa', status: 'online', value: 2 },
    { network: 'wa', status: 'waiting', value: 1 },
  ]);
  metrics.set('links', [{ network: 'wa', status: 'online', value: 3 }]);
  assert.deepEqual(samples(await metrics.scrape(), 'drawbridge_links'), [
    'drawbridge_links{network="wa",status="online"} 3',
  ]);
});

test('two registries share nothing', async () => {
  const [one, other] = [makeMetrics().metrics, makeMetrics().metrics];
  one.push('accepted');
  assert.deepEqual(samples(await other.scrape(), 'drawbridge_pushes_total'), []);
});

test('what is measured at a scrape is brought up to date before it, once for scrapes at the same time', async () => {
  const { metrics } = makeMetrics();
  let runs = 0;
  metrics.beforeScrape(async () => {
    await systemClock.sleep(1);
    metrics.set('queueDepth', [{ queue: 'outbox', value: ++runs }]);
  });
  const [text] = await Promise.all([metrics.scrape(), metrics.scrape()]);
  assert.deepEqual(samples(text, 'drawbridge_queue_depth'), ['drawbridge_queue_depth{queue="outbox"} 1']);
  assert.match(await metrics.scrape(), /outbox"\} 2/);
});

test('a measurement that fails is logged, and the rest is told', async () => {
  const { metrics, log } = makeMetrics();
  metrics.beforeScrape(() => {
    throw new Error('no database');
  });
  assert.match(await metrics.scrape(), /app_version/);
  assert.deepEqual(
    log.entries.map((entry) => entry.level),
    ['warn'],
  );
});

test('the router answers in the format of Prometheus', async () => {
  const other = Router();
  const { metrics, log } = makeMetrics();
  const http = createHttp({
    listeners: [{ bindAddress: '127.0.0.1', port: 0, resources: ['metrics'] }],
    resources: { metrics: createMetricsRouter(metrics), public: other, appservice: other, health: other },
    log,
    clock: systemClock,
  });
  const [port = 0] = await http.start();
  try {
    const { status, headers, text } = await get(port, '/metrics');
    assert.equal(status, 200);
    assert.match(headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    assert.match(text, /app_version\{version="1\.2\.3"\} 1/);
  } finally {
    await http.stop(0);
  }
});

test('docs/metrics.md is what the table gives', async () => {
  const page = path.join(import.meta.dirname, '../../../docs/metrics.md');
  assert.equal(await readFile(page, 'utf8'), metricsReference());
});
