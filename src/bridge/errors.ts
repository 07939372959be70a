import { defineErrors } from '../model/errors.ts';

/** `notice` is the id of the reason that people are told (texts/en.ftl). */
export const bridgeErrors = defineErrors('bridge', {
  badText: { retry: 'never', arrived: 'no', notice: 'internal' },
  badEvent: { retry: 'never', arrived: 'no', notice: 'malformed' },
  badStanza: { retry: 'never', arrived: 'no', notice: 'malformed' },
  networkUnknown: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** The link is not up, and the step needs an answer over it. */
  linkDown: { retry: 'later', arrived: 'no', notice: 'network-unreachable' },
  /** The keys service holds no usable device of the contact. */
  contactHasNoKeys: { retry: 'never', arrived: 'no', notice: 'contact-has-no-keys' },
  /** The account is not active yet, or suspended: its messages wait. */
  accountNotActive: { retry: 'later', arrived: 'no', notice: 'not-connected' },
  tooOld: { retry: 'never', arrived: 'no', notice: 'too-old' },
});
