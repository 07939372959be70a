/** Tokens: header and claims as JSON text, signed or not, and the three parts then changed as text. */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import fc from 'fast-check';
import { jsonToken, jsonWords } from './json.ts';
import { mutated } from './mutated.ts';
import { joined, type Pieces } from './pieces.ts';

/** A key of the tests, of no use anywhere: fixed, so that a seed makes the same token again but for its signature. */
const PRIVATE_JWK = {
  kty: 'EC',
  crv: 'P-256',
  x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
  y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
  // RFC 7515, appendix A.3.
  d: 'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI',
};
const privateKey: KeyObject = createPrivateKey({ key: PRIVATE_JWK, format: 'jwk' });
export const publicKey: KeyObject = createPublicKey(privateKey);
export const KEY_ID = 'k1';
export const publicJwk = { ...publicKey.export({ format: 'jwk' }), kid: KEY_ID, alg: 'ES256', use: 'sig' };

export interface TokenInput {
  readonly header: Pieces;
  readonly claims: Pieces;
  readonly isSigned: boolean;
  /** What is done to the finished token. */
  readonly damage: 'none' | 'cut' | 'no-signature' | 'extra-part' | 'padding' | 'white-space' | 'long';
}

/** @param claims a sound token's, as JSON. */
export function tokenInputs(claims: object, words: readonly string[]): fc.Arbitrary<TokenInput> {
  const jsonOf = (seed: string) =>
    mutated({ seeds: [seed], token: jsonToken, words: [...jsonWords, ...words] });
  const header = JSON.stringify({ alg: 'ES256', typ: 'JWT', kid: KEY_ID });
  return fc.record(
    {
      header: fc.oneof(
        { weight: 2, arbitrary: fc.constant([header]) },
        { weight: 1, arbitrary: jsonOf(header) },
      ),
      claims: jsonOf(JSON.stringify(claims)),
      isSigned: fc.constantFrom(true, true, true, false),
      damage: fc.oneof(
        { weight: 8, arbitrary: fc.constant('none') },
        {
          weight: 1,
          arbitrary: fc.constantFrom('cut', 'no-signature', 'extra-part', 'padding', 'white-space', 'long'),
        },
      ),
    },
    { noNullPrototype: true },
  );
}

/** The token in its compact form (RFC 7515 §7.1). */
export function tokenOf({ header, claims, isSigned, damage }: TokenInput): string {
  const signed = `${base64url(joined(header))}.${base64url(joined(claims))}`;
  const signature = isSigned
    ? sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' })
    : Buffer.alloc(64, 1);
  const token = `${signed}.${signature.toString('base64url')}`;
  switch (damage) {
    case 'cut':
      return token.slice(0, token.length >> 1);
    case 'no-signature':
      return `${signed}.`;
    case 'extra-part':
      return `${token}.${token}`;
    case 'padding':
      return `${token}==`;
    case 'white-space':
      return ` ${token}\n`;
    case 'long':
      return token + 'A'.repeat(9000);
    default:
      return token;
  }
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
