/** Enlistment API of the interop profile, §2: one request a call, a fresh proof of identity for each, every answer checked. */
import { toUSVString } from 'node:util';
import { z } from 'zod';
import { type ContactId, contactId, deviceId, domainOf, type MatrixUserId } from '../../model/ids.ts';
import type { PublicDevice, PublicPrekey, SignedPublicPrekey } from '../../model/prekeys.ts';
import { networkErrors } from '../errors.ts';
import type {
  Enlisted,
  EnlistedAccount,
  EnlistmentPort,
  EnlistmentState,
  EnlistRequest,
  Identifier,
  LookupResult,
  ProfileChange,
  ProofOfIdentity,
  Report,
} from '../network.ts';
import { hasErrorCode, toError } from './api-error.ts';
import { toBase64 } from './base64.ts';
import { capabilitiesSchema } from './capabilities.ts';
import type { HttpAnswer, HttpClient, HttpRequest } from './http-client.ts';

/** Profile §2. */
const MAX_LOOKUP = 256;
const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_LOOKUP_ANSWER_BYTES = 1024 * 1024;
const SELF = 'interop/v1/enlistments/self';

/** The API of one network; keeps nothing between calls. */
export class EnlistmentApi implements EnlistmentPort {
  readonly #http: HttpClient;
  readonly #proof: ProofOfIdentity;
  readonly #apiUrl: string;
  readonly #audience: string;
  readonly #domain: string;

  constructor(deps: {
    http: HttpClient;
    proof: ProofOfIdentity;
    settings: { readonly apiUrl: string; readonly audience: string; readonly domain: string };
  }) {
    this.#http = deps.http;
    this.#proof = deps.proof;
    const { apiUrl, audience, domain } = deps.settings;
    this.#apiUrl = apiUrl.endsWith('/') ? apiUrl : `${apiUrl}/`;
    this.#audience = audience;
    this.#domain = domain;
  }

