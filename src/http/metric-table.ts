/**
 * Every metric of ours, once: the registry and docs/metrics.md are made from this table. Names without `drawbridge_` are
 * those that dashboards of other bridges know. Labels have few values: never an id of a person, a room or a message.
 */
export type MetricDefinition = Readonly<{
  kind: 'counter' | 'gauge' | 'histogram';
  name: string;
  /** One sentence. */
  help: string;
  labels: readonly string[];
}>;

/** Seconds: from a local send to a message that waited for the other side. */
export const SECONDS_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export const METRICS = {
  matrixRequestSeconds: {
    kind: 'histogram',
    name: 'matrix_request_seconds',
    help: 'From the arrival of a message from Matrix until it is settled, by outcome.',
    labels: ['outcome'],
  },
  remoteRequestSeconds: {
    kind: 'histogram',
    name: 'remote_request_seconds',
    help: 'From the arrival of a message from a network until it is settled, by outcome.',
    labels: ['outcome'],
  },
  matrixApiCalls: {
    kind: 'counter',
    name: 'matrix_api_calls',
    help: 'Requests to the homeserver, by method and path template.',
    labels: ['method'],
  },
  matrixApiCallsFailed: {
    kind: 'counter',
    name: 'matrix_api_calls_failed',
    help: 'Those of matrix_api_calls that failed, by the code of the error.',
    labels: ['method', 'code'],
  },
  matrixApiSeconds: {
    kind: 'histogram',
    name: 'drawbridge_matrix_api_seconds',
    help: 'How long requests to the homeserver took, failed ones too.',
    labels: ['method'],
  },
  badEvents: {
    kind: 'counter',
    name: 'drawbridge_matrix_bad_events_total',
    help: 'Events of the homeserver that were malformed and left out.',
    labels: [],
  },
  messages: {
    kind: 'counter',
    name: 'drawbridge_messages_total',
    help: 'Messages settled; leg: outbound (from Matrix) or inbound (from the network).',
    labels: ['network', 'leg', 'outcome'],
  },
  pushes: {
    kind: 'counter',
    name: 'drawbridge_pushes_total',
    help: 'Wake-ups received at the push endpoint: accepted, unknown (no such account) or bad-token.',
    labels: ['outcome'],
  },
  mediaBytes: {
    kind: 'counter',
    name: 'drawbridge_media_bytes_total',
    help: 'Bytes of encrypted files; direction: hosted (put where contacts fetch them), served (given out) or fetched (from a network).',
    labels: ['direction'],
  },
  mediaRefused: {
    kind: 'counter',
    name: 'drawbridge_media_refused_total',
    help: 'Files that were not hosted, served or fetched, by the code of the error; served: not-found, bad-token, busy and others.',
    labels: ['direction', 'code'],
  },
  errors: {
    kind: 'counter',
    name: 'drawbridge_errors_total',
    help: 'Failures by the code that the log tells.',
    labels: ['code'],
  },
  queueDepth: {
    kind: 'gauge',
    name: 'drawbridge_queue_depth',
    help: 'What waits in a queue: matrix-inbox, network-inbox or outbox.',
    labels: ['queue'],
  },
  accounts: {
    kind: 'gauge',
    name: 'drawbridge_accounts',
    help: 'Accounts by state: enlisting, active, suspended or leaving.',
    labels: ['network', 'state'],
  },
  links: {
    kind: 'gauge',
    name: 'drawbridge_links',
    help: 'Connections of accounts to a network by status: online, connecting, waiting or stopped.',
    labels: ['network', 'status'],
  },
  heldAccounts: {
    kind: 'gauge',
    name: 'drawbridge_held_accounts',
    help: 'Accounts that nothing is read for since too much of theirs waits to be brought into rooms.',
    labels: ['network'],
  },
  ready: {
    kind: 'gauge',
    name: 'drawbridge_ready',
    help: 'Each check of /ready: 1 when it is ok, else 0.',
    labels: ['check'],
  },
  appVersion: {
    kind: 'gauge',
    name: 'app_version',
    help: 'Always 1; the version is the label.',
    labels: ['version'],
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricId = keyof typeof METRICS;

/** The ids of all metrics of one kind. */
export type MetricIdOf<Kind extends MetricDefinition['kind']> = {
  [Id in MetricId]: (typeof METRICS)[Id]['kind'] extends Kind ? Id : never;
}[MetricId];

/** A metric's labels with their values. */
export type LabelsOf<Id extends MetricId> = Readonly<Record<(typeof METRICS)[Id]['labels'][number], string>>;
