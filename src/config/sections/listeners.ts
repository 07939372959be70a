import { z } from 'zod';
import { choice, setting } from '../setting.ts';

const resource = choice({
  appservice: 'What the homeserver calls. Needs to be reached by the homeserver only.',
  public:
    'What gatekeepers call: the OpenID issuer and the push endpoint. Reached from outside, behind a reverse proxy with TLS.',
  health: 'Liveness and readiness, for a supervisor or an orchestrator.',
  metrics: 'Counters for Prometheus. They hold no content and no identifiers, but need not be public.',
});

const listener = z.strictObject({
  bind_address: setting(
    z.union([z.ipv4(), z.ipv6()], { error: 'must be an IP address' }).default('127.0.0.1'),
    {
      description:
        'IP address to listen on. `127.0.0.1` is reached from this machine only; `0.0.0.0` from everywhere by IPv4, `::` by both. The ' +
        'listener itself speaks plain HTTP.',
    },
  ),
  port: setting(z.int().min(1).max(65535), { description: 'TCP port.', sample: 29350 }),
  resources: setting(z.array(resource).min(1, 'must name at least one resource'), {
    description:
      'What is answered here. `appservice` and `public` are each needed exactly once in all listeners.',
  }),
});

/** `listeners`: which resource is answered on which address and port. */
export const listenersSection = setting(
  z
    .array(listener)
    .max(16)
    .default([
      { bind_address: '127.0.0.1', port: 29350, resources: ['appservice'] },
      { bind_address: '127.0.0.1', port: 29351, resources: ['public'] },
      { bind_address: '127.0.0.1', port: 29352, resources: ['health', 'metrics'] },
    ]),
  { description: 'Which resources are answered on which address and port.' },
);
