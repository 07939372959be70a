/** An ES256 key pair of the gatekeeper's own, kept in its store. */
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose';

import type { GatekeeperStore } from './store.ts';

export interface SigningKey {
  /** RFC 7638 thumbprint. */
  readonly keyId: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** With `kid`, `alg` and `use`. */
  readonly publicJwk: JWK;
}

/** The key of this name; made the first time. */
export async function signingKey(store: GatekeeperStore, name: string): Promise<SigningKey> {
  const fresh = await generateKeyPair('ES256', { extractable: true });
  const made = JSON.stringify(await exportJWK(fresh.privateKey));
  const { d, ...publicPart } = JSON.parse(store.setting(name, () => made)) as JWK;
  const keyId = await calculateJwkThumbprint(publicPart);
  const privateKey = await importJWK({ ...publicPart, ...(d === undefined ? {} : { d }) }, 'ES256');
  const publicKey = await importJWK(publicPart, 'ES256');
  if (privateKey instanceof Uint8Array || publicKey instanceof Uint8Array)
    throw new TypeError('not an EC key');
  return { keyId, privateKey, publicKey, publicJwk: { ...publicPart, kid: keyId, alg: 'ES256', use: 'sig' } };
}
