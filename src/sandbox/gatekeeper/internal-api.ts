/**
 * The gatekeeper's loopback listener: Prosody asks here whether a login is good and tells of waiting messages; phones
 * fetch their tokens and leave their keys.
 *
 * ```text
 * POST /internal/v1/authorize  Bearer shared secret  { token, authzid } → { ok: true, localpart } | { ok: false, reason, … }
 * POST /internal/v1/waiting    Bearer shared secret  { localpart } → 202
 * POST /phones/v1/token        Bearer localpart.secret → { token }: a proof token with scope `connect`
 * PUT  /phones/v1/device       Bearer localpart.secret  Device (profile, section 2) → 204
 * GET  /phones/v1/contacts     Bearer localpart.secret → { contacts: [{ jid, display_name?, identifier }] }: enlisted users
 * ```
 */
import { timingSafeEqual } from 'node:crypto';
import type { Express, Request } from 'express';
import { z } from 'zod';

import type { Log } from '../../model/ambient.ts';
import { BridgeError, codeOf } from '../../model/errors.ts';
import { deviceSchema } from './device.ts';
import type { Faults } from './faults.ts';
import { gatekeeperErrors } from './gatekeeper-errors.ts';
import { answerErrors, bearerOf, jsonApp, parseBody, route } from './http-server.ts';
import { thumbprint } from './key-pool.ts';
import type { ProofJudge } from './proof-token.ts';
import type { Registry } from './registry.ts';
import type { Account, GatekeeperStore } from './store.ts';

export interface InternalApiOptions {
  readonly domain: string;
  readonly adminSecret: string;
  readonly registry: Registry;
  readonly store: GatekeeperStore;
  readonly judge: ProofJudge;
  /** Mints a phone's proof token. */
  readonly mintPhoneToken: (account: Account, signalIdentity: string) => Promise<string>;
  readonly findIdentity: (localpart: string) => Uint8Array | undefined;
  readonly onWaiting: (account: Account) => void;
  readonly faults: Faults;
  readonly log: Log;
}

const bodyBytes = 512 * 1024;
const authorizeSchema = z.object({ token: z.string(), authzid: z.string() });
const waitingSchema = z.object({ localpart: z.string() });

type Verdict =
  | { readonly ok: true; readonly localpart: string }
  | { readonly ok: false; readonly reason: string; readonly localpart?: string; readonly disabled?: boolean };

export function internalApi(options: InternalApiOptions): Express {
  const { registry, store } = options;
  const app = jsonApp(bodyBytes);
  app.use('/internal/v1', (request, _response, next) => {
    next(isSame(bearerOf(request), options.adminSecret) ? undefined : gatekeeperErrors.badToken());
  });
  app.post(
    '/internal/v1/authorize',
    route(async (request, response) => {
      const { token, authzid } = parseBody(authorizeSchema, request.body);
      response.json(await judgeLogin(options, token, authzid));
    }),
  );
  app.post('/internal/v1/waiting', (request, response) => {
    const account = store.findAccount(parseBody(waitingSchema, request.body).localpart);
    if (account !== undefined) options.onWaiting(account);
    response.status(202).json({});
  });
  app.post(
    '/phones/v1/token',
    route(async (request, response) => {
      const account = phoneOf(registry, request);
      const identity = options.findIdentity(account.localpart);
      if (identity === undefined) throw gatekeeperErrors.badRequest({ reason: 'no device' });
      response.json({ token: await options.mintPhoneToken(account, thumbprint(identity)) });
    }),
  );
  app.put(
    '/phones/v1/device',
    route(async (request, response) => {
      await registry.savePhoneDevice(phoneOf(registry, request), parseBody(deviceSchema, request.body));
      response.status(204).end();
    }),
  );
  app.get('/phones/v1/contacts', (request, response) => {
    phoneOf(registry, request);
    const contacts = store
      .listAccounts()
      .filter((account) => account.kind === 'enlistee' && account.state === 'active' && account.reachable)
      .map(({ localpart, displayName, subject }) => ({
        jid: `${localpart}@${options.domain}`,
        ...(displayName === undefined ? {} : { display_name: displayName }),
        identifier: subject,
      }));
    response.json({ contacts });
  });
  app.use(answerErrors(options.log));
  return app;
}

async function judgeLogin(options: InternalApiOptions, token: string, authzid: string): Promise<Verdict> {
  try {
    const account = options.registry.accountOf(await options.judge.judge(token, 'connect'));
    if (authzid !== `${account.localpart}@${options.domain}`) return { ok: false, reason: 'authzid' };
    if (options.faults.loginsRefused && account.kind === 'enlistee') return { ok: false, reason: 'fault' };
    if (account.state === 'suspended') {
      return { ok: false, reason: 'suspended', localpart: account.localpart, disabled: true };
    }
    return { ok: true, localpart: account.localpart };
  } catch (failure) {
    if (!(failure instanceof BridgeError)) throw failure;
    options.log.info('login refused', { code: codeOf(failure), ...failure.facts });
    return { ok: false, reason: failure.message };
  }
}

function phoneOf(registry: Registry, request: Request): Account {
  const [localpart = '', secret = ''] = bearerOf(request).split('.', 2);
  const account = registry.findPhone(localpart, secret);
  if (account === undefined) throw gatekeeperErrors.badToken({ reason: 'phone' });
  return account;
}

function isSame(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}
