/**
 * Public keys of the OpenID issuers that a gatekeeper trusts: discovery and JWKS, fetched when needed and kept for as
 * long as `Cache-Control: max-age` says (docs/interop-profile.md, section 1).
 */
import { type CryptoKey, importJWK, type JWK } from 'jose';
import { z } from 'zod';

import type { Clock, Log } from '../../model/ambient.ts';
import { gatekeeperErrors } from './gatekeeper-errors.ts';

/** An issuer whose keys do not come by discovery: the gatekeeper itself, for its phones. */
export interface LocalIssuer {
  readonly issuer: string;
  readonly keyId: string;
  readonly key: CryptoKey;
}

const discoverySchema = z.object({
  issuer: z.string(),
  jwks_uri: z.url(),
  interop: z.object({ push_endpoint: z.url(), versions: z.array(z.number()) }),
});
const jwksSchema = z.object({
  keys: z
    .array(z.looseObject({ kid: z.string(), kty: z.string(), alg: z.string(), use: z.string() }))
    .max(32),
});

type Discovery = z.infer<typeof discoverySchema>;
interface Known {
  readonly keys: ReadonlyMap<string, CryptoKey>;
  readonly discovery: Discovery;
  readonly staleAtMs: number;
  readonly fetchedAtMs: number;
}

const limits = {
  timeoutMs: 5000,
  bodyBytes: 64 * 1024,
  /** Used when the answer has no `max-age`. */
  fallbackMaxAgeS: 60,
  maxAgeS: 86_400,
  /** How soon an unknown key id may cause the next fetch. */
  refetchAfterMs: 2000,
} as const;

export class IssuerKeys {
  readonly #trusted: ReadonlySet<string>;
  readonly #local: LocalIssuer;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #known = new Map<string, Known>();
  readonly #fetching = new Map<string, Promise<Known>>();

  constructor(parts: {
    readonly trusted: readonly string[];
    readonly local: LocalIssuer;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#trusted = new Set(parts.trusted);
    this.#local = parts.local;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /**
   * @returns `undefined` for an issuer that is not trusted, or a key it does not publish.
   * @throws BridgeError `sandbox-gatekeeper/unavailable` when the keys are too old and cannot be fetched.
   */
  async find(issuer: string, keyId: string): Promise<CryptoKey | undefined> {
    if (issuer === this.#local.issuer) return keyId === this.#local.keyId ? this.#local.key : undefined;
    if (!this.#trusted.has(issuer)) return undefined;
    const known = await this.#fresh(issuer);
    const key = known.keys.get(keyId);
    if (key !== undefined) return key;
    // A key can be new since the last fetch; but tokens with made-up key ids must not make us a flood.
    if (this.#clock.nowMs() - known.fetchedAtMs < limits.refetchAfterMs) return undefined;
    return (await this.#fetch(issuer)).keys.get(keyId);
  }

  /**
   * Where the issuer wants to be woken (`interop.push_endpoint`).
   * @throws BridgeError `sandbox-gatekeeper/unavailable`.
   */
  async pushEndpoint(issuer: string): Promise<string> {
    return (await this.#fresh(issuer)).discovery.interop.push_endpoint;
  }

  async #fresh(issuer: string): Promise<Known> {
    const known = this.#known.get(issuer);
    return known !== undefined && this.#clock.nowMs() < known.staleAtMs ? known : this.#fetch(issuer);
  }

  /** One fetch at a time for each issuer; whoever comes meanwhile waits for it. */
  #fetch(issuer: string): Promise<Known> {
    const running = this.#fetching.get(issuer);
    if (running !== undefined) return running;
    const started = this.#read(issuer).finally(() => this.#fetching.delete(issuer));
    this.#fetching.set(issuer, started);
    return started;
  }

  async #read(issuer: string): Promise<Known> {
    try {
      const base = issuer.endsWith('/') ? issuer.slice(0, -1) : issuer;
      const found = await readJson(`${base}/.well-known/openid-configuration`);
      const discovery = discoverySchema.parse(found.body);
      // OpenID Connect Discovery 1.0 §4.3: the issuer in the document must be the one asked.
      if (discovery.issuer !== issuer) throw gatekeeperErrors.unavailable({ reason: 'other issuer' });
      const jwks = await readJson(discovery.jwks_uri);
      const fetchedAtMs = this.#clock.nowMs();
      const known: Known = {
        keys: await importKeys(jwksSchema.parse(jwks.body).keys),
        discovery,
        fetchedAtMs,
        staleAtMs: fetchedAtMs + Math.min(found.maxAgeS, jwks.maxAgeS) * 1000,
      };
      this.#known.set(issuer, known);
      return known;
    } catch (failure) {
      this.#log.warn('issuer keys not fetched', { issuer }, failure);
      throw gatekeeperErrors.unavailable({ issuer }, failure);
    }
  }
}

async function importKeys(keys: readonly (JWK & { kid: string })[]): Promise<Map<string, CryptoKey>> {
  const imported = new Map<string, CryptoKey>();
  for (const jwk of keys) {
    // Keys for other purposes may stand in the same document.
    if (jwk.alg !== 'ES256' || jwk.use !== 'sig' || jwk.kty !== 'EC' || jwk.d !== undefined) continue;
    const key = await importJWK(jwk, 'ES256');
    if (!(key instanceof Uint8Array)) imported.set(jwk.kid, key);
  }
  return imported;
}

async function readJson(url: string): Promise<{ body: unknown; maxAgeS: number }> {
  const { protocol, hostname } = new URL(url);
  const loopback = hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]';
  if (protocol !== 'https:' && !(protocol === 'http:' && loopback)) {
    throw gatekeeperErrors.unavailable({ reason: 'not https', url });
  }
  const response = await fetch(url, {
    redirect: 'error',
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(limits.timeoutMs),
  });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw gatekeeperErrors.unavailable({ status: response.status, url });
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > limits.bodyBytes) throw gatekeeperErrors.unavailable({ reason: 'too large', url });
    chunks.push(chunk);
  }
  return {
    body: JSON.parse(Buffer.concat(chunks).toString('utf8')),
    maxAgeS: maxAgeOf(response.headers.get('cache-control')),
  };
}

/**
 * RFC 9111 §5.2.2: seconds that an answer may be kept; 0 for `no-store` and `no-cache`, a minute if nothing is said.
 * @example
 * maxAgeOf('public, max-age=300') // 300
 */
export function maxAgeOf(cacheControl: string | null): number {
  const directives = (cacheControl ?? '').toLowerCase().split(',');
  const names = directives.map((directive) => directive.trim());
  if (names.includes('no-store') || names.includes('no-cache')) return 0;
  const maxAge = names
    .map((name) => /^max-age="?(\d{1,10})"?$/.exec(name)?.[1])
    .find((found) => found !== undefined);
  return maxAge === undefined ? limits.fallbackMaxAgeS : Math.min(Number(maxAge), limits.maxAgeS);
}
