import { defineErrors } from '../model/errors.ts';

/** What can go wrong at a gatekeeper, whatever its dialect. Facts: `network`, ids, `status`, `retryAfterMs`. */
export const networkErrors = defineErrors('network', {
  /** No connection: name, port or network. Nothing was sent. */
  unreachable: { retry: 'later', arrived: 'no', notice: 'network-unreachable' },
  /** The certificate is not one we trust. Nothing was sent. The operator can act. */
  untrusted: { retry: 'later', arrived: 'no', notice: 'network-unreachable' },
  /** The request went out and no whole answer came in time. */
  unanswered: { retry: 'later', arrived: 'unknown', notice: 'network-unreachable' },
  /** An answer came that the profile does not allow: too large, a redirect, not JSON, wrong shape, wrong sender. */
  badAnswer: { retry: 'later', arrived: 'unknown', notice: 'network-faulty' },
  /** The gatekeeper cannot serve now. */
  unavailable: { retry: 'later', arrived: 'no', notice: 'network-unreachable' },
  /** Too many requests; `retryAfterMs` when the gatekeeper told how long to wait. */
  rateLimited: { retry: 'later', arrived: 'no', notice: 'network-busy' },
  /** Our request was refused as faulty: a bug here, or a gatekeeper that changed. */
  refused: { retry: 'never', arrived: 'no', notice: 'network-refused' },
  /** Our proof of identity was not taken: keys not yet seen, or clocks apart. */
  badToken: { retry: 'later', arrived: 'no', notice: 'network-refused' },
  /** The gatekeeper does not offer third-party chats where the person is. */
  regionNotAllowed: { retry: 'after-user', arrived: 'no', notice: 'network-region-not-allowed' },
  /** The gatekeeper has suspended the account. */
  suspended: { retry: 'after-user', arrived: 'no', notice: 'network-suspended' },
  /** The terms changed: the person has to agree again. */
  termsOutdated: { retry: 'after-user', arrived: 'no', notice: 'network-terms-changed' },
  /** The gatekeeper has no such account any more. */
  notEnlisted: { retry: 'after-user', arrived: 'no', notice: 'network-not-enlisted' },
  /** Another account is enlisted with this Signal identity. */
  identityInUse: { retry: 'never', arrived: 'no', notice: 'network-refused' },
  /** More than the gatekeeper takes in one request or stanza. */
  tooLarge: { retry: 'never', arrived: 'no', notice: 'message-too-large' },
  /** The contact may not be written to from here. */
  forbidden: { retry: 'never', arrived: 'no', notice: 'contact-has-no-keys' },
  /** The contact has no account there, or has not published keys. */
  noKeys: { retry: 'later', arrived: 'no', notice: 'contact-has-no-keys' },
  /** Content that is not what the schema allows, from either direction. */
  badContent: { retry: 'never', arrived: 'no', notice: 'message-unreadable' },
  /** A wake-up that the gatekeeper did not sign, or that is old, meant for others or repeated. */
  badPush: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** A token for a file that we host, which the gatekeeper did not sign, or that is old, meant for others or for something else. */
  badMediaToken: { retry: 'never', arrived: 'no', notice: 'internal' },
});
