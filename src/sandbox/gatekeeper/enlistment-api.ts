/** The API that bridges call (docs/interop-profile.md, section 2), and the keys that sign the gatekeeper's pushes. */
import type { Express, RequestHandler } from 'express';
import type { JWK } from 'jose';
import { z } from 'zod';

import type { Clock, Log } from '../../model/ambient.ts';
import { deviceSchema } from './device.ts';
import type { Faults } from './faults.ts';
import { gatekeeperErrors } from './gatekeeper-errors.ts';
import { answerErrors, bearerOf, jsonApp, parseBody, route } from './http-server.ts';
import { onlyDeviceId } from './key-pool.ts';
import type { ProofJudge } from './proof-token.ts';
import type { Registry } from './registry.ts';
import type { Account, GatekeeperStore } from './store.ts';

/** What an enlistment is told about the network. */
export interface NetworkTerms {
  /** What is accepted: the names of `Content.body`, `read_marker` and `typing`. */
  readonly capabilities: readonly string[];
  readonly textCharacters: number;
  readonly stanzaBytes: number;
  readonly mediaBytes: number;
  /** Seconds; absent: for ever. */
  readonly editSeconds?: number;
  /** Seconds; absent: for ever. */
  readonly deleteSeconds?: number;
  readonly oneReactionEach?: boolean;
  /** As it goes over the wire. */
  readonly media?: Readonly<Record<string, { readonly bytes?: number; readonly types?: readonly string[] }>>;
}

export interface EnlistmentApiOptions {
  readonly domain: string;
  /** Where clients connect; only read at a request, so that a restart may change it. */
  readonly stream: () => { readonly host: string; readonly port: number };
  readonly terms: NetworkTerms;
  readonly registry: Registry;
  readonly store: GatekeeperStore;
  readonly judge: ProofJudge;
  readonly faults: Faults;
  readonly pushKey: JWK;
  readonly clock: Clock;
  readonly log: Log;
}

function capabilitiesOf(terms: NetworkTerms) {
  return {
    capabilities: terms.capabilities,
    limits: {
      text_characters: terms.textCharacters,
      stanza_bytes: terms.stanzaBytes,
      media_bytes: terms.mediaBytes,
      edit_seconds: terms.editSeconds,
      delete_seconds: terms.deleteSeconds,
      one_reaction_each: terms.oneReactionEach,
    },
    media: terms.media,
  };
}

/** 100 keys of each kind in base64 fit; nothing much larger does. */
const bodyBytes = 512 * 1024;

const displayName = z.string().min(1).max(128);
const enlistmentSchema = z.object({
  display_name: displayName.optional(),
  terms_version: z.union([z.string().max(64), z.number()]),
  device: deviceSchema,
});
const changeSchema = z.object({ display_name: displayName.optional(), reachable: z.boolean().optional() });
const lookupsSchema = z.object({
  identifiers: z
    .array(z.object({ kind: z.enum(['phone', 'username', 'interop_id']), value: z.string().min(1).max(128) }))
    .min(1)
    .max(256),
});
const reportSchema = z.object({
  jid: z.string().min(3).max(2047),
  reason: z.string().min(1).max(1000),
  message_ids: z.array(z.string().max(64)).max(100),
});
type Identifier = z.infer<typeof lookupsSchema>['identifiers'][number];

