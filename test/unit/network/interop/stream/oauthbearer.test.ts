import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  initialResponse,
  OAuthBearerMechanism,
} from '../../../../../src/network/interop/stream/oauthbearer.ts';

const credentials = { identity: 'me@gk.test', host: 'xmpp.gk.test', port: 5223, token: 'aA0-._~+/==' };

describe('OAUTHBEARER', () => {
  it('writes the first message of RFC 7628 §3.1', () => {
    assert.equal(
      initialResponse(credentials),
      'n,a=me@gk.test,\x01host=xmpp.gk.test\x01port=5223\x01auth=Bearer aA0-._~+/==\x01\x01',
    );
  });

  it('escapes comma and equals sign in the identity (RFC 5801 §4)', () => {
    assert(
      initialResponse({ ...credentials, identity: 'a,b=c@gk.test' }).startsWith('n,a=a=2Cb=3Dc@gk.test,\x01'),
    );
  });

  it('refuses a token or host that could end its field, and quotes neither', () => {
    for (const part of [
      { token: 'a\x01b' },
      { token: 'a b' },
      { token: '' },
      { host: 'a\x01auth=x' },
      { host: '' },
    ]) {
      assert.throws(
        () => initialResponse({ ...credentials, ...part }),
        (failure: Error) => !failure.message.includes('\x01') && !failure.message.includes('a b'),
      );
    }
  });

  it('gives one character a byte, in UTF-8', () => {
    const response = new OAuthBearerMechanism().response({ ...credentials, identity: 'zoë😀@gk.test' });
    assert(Buffer.from(response, 'latin1').toString('utf8').includes('a=zoë😀@gk.test,'));
  });

  it('answers the refusal with a lone control-A (RFC 7628 §3.2.3), and no second one', () => {
    const mechanism = new OAuthBearerMechanism();
    mechanism.response(credentials);
    mechanism.challenge();
    assert.equal(mechanism.response(credentials), '\x01');
    assert.throws(() => mechanism.challenge());
  });
});
