/** Counters for Prometheus, in a registry of their own. Counting never throws into the path of a message. */
import { Router } from 'express';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Log } from '../model/ambient.ts';
import { type LabelsOf, METRICS, type MetricId, type MetricIdOf, SECONDS_BUCKETS } from './metric-table.ts';

type Measured<Id extends MetricId> = LabelsOf<Id> & Readonly<{ value: number }>;

/** The outcome of a request that went well; any other one is the code of an error. */
const OK = 'ok';

/**
 * The typed door to the table. Its `message` and `homeserver` have the shapes that the core and the Matrix side ask for.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #log: Log;
  readonly #counters = new Map<MetricId, Counter>();
  readonly #gauges = new Map<MetricId, Gauge>();
  readonly #histograms = new Map<MetricId, Histogram>();
  readonly #scrapeHooks: (() => void | Promise<void>)[] = [];
  #scraping: Promise<string> | undefined;

  /** Counts what is sent to the homeserver. */
  readonly homeserver = {
    /** @param request method and path template. @param outcome `ok`, or the code of the error. */
    request: (request: string, outcome: string, seconds: number): void => {
      this.#count('matrixApiCalls', { method: request });
      this.#observe('matrixApiSeconds', { method: request }, seconds);
      if (outcome !== OK) this.#count('matrixApiCallsFailed', { method: request, code: outcome });
    },
    badEvent: (): void => this.#count('badEvents', {}),
  };

  /** Counts files. */
  readonly media = {
    bytes: (direction: 'hosted' | 'served' | 'fetched', bytes: number): void =>
      this.#count('mediaBytes', { direction }, bytes),
    /** @param code of an error, or one of few constants. */
    refused: (direction: 'hosted' | 'served' | 'fetched', code: string): void =>
      this.#count('mediaRefused', { direction, code }),
  };

  constructor(deps: { version: string; log: Log }) {
    this.#log = deps.log;
    for (const id of Object.keys(METRICS) as MetricId[]) this.#declare(id);
    collectDefaultMetrics({ register: this.#registry });
    this.set('appVersion', [{ version: deps.version, value: 1 }]);
  }

  /** A message is settled. `seconds`: since it arrived; not measured when absent. `outcome`: one of few constants. */
  message(facts: {
    network: string;
    leg: 'outbound' | 'inbound';
    outcome: string;
    seconds?: number | undefined;
  }): void {
    const { network, leg, outcome, seconds } = facts;
    this.#count('messages', { network, leg, outcome });
    if (seconds === undefined) return;
    this.#observe(leg === 'outbound' ? 'matrixRequestSeconds' : 'remoteRequestSeconds', { outcome }, seconds);
  }

  push(outcome: 'accepted' | 'unknown' | 'bad-token' | 'unavailable'): void {
    this.#count('pushes', { outcome });
  }

  /** @param code as `codeOf` gives it. */
  error(code: string): void {
    this.#count('errors', { code });
  }

  /** Replaces all values of a gauge: what is not among `measured` is gone. */
  set<Id extends MetricIdOf<'gauge'>>(id: Id, measured: readonly Measured<Id>[]): void {
    const gauge = this.#gauges.get(id);
    gauge?.reset();
    for (const { value, ...labels } of measured) gauge?.set(labels, value);
  }

  /** `hook` sets gauges; it runs before each scrape, one scrape at a time. When it fails, the old values are told. */
  beforeScrape(hook: () => void | Promise<void>): void {
    this.#scrapeHooks.push(hook);
  }

  /** The text that Prometheus reads. Calls at the same time share one. */
  async scrape(): Promise<string> {
    this.#scraping ??= this.#scrape().finally(() => {
      this.#scraping = undefined;
    });
    return await this.#scraping;
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async #scrape(): Promise<string> {
    for (const hook of this.#scrapeHooks) {
      try {
        await hook();
      } catch (cause) {
        this.#log.warn('metrics not brought up to date', {}, cause);
      }
    }
    return await this.#registry.metrics();
  }

  #declare(id: MetricId): void {
    const { kind, name, help, labels } = METRICS[id];
    const common = { name, help, labelNames: [...labels], registers: [this.#registry] };
    switch (kind) {
      case 'counter':
        this.#counters.set(id, new Counter(common));
        return;
      case 'gauge':
        this.#gauges.set(id, new Gauge(common));
        return;
      case 'histogram':
        this.#histograms.set(id, new Histogram({ ...common, buckets: SECONDS_BUCKETS }));
        return;
      default:
        kind satisfies never;
    }
  }

  #count<Id extends MetricIdOf<'counter'>>(id: Id, labels: LabelsOf<Id>, by = 1): void {
    this.#counters.get(id)?.inc(labels, by);
  }

  #observe<Id extends MetricIdOf<'histogram'>>(id: Id, labels: LabelsOf<Id>, seconds: number): void {
    // prom-client throws at anything else, and a clock that was set back is no reason to fail a message.
    if (Number.isFinite(seconds)) this.#histograms.get(id)?.observe(labels, Math.max(0, seconds));
  }
}

export function createMetrics(deps: { version: string; log: Log }): Metrics {
  return new Metrics(deps);
}

/** `GET /metrics`. */
export function createMetricsRouter(metrics: Metrics): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.get('/metrics', (_request, response, next) => {
    metrics
      .scrape()
      .then((text) => response.set('Content-Type', metrics.contentType).end(text))
      .catch(next);
  });
  return router;
}

/** The text of docs/metrics.md. */
export function metricsReference(): string {
  const rows = Object.values(METRICS).map(({ name, kind, labels, help }) => {
    const told = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${kind} | ${told} | ${help} |`;
  });
  return `# Metrics

This page is made from \`src/http/metric-table.ts\` by \`npm run generate\`.

A listener with the resource \`metrics\` answers \`GET /metrics\` in the text format of Prometheus. No label names a person, a
room or a message. Counters begin at zero when the process starts; gauges are read at each scrape. Beside these there are
the metrics of the process (\`process_*\`) and of Node.js (\`nodejs_*\`, such as \`nodejs_eventloop_lag_seconds\`).

| name | kind | labels | meaning |
|---|---|---|---|
${rows.join('\n')}
`;
}