  async enlist(request: EnlistRequest, signal?: AbortSignal): Promise<Enlisted> {
    const proof = { user: request.user, signalIdentity: request.device.identityKey };
    const answer = await this.#call('enlist', proof, {
      method: 'POST',
      path: 'interop/v1/enlistments',
      body: {
        display_name: request.displayName,
        terms_version: request.termsVersion,
        device: deviceToJson(request.device),
      },
      statuses: [201, 200],
      signal,
    });
    const { jid, ...enlisted } = parse(enlistedSchema, answer);
    return { ...enlisted, jid: this.#contact(jid) };
  }

  async self(account: EnlistedAccount, signal?: AbortSignal): Promise<EnlistmentState> {
    const request = { method: 'GET', path: SELF, statuses: [200], signal } as const;
    return stateOf(account, await this.#call('api', account, request));
  }

  async update(
    account: EnlistedAccount,
    change: ProfileChange,
    signal?: AbortSignal,
  ): Promise<EnlistmentState> {
    const body = { display_name: change.displayName, reachable: change.reachable };
    const request = { method: 'PATCH', path: SELF, body, statuses: [200], signal } as const;
    return stateOf(account, await this.#call('api', account, request));
  }

  async unenlist(account: EnlistedAccount, signal?: AbortSignal): Promise<'done' | 'was-not-enlisted'> {
    const request = { method: 'DELETE', path: SELF, signal } as const;
    const answer = await this.#ask('api', account, request);
    if (answer.status === 204) return 'done';
    // Only in the API's own words: any 404 on the way must not pass for a deleted account.
    if (answer.status === 404 && hasErrorCode(answer, 'not_enlisted')) return 'was-not-enlisted';
    throw toError(answer);
  }

  async lookup(
    account: EnlistedAccount,
    identifiers: readonly Identifier[],
    signal?: AbortSignal,
  ): Promise<readonly LookupResult[]> {
    if (identifiers.length === 0) return [];
    if (identifiers.length > MAX_LOOKUP) throw networkErrors.refused({ why: 'too many identifiers' });
    const answer = await this.#call('api', account, {
      method: 'POST',
      path: 'interop/v1/lookups',
      body: { identifiers: identifiers.map(({ kind, value }) => ({ kind, value })) },
      statuses: [200],
      maxAnswerBytes: MAX_LOOKUP_ANSWER_BYTES,
      signal,
    });
    const { results } = parse(lookupSchema, answer);
    if (results.length !== identifiers.length) throw networkErrors.badAnswer({ why: 'number of results' });
    return identifiers.map((asked, index) => this.#lookupResult(asked, results[index]));
  }

  async report(account: EnlistedAccount, report: Report, signal?: AbortSignal): Promise<void> {
    await this.#call('api', account, {
      method: 'POST',
      path: 'interop/v1/reports',
      body: { jid: report.contact, reason: report.reason, message_ids: report.messages },
      statuses: [202],
      signal,
    });
  }

  #lookupResult(asked: Identifier, result: RawResult | undefined): LookupResult {
    if (result?.kind !== asked.kind || result.value !== asked.value) {
      throw networkErrors.badAnswer({ why: 'order of results' });
    }
    const identifier = { kind: asked.kind, value: asked.value };
    if (result.status !== 'reachable') {
      return { ...identifier, status: result.status === 'not_opted_in' ? 'not-opted-in' : 'unknown' };
    }
    const { jid, interop_id: interopId, display_name: displayName } = result;
    if (jid === undefined) throw networkErrors.badAnswer({ why: 'jid' });
    return {
      ...identifier,
      status: 'reachable',
      contact: this.#contact(jid),
      ...(interopId === undefined ? {} : { interopId }),
      ...(displayName === undefined ? {} : { displayName }),
    };
  }

  /** An address elsewhere would send messages past the network that the person agreed to. */
  #contact(jid: ContactId): ContactId {
    if (domainOf(jid) !== this.#domain) throw networkErrors.badAnswer({ why: 'domain of jid' });
    return jid;
  }

  async #call(scope: 'enlist' | 'api', prover: Prover, call: Call): Promise<HttpAnswer> {
    const answer = await this.#ask(scope, prover, call);
    if (!call.statuses?.includes(answer.status)) throw toError(answer);
    return answer;
  }

  async #ask(scope: 'enlist' | 'api', prover: Prover, call: Call): Promise<HttpAnswer> {
    const { interopId } = prover;
    const token = await this.#proof({
      audience: this.#audience,
      subject: prover.user,
      scope,
      signalIdentity: prover.signalIdentity,
      ...(interopId === undefined ? {} : { interopId }),
    });
    return await this.#http.send({
      method: call.method,
      url: new URL(call.path, this.#apiUrl),
      token,
      maxAnswerBytes: call.maxAnswerBytes ?? MAX_ANSWER_BYTES,
      ...(call.body === undefined ? {} : { body: call.body }),
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    });
  }
}

/** Who asks. */
type Prover = Readonly<{ user: MatrixUserId; signalIdentity: Uint8Array; interopId?: string }>;

type Call = Readonly<{
  method: HttpRequest['method'];
  path: string;
  body?: unknown;
  /** What means success. */
  statuses?: readonly number[];
  maxAnswerBytes?: number;
  signal: AbortSignal | undefined;
}>;

/** Text of the gatekeeper or a contact for people: what is too long is cut, because it decides nothing. */
const shownText = z.string().transform((text) => toUSVString([...text.slice(0, 512)].slice(0, 256).join('')));
/** Servers stamp addresses in lower case (RFC 7622 §3.3.1); spelt otherwise it would be another contact to us. */
const bareJid = parsedBy(z.string().max(2047), (jid) => contactId(jid.toLowerCase()));
const interopId = z.string().regex(/^[^\s\p{Cc}]{1,255}$/u);

