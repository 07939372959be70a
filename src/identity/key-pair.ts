/** An issuer's key: made, stored as PKCS #8, published as a JWK, and named by its RFC 7638 thumbprint. */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';
import { identityErrors } from './errors.ts';

export type IssuerKeyPair = Readonly<{
  kid: string;
  privateKey: KeyObject;
  /** As in the JWKS: `kty`, `crv`, `x`, `y`, `kid`, `alg`, `use`. */
  publicJwk: JWK;
}>;

/** A new ES256 key (RFC 7518 §3.4: ECDSA over P-256). The generator of node:crypto draws it. */
export async function generateIssuerKeyPair(): Promise<IssuerKeyPair> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  return await pairFrom(privateKey);
}

/** PKCS #8 in DER. The caller zeroes it. */
export function privateKeyBytes(pair: IssuerKeyPair): Buffer {
  return pair.privateKey.export({ format: 'der', type: 'pkcs8' });
}

/**
 * The key that was stored under `kid`. Its public half is computed, not read: whoever can write to the database but has
 * no master key must not get a key of theirs into our JWKS.
 * @param pkcs8 is zeroed.
 * @throws BridgeError `identity/keyForged`
 */
export async function loadIssuerKeyPair(kid: string, pkcs8: Buffer): Promise<IssuerKeyPair> {
  try {
    const pair = await pairFrom(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }));
    if (pair.kid === kid) return pair;
  } catch (cause) {
    throw identityErrors.keyForged({ kid }, cause);
  } finally {
    pkcs8.fill(0);
  }
  throw identityErrors.keyForged({ kid });
}

async function pairFrom(privateKey: KeyObject): Promise<IssuerKeyPair> {
  const { kty, crv, x, y } = await exportJWK(createPublicKey(privateKey));
  if (kty !== 'EC' || crv !== 'P-256' || x === undefined || y === undefined) {
    throw new TypeError('not a key for ES256');
  }
  const kid = await calculateJwkThumbprint({ kty, crv, x, y });
  return { kid, privateKey, publicJwk: { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' } };
}
