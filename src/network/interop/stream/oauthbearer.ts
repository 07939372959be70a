/** SASL OAUTHBEARER, RFC 7628: the token of the moment in one message, with the identity and address it is for. */
import type { SaslMechanism } from '@xmpp/client';

export interface OAuthBearerCredentials {
  /** Authorisation identity: the bare JID. */
  readonly identity: string;
  readonly host: string;
  readonly port: number;
  readonly token: string;
}

export const OAUTHBEARER = 'OAUTHBEARER';

/** RFC 7628 §3.1. @throws Error if the token or the host holds what the form has no room for; neither is quoted. */
export function initialResponse({ identity, host, port, token }: OAuthBearerCredentials): string {
  // RFC 6750 §2.1, b64token.
  if (!/^[A-Za-z0-9._~+/-]+=*$/.test(token)) throw new Error('the token is no b64token');
  if (!/^[\x21-\x7e]+$/.test(host)) throw new Error('the host is not printable ASCII');
  // RFC 5801 §4: a comma and an equals sign are written as escapes in the identity.
  const name = identity.replaceAll('=', '=3D').replaceAll(',', '=2C');
  return `n,a=${name},\x01host=${host}\x01port=${port}\x01auth=Bearer ${token}\x01\x01`;
}

/**
 * The mechanism as @xmpp/sasl wants it: first `response()`; a challenge means that the token was refused and is
 * answered by a lone control-A (RFC 7628 §3.2.3), upon which the server sends `<failure/>`.
 */
export class OAuthBearerMechanism implements SaslMechanism {
  declare readonly name: string;
  declare readonly clientFirst: boolean;
  #isRefused = false;

  challenge(): void {
    if (this.#isRefused) throw new Error('a second challenge (RFC 7628 §3.2.3 knows one)');
    this.#isRefused = true;
  }

  response(credentials: unknown): string {
    if (this.#isRefused) return '\x01';
    const text = initialResponse(credentials as OAuthBearerCredentials);
    // COMPAT @xmpp/base64 0.14 calls btoa: one character a byte, or it throws on the first name outside Latin-1.
    return Buffer.from(text, 'utf8').toString('latin1');
  }
}

// The library reads these from the prototype or from an instance that it makes itself.
Object.assign(OAuthBearerMechanism.prototype, { name: OAUTHBEARER, clientFirst: true });