const enlistedSchema = z
  .object({
    interop_id: interopId,
    jid: bareJid,
    device_id: parsedBy(z.number(), deviceId),
    // A name or an address; no port, no path (RFC 1123 §2.1, RFC 4291 §2.2).
    host: z.string().regex(/^([A-Za-z0-9]([A-Za-z0-9.-]{0,252})|[0-9a-fA-F:.]{2,45})$/),
    port: z.int().min(1).max(65_535),
  })
  .and(capabilitiesSchema)
  .transform(
    (body): Enlisted => ({
      interopId: body.interop_id,
      jid: body.jid,
      device: body.device_id,
      host: body.host,
      port: body.port,
      capabilities: { kinds: body.kinds, limits: body.limits, media: body.media },
    }),
  );

const stateSchema = z.object({
  capabilities: z.unknown().optional(),
  interop_id: interopId,
  jid: bareJid,
  device_id: z.int(),
  state: z.enum(['active', 'suspended']),
  reason: shownText.optional(),
  display_name: shownText.optional(),
  reachable: z.boolean(),
});

const resultSchema = z.object({
  kind: z.enum(['phone', 'username', 'interop_id']),
  value: z.string(),
  status: z.enum(['reachable', 'not_opted_in', 'unknown']),
  jid: bareJid.optional(),
  interop_id: interopId.optional(),
  display_name: shownText.optional(),
});
type RawResult = z.infer<typeof resultSchema>;
const lookupSchema = z.object({ results: z.array(resultSchema).max(MAX_LOOKUP) });

function parsedBy<From, To>(schema: z.ZodType<From>, parser: (value: From) => To) {
  return schema.transform((value, context): To => {
    try {
      return parser(value);
    } catch {
      // The parser's own error says no more than that.
      context.addIssue({ code: 'custom', message: 'not an id' });
      return z.NEVER;
    }
  });
}

function stateOf(account: EnlistedAccount, answer: HttpAnswer): EnlistmentState {
  const body = parse(stateSchema, answer);
  // A gatekeeper that does not tell them here has not changed them.
  const capabilities = body.capabilities !== undefined ? parse(capabilitiesSchema, answer) : undefined;
  const isOurs =
    body.interop_id === account.interopId && body.jid === account.jid && body.device_id === account.device;
  if (!isOurs) throw networkErrors.badAnswer({ why: 'another account' });
  return {
    state: body.state,
    ...(body.reason === undefined ? {} : { reason: body.reason }),
    ...(body.display_name === undefined ? {} : { displayName: body.display_name }),
    reachable: body.reachable,
    ...(capabilities === undefined ? {} : { capabilities }),
  };
}

/** @throws BridgeError `network/badAnswer`; facts say where it does not fit, never what stood there. */
function parse<T>(schema: z.ZodType<T>, answer: HttpAnswer): T {
  const { status } = answer;
  const result = schema.safeParse(json(answer));
  if (result.success) return result.data;
  const at = result.error.issues[0]?.path.join('.');
  throw networkErrors.badAnswer({ status, why: 'shape', at });
}

function json(answer: HttpAnswer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(answer.body));
  } catch {
    // The parser's message quotes the body: no cause.
    throw networkErrors.badAnswer({ status: answer.status, why: 'not JSON' });
  }
}

function deviceToJson(device: PublicDevice): unknown {
  return {
    registration_id: device.registrationId,
    identity_key: toBase64(device.identityKey),
    signed_prekey: signedKeyToJson(device.signedPrekey),
    kyber_last_resort: signedKeyToJson(device.kyberLastResort),
    prekeys: device.prekeys.map(keyToJson),
    kyber_prekeys: device.kyberPrekeys.map(signedKeyToJson),
  };
}

function keyToJson(key: PublicPrekey): { id: number; key: string } {
  return { id: key.id, key: toBase64(key.key) };
}

function signedKeyToJson(key: SignedPublicPrekey): { id: number; key: string; signature: string } {
  return { ...keyToJson(key), signature: toBase64(key.signature) };
}
