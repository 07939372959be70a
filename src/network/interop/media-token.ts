/** Tokens with which the gatekeeper's media proxy fetches files that we host (docs/interop-profile.md §7). */
import { errors, jwtVerify } from 'jose';
import type { Clock } from '../../model/ambient.ts';
import { networkErrors } from '../errors.ts';
import type { GatekeeperKeys } from './gatekeeper-keys.ts';

const MAX_TOKEN_LENGTH = 8_192;
/** Our clock and theirs may differ by this. */
const TOLERANCE_S = 30;
/** As that of the gatekeeper's other tokens (profile §3). */
const MAX_AGE_S = 300;
const SCOPE = 'media';

/** Judges the tokens of one network. Unlike a push, one is good more than once: a file is fetched in ranges. */
export class MediaTokenVerifier {
  readonly #deps: Readonly<{ keys: GatekeeperKeys; clock: Clock; audience: string; issuer: string }>;

  /** @param deps `audience`: what the gatekeeper calls itself. `issuer`: what we do. */
  constructor(deps: { keys: GatekeeperKeys; clock: Clock; audience: string; issuer: string }) {
    this.#deps = deps;
  }

  /** As `NetworkAdapter.verifyMediaToken`. */
  async verify(token: string): Promise<void> {
    if (token.length > MAX_TOKEN_LENGTH) throw networkErrors.badMediaToken({ why: 'too large' });
    const { keys, clock, audience, issuer } = this.#deps;
    try {
      const { payload } = await jwtVerify(token, (header, jws) => keys.find(header, jws), {
        algorithms: ['ES256'],
        issuer: audience,
        audience: issuer,
        requiredClaims: ['iat', 'exp', 'scope'],
        maxTokenAge: MAX_AGE_S,
        clockTolerance: TOLERANCE_S,
        currentDate: new Date(clock.nowMs()),
      });
      // RFC 8693 §4.2: words, separated by spaces.
      const { scope } = payload;
      if (typeof scope !== 'string' || !scope.split(' ').includes(SCOPE)) {
        throw networkErrors.badMediaToken({ why: 'scope' });
      }
    } catch (failure) {
      // The failure itself holds the token's claims: its code only.
      if (failure instanceof errors.JOSEError) throw networkErrors.badMediaToken({ why: failure.code });
      throw failure;
    }
  }
}