/** The whole public listener. */
export function enlistmentApi(options: EnlistmentApiOptions): Express {
  const { registry, store, judge, domain, terms } = options;
  const jidOf = (account: Account) => `${account.localpart}@${domain}`;
  const face = (account: Account) => ({
    ...capabilitiesOf(terms),
    interop_id: account.localpart,
    jid: jidOf(account),
    device_id: onlyDeviceId,
    state: account.state,
    ...(account.reason === undefined ? {} : { reason: account.reason }),
    ...(account.displayName === undefined ? {} : { display_name: account.displayName }),
    reachable: account.reachable,
  });
  const self = async (request: Parameters<typeof bearerOf>[0]) =>
    registry.accountOf(await judge.judge(bearerOf(request), 'api'));
  const activeSelf = async (request: Parameters<typeof bearerOf>[0]) => {
    const account = await self(request);
    if (account.state === 'suspended') throw gatekeeperErrors.suspended();
    return account;
  };

  const app = jsonApp(bodyBytes);
  app.get('/.well-known/jwks.json', (_request, response) => {
    response.set('Cache-Control', 'max-age=300').json({ keys: [options.pushKey] });
  });
  app.use('/interop/v1', misbehave(options));

  app.post(
    '/interop/v1/enlistments',
    route(async (request, response) => {
      const proof = await judge.judge(bearerOf(request), 'enlist');
      const wish = parseBody(enlistmentSchema, request.body);
      const { account, isNew } = await registry.enlist(proof, {
        displayName: wish.display_name,
        device: wish.device,
      });
      response.status(isNew ? 201 : 200).json({
        interop_id: account.localpart,
        jid: jidOf(account),
        device_id: onlyDeviceId,
        ...options.stream(),
        ...capabilitiesOf(terms),
      });
    }),
  );
  app.get(
    '/interop/v1/enlistments/self',
    route(async (request, response) => {
      response.json(face(await self(request)));
    }),
  );
  app.patch(
    '/interop/v1/enlistments/self',
    route(async (request, response) => {
      const account = await activeSelf(request);
      const change = parseBody(changeSchema, request.body);
      const changed: Account = {
        ...account,
        displayName: change.display_name ?? account.displayName,
        reachable: change.reachable ?? account.reachable,
      };
      store.saveAccount(changed);
      response.json(face(changed));
    }),
  );
  app.delete(
    '/interop/v1/enlistments/self',
    route(async (request, response) => {
      await registry.unenlist(await self(request));
      response.status(204).end();
    }),
  );
  app.post(
    '/interop/v1/lookups',
    route(async (request, response) => {
      await activeSelf(request);
      const { identifiers } = parseBody(lookupsSchema, request.body);
      response.json({ results: identifiers.map((identifier) => lookUp(store, jidOf, identifier)) });
    }),
  );
  app.post(
    '/interop/v1/reports',
    route(async (request, response) => {
      const { localpart } = await activeSelf(request);
      const { jid, reason, message_ids } = parseBody(reportSchema, request.body);
      store.insertReport({ reporter: localpart, jid, reason, messageIds: message_ids });
      response.status(202).json({});
    }),
  );
  app.use((_request, response) => {
    response.status(404).json({ error: 'bad_request', message: 'no such call' });
  });
  app.use(answerErrors(options.log));
  return app;
}

function lookUp(store: GatekeeperStore, jidOf: (account: Account) => string, { kind, value }: Identifier) {
  const account =
    kind === 'interop_id'
      ? store.findAccount(value)
      : store.findByIdentifier(kind, kind === 'username' ? value.toLowerCase() : value);
  // Who does not want to be found looks like nobody.
  if (account === undefined || account.state === 'suspended' || !account.reachable) {
    return { kind, value, status: 'unknown' };
  }
  if (!account.optedIn) return { kind, value, status: 'not_opted_in' };
  return {
    kind,
    value,
    status: 'reachable',
    jid: jidOf(account),
    interop_id: account.localpart,
    ...(account.displayName === undefined ? {} : { display_name: account.displayName }),
  };
}

/** Carries out what a test has switched on. */
function misbehave({ faults, clock }: Pick<EnlistmentApiOptions, 'faults' | 'clock'>): RequestHandler {
  const thrown = {
    unavailable: gatekeeperErrors.unavailable,
    'rate-limited': gatekeeperErrors.rateLimited,
    region: gatekeeperErrors.regionNotAllowed,
    terms: gatekeeperErrors.termsOutdated,
  };
  return (_request, _response, next) => {
    if (faults.api === 'mute') return;
    const answer = () =>
      next(faults.api === 'none' || faults.api === 'mute' ? undefined : thrown[faults.api]());
    if (faults.apiDelayMs === 0) answer();
    else clock.sleep(faults.apiDelayMs).then(answer, next);
  };
}
